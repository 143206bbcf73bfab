/** A method's grid and words in, a complete map out: flat maps say so, every map has its sentence for those who can't see it. */
import type { ExplanationMap, MapKind, MapRange } from '../domain/explanation.ts'
import { statisticsOf } from '../tensor/grid-statistics.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** Below this spread a map is flat: one color, and a note. Source: spec of the maps, rule R2. */
export const FLAT_BELOW = 1e-6
export const FLAT_NOTE = 'no spatial contrast'
/** Labels from this one on are drawn as one: "other". */
export const MOST_LABELS = 8

type Given = 'name' | 'title' | 'kind' | 'role' | 'grid' | 'unit' | 'method' | 'source'
export type MapParts = Pick<ExplanationMap, Given> & Partial<Omit<ExplanationMap, Given | 'altText'>>

/** Where a method gives no other: the first version of the formula of its name. */
const FIRST_VERSION = '1'

/** A map with what its method left out filled in: range, statistics, notes, alt text. */
export function buildMap(parts: MapParts): ExplanationMap {
  const map = {
    classSpecific: (parts.explainedClass ?? null) !== null,
    explainedClass: null,
    layer: null,
    heads: null,
    range: rangeOf(parts.kind, parts.grid),
    headRange: parts.heads ? (parts.range ?? rangeOf(parts.kind, parts.heads)) : null,
    marks: [],
    interpolation: parts.kind === 'categorical' ? ('nearest' as const) : ('bilinear' as const),
    confidence: null,
    headConfidence: null,
    communities: [],
    numbers: {},
    notes: [],
    formula: `${parts.name}/${FIRST_VERSION}`,
    statistics: parts.kind === 'categorical' ? null : statisticsOf(parts.grid),
    ...parts,
  }
  const notes = isFlat(map.grid) ? [...map.notes, FLAT_NOTE] : map.notes
  return { ...map, notes, altText: describe({ ...map, notes }) }
}

/** Whether a grid's values all but agree. */
export function isFlat(grid: Tensor): boolean {
  const { min, max } = extremesOf(grid.data)
  return max - min < FLAT_BELOW
}

/** The printed limits: [0, max] of a sequential map, symmetric about 0 of a diverging one, none of a categorical one. All zero gives [0, 1] or [-1, 1]. */
export function rangeOf(kind: MapKind, values: Tensor): MapRange | null {
  if (kind === 'categorical') return null
  const { min, max } = extremesOf(values.data)
  const reach = kind === 'diverging' ? Math.max(Math.abs(min), Math.abs(max)) : max
  const limit = reach > 0 ? reach : 1
  return kind === 'diverging' ? { min: -limit, max: limit } : { min: Math.min(0, min), max: limit }
}

export function extremesOf(values: ArrayLike<number>): { readonly min: number; readonly max: number; readonly argmax: number } {
  let min = Number.POSITIVE_INFINITY
  let max = Number.NEGATIVE_INFINITY
  let argmax = 0
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0
    if (value < min) min = value
    if (value > max) {
      max = value
      argmax = i
    }
  }
  return { min, max, argmax }
}

function describe(map: Omit<ExplanationMap, 'altText'>): string {
  const [rows, columns] = gridSize(map.grid)
  const about = map.explainedClass === null ? map.title : `${map.title} for class "${map.explainedClass}"`
  if (map.kind === 'categorical') return `${about}: ${describeCommunities(map)}`
  if (map.notes.includes(FLAT_NOTE)) return `${about}: the same value on all ${rows} x ${columns} patches; ${FLAT_NOTE}.`
  const { min, max, argmax } = extremesOf(map.grid.data)
  const where = describePlace(argmax, rows, columns)
  return `${about}: from ${toShort(min)} to ${toShort(max)} ${map.unit} on ${rows} x ${columns} patches, highest ${where}.`
}

function describeCommunities(map: Omit<ExplanationMap, 'altText'>): string {
  const count = map.communities.length
  const [largest] = map.communities
  const share = Math.round(100 * (largest?.share ?? 1))
  return `${count} ${count === 1 ? 'community' : 'communities'}; the largest covers ${share} % of the patches.`
}

/** Where a patch lies, in words of the image: left and right are the viewer's. */
function describePlace(patch: number, rows: number, columns: number): string {
  const row = Math.floor(patch / columns)
  const column = patch % columns
  const vertical = ['upper', 'middle', 'lower'][Math.min(2, Math.floor((3 * (row + 0.5)) / rows))]
  const horizontal = ['left', 'center', 'right'][Math.min(2, Math.floor((3 * (column + 0.5)) / columns))]
  return `in the ${vertical} ${horizontal} of the network's view (patch row ${row + 1}, column ${column + 1})`
}

export function gridSize(grid: Tensor): readonly [number, number] {
  const [rows = 1, columns = 1] = grid.shape
  return [rows, columns]
}

/** A number in three significant digits, as captions print it. */
export function toShort(value: number): string {
  return String(Number(value.toPrecision(3)))
}
