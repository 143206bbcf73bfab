/** A map and what is asked of its picture in, the numbers and colors to draw out. */
import type { ExplanationMap, MapRange } from '../domain/explanation.ts'
import type { RenderOptions } from '../domain/prediction.ts'
import { Problem } from '../domain/problem.ts'
import { at, type Tensor } from '../tensor/tensor.ts'
import { type ColormapName, colormap, defaultColormap, parseColormap } from './colormaps.ts'
import { labelColor } from './label-colors.ts'

/** One picture's layer: the mean of the heads or one head, with its limits and its 256 colors. */
export interface MapLook {
  readonly map: ExplanationMap
  /** From 0; null for all heads together. */
  readonly head: number | null
  /** [gridHeight, gridWidth] */
  readonly grid: Tensor
  /** [gridHeight, gridWidth] in [0, 1]; categorical maps only. */
  readonly confidence: Tensor | null
  /** Null for labels. */
  readonly range: MapRange | null
  readonly colormap: ColormapName | 'okabe-ito' | 'gray'
  /** [256, 3] sRGB bytes. */
  readonly table: Uint8Array
}

/** Throws: "parameter-invalid" for a head or a color map that the map does not have. */
export function chooseLook(map: ExplanationMap, options: Pick<RenderOptions, 'head' | 'colormap'>): MapLook {
  const { head } = options
  const grid = head === null ? map.grid : headOf(map.heads, head)
  const confidence = head === null ? map.confidence : map.headConfidence === null ? null : headOf(map.headConfidence, head)
  const range = head === null ? map.range : map.headRange
  if (map.kind === 'categorical') return { map, head, grid, confidence, range: null, colormap: labelMap(options.colormap), table: labelTable() }
  const name = options.colormap === null ? defaultColormap(map) : parseColormap(options.colormap)
  return { map, head, grid, confidence, range, colormap: name, table: colormap(name) }
}

function headOf(heads: Tensor | null, head: number): Tensor {
  const count = heads?.shape[0] ?? 0
  if (heads === null || !Number.isInteger(head) || head < 0 || head >= count) {
    throw new Problem('parameter-invalid', count === 0 ? 'this map has no single heads' : `head must be 0 to ${count - 1}`, { parameter: 'head' })
  }
  return at(heads, head)
}

function labelMap(name: string | null): 'okabe-ito' {
  if (name === null || name === 'okabe-ito') return 'okabe-ito'
  throw new Problem('parameter-invalid', 'labels are drawn in okabe-ito', { parameter: 'colormap' })
}

function labelTable(): Uint8Array {
  const table = new Uint8Array(256 * 3)
  for (let label = 0; label < 256; label++) table.set(labelColor(label), label * 3)
  return table
}

/** The table's entry for a value: 0 at the lower limit, 255 at the upper one, held outside; the label itself for labels. A limit pair without extent gives 0. */
export function tableIndex(value: number, range: MapRange | null): number {
  if (range === null) return Math.max(0, Math.min(255, Math.round(value)))
  const extent = range.max - range.min
  if (!(extent > 0)) return 0
  return Math.floor(255 * Math.max(0, Math.min(1, (value - range.min) / extent)) + 0.5)
}
