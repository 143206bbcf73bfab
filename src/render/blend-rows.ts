/** Rows of a picture and what lies over them in, the same rows blended out: the loops over every pixel are in kernels.as.ts. */
import { type Kernels, openKernels } from './open-kernels.ts'
import type { PlacedRows } from './place-grid.ts'
import type { Raster } from './raster.ts'

/** Where a row and its tables lie in the kernels' memory, by their names. */
type Places<Name extends string> = Readonly<Record<Name, number>>

/** Bytes that a kernel may write behind a region. */
const SLACK = 48
/** Of one color in the kernels: 256 values of 3 channels. */
const TABLE_BYTES = 768
/** Pixels that are spread at once. */
const SPREAD = 16_384

/** The table's colors over the raster's pixels: (1 - alpha) pixel + alpha color, where the view lies. */
export function blendColors(raster: Raster, rows: PlacedRows, table: Uint8Array, alpha: number): void {
  const width = rows.columns.lower.length
  // The kernel takes two pixels at a time: of an odd number, one more that is nowhere drawn.
  const even = width + (width % 2)
  const lower = new Int32Array(even)
  const upper = new Int32Array(even)
  const weight = new Float64Array(even)
  lower.set(rows.columns.lower)
  upper.set(rows.columns.upper)
  weight.set(rows.columns.weight)
  const cells = new Float64Array(rows.gridColumns)
  const tables = { tables: new Uint8Array(256 * TABLE_BYTES), made: new Uint8Array(256) }
  const image = new Float64Array(Float32Array.from({ length: 256 }, (_, value) => (1 - alpha) * value))
  const colors = new Float64Array(Float32Array.from(table, (value) => alpha * value + 0.5))
  const { memory, places, functions } = layIn({ pixels: new Uint8Array(3 * width), cells, lower, upper, weight, image, colors, ...tables })
  eachRow(raster, rows, memory, places.pixels, (y) => {
    cells.set(rows.cells(y))
    memory.set(bytesOf(cells), places.cells)
    functions.blendRow(places.pixels, width, places.cells, places.lower, places.upper, places.weight, places.image, places.colors, places.tables, places.made)
  })
}

/** How patches are colored. */
export interface PatchColors {
  /** [patch]: a line is drawn between pixels where it differs */
  readonly labels: Uint8Array
  /** [patch]: part of the pixel that stays */
  readonly kept: Float64Array
  /** [patch, 3]: what is added to it, and 0.5 */
  readonly added: Float32Array
}

/** The colors of patches over the raster's pixels; rows hold numbers of patches, nearest. `border` is how strongly lines are drawn, null for none. */
export function blendPatches(raster: Raster, rows: PlacedRows, { labels, kept, added }: PatchColors, border: number | null): void {
  const { lower } = rows.columns
  const cells = new Int32Array(rows.gridColumns)
  const tables = { tables: new Uint8Array(labels.length * TABLE_BYTES), made: new Uint8Array(labels.length) }
  const { memory, places, functions } = layIn({ pixels: new Uint8Array(3 * lower.length), cells, below: cells, lower, labels, kept, added: new Float64Array(added), ...tables })
  eachRow(raster, rows, memory, places.pixels, (y) => {
    cells.set(rows.cells(y))
    memory.set(bytesOf(cells), places.cells)
    cells.set(rows.cells(Math.min(y + 1, rows.view.bottom - 1)))
    memory.set(bytesOf(cells), places.below)
    functions.blendPatches(
      places.pixels,
      lower.length,
      places.cells,
      places.below,
      places.lower,
      places.labels,
      places.kept,
      places.added,
      places.tables,
      places.made,
      border ?? -1,
    )
  })
}

/** Each gray value as a pixel of three equal bytes. */
export function spreadGray(gray: Uint8Array, into: Uint8Array): void {
  const { memory, places, functions } = layIn({ gray: new Uint8Array(SPREAD), pixels: new Uint8Array(3 * SPREAD) })
  for (let start = 0; start < gray.length; start += SPREAD) {
    const count = Math.min(SPREAD, gray.length - start)
    memory.set(gray.subarray(start, start + count), places.gray)
    functions.spreadGray(places.gray, places.pixels, count)
    into.set(memory.subarray(places.pixels, places.pixels + 3 * count), 3 * start)
  }
}

/** Every row of the view: its pixels into the memory, changed there, and back. */
function eachRow({ pixels, width }: Raster, { view }: PlacedRows, memory: Uint8Array, place: number, change: (y: number) => void): void {
  const length = 3 * (view.right - view.left)
  for (let y = view.top; y < view.bottom; y++) {
    const start = 3 * (y * width + view.left)
    memory.set(pixels.subarray(start, start + length), place)
    change(y)
    pixels.set(memory.subarray(place, place + length), start)
  }
}

type Values = Uint8Array | Int32Array | Float32Array | Float64Array

/** The regions one after the other in the kernels' memory. */
function layIn<Name extends string>(regions: Readonly<Record<Name, Values>>): { readonly memory: Uint8Array; readonly places: Places<Name>; readonly functions: Kernels } {
  const entries = Object.entries<Values>(regions)
  const { functions, memoryOf } = openKernels()
  const starts: number[] = []
  let end = 0
  for (const [, values] of entries) {
    starts.push(end)
    end += Math.ceil((values.byteLength + SLACK) / 8) * 8
  }
  const memory = new Uint8Array(memoryOf(end))
  entries.forEach(([, values], index) => {
    memory.set(bytesOf(values), starts[index] ?? 0)
  })
  return { memory, places: Object.fromEntries(entries.map(([name], index) => [name, starts[index] ?? 0])) as Places<Name>, functions }
}

function bytesOf({ buffer, byteOffset, byteLength }: Values): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
