/** A patch grid and its placement in, values on the picture's pixels out: half-pixel centers, the network's view undone. */
import { type Placement, toInputPoint } from '../domain/placement.ts'
import { type Tensor, tensorOf } from '../tensor/tensor.ts'

/** A picture's size in pixels, and which rectangle of the source it shows. */
export interface Canvas {
  readonly width: number
  readonly height: number
  readonly source: SourceRectangle
}

/** Continuous source coordinates: pixel (r, c) covers [r, r+1) x [c, c+1). */
export interface SourceRectangle {
  readonly top: number
  readonly left: number
  readonly height: number
  readonly width: number
}

/** Which pixels of a canvas the network saw: rows [top, bottom), columns [left, right). */
export interface View {
  readonly top: number
  readonly bottom: number
  readonly left: number
  readonly right: number
}

/** A grid on a canvas, drawn row by row. */
export interface PlacedRows {
  readonly view: View
  /** Values of the view's pixels in canvas row `y`, left to right. The array is used again for the next row. */
  row(y: number): Float32Array
  /** The grid's own values at the height of canvas row `y`, left to right: what `row` interpolates between. Used again as well. */
  cells(y: number): Float32Array
  readonly gridColumns: number
  readonly columns: AxisSamples
}

/** For the pixels of one axis: the cells on either side and the weight of the second. */
export interface AxisSamples {
  /** The first pixel that has any. */
  readonly start: number
  readonly lower: Int32Array
  readonly upper: Int32Array
  readonly weight: Float32Array
}

/**
 * The grid drawn on the canvas.
 *
 * grid  [gridHeight, gridWidth] over the network's input
 *
 * A pixel is inside the view where its center lies in the placement's rectangle. 'bilinear' interpolates between patch centers and holds the
 * outermost value up to the edge; 'nearest' takes the patch under the pixel's center.
 */
export function placeGrid(grid: Tensor, placement: Placement, canvas: Canvas, interpolation: 'bilinear' | 'nearest'): PlacedRows {
  const turned = alignWithSource(grid, placement)
  const [gridRows = 1, gridColumns = 1] = turned.shape
  const { source } = canvas
  const rows = sampleAxis(canvas.height, source.top, source.height, placement.top, placement.height, gridRows, interpolation)
  const columns = sampleAxis(canvas.width, source.left, source.width, placement.left, placement.width, gridColumns, interpolation)
  const view = { top: rows.start, bottom: rows.start + rows.lower.length, left: columns.start, right: columns.start + columns.lower.length }
  const line = new Float32Array(columns.lower.length)
  const mixed = new Float32Array(gridColumns)
  const cells = (y: number): Float32Array => {
    mixRows(turned.data, gridColumns, rows, y - rows.start, mixed)
    return mixed
  }
  const row = (y: number): Float32Array => {
    spread(cells(y), columns, line)
    return line
  }
  return { view, row, cells, gridColumns, columns }
}

/** Values of all the view's pixels, row by row. */
export function placedValues({ view, row }: PlacedRows): Float32Array {
  const width = view.right - view.left
  const values = new Float32Array((view.bottom - view.top) * width)
  for (let y = view.top; y < view.bottom; y++) values.set(row(y), (y - view.top) * width)
  return values
}

/** The grid as it lies on the source: the placement's quarter turns undone. */
export function alignWithSource(grid: Tensor, placement: Placement): Tensor {
  if (placement.quarterTurns === 0) return grid
  const [rows = 1, columns = 1] = grid.shape
  const isOdd = placement.quarterTurns % 2 === 1
  const [height, width] = isOdd ? [columns, rows] : [rows, columns]
  const data = Float32Array.from({ length: grid.data.length }, (_, cell) => {
    const v = (Math.floor(cell / width) + 0.5) / height
    const u = ((cell % width) + 0.5) / width
    const input = toInputPoint(placement, { y: placement.top + v * placement.height, x: placement.left + u * placement.width })
    const row = Math.floor((input.y / placement.inputHeight) * rows)
    const column = Math.floor((input.x / placement.inputWidth) * columns)
    return grid.data[row * columns + column] ?? 0
  })
  return tensorOf(data, [height, width])
}

function sampleAxis(
  pixels: number,
  sourceStart: number,
  sourceLength: number,
  viewStart: number,
  viewLength: number,
  cells: number,
  interpolation: 'bilinear' | 'nearest',
): AxisSamples {
  const positions: number[] = []
  let start = 0
  for (let pixel = 0; pixel < pixels; pixel++) {
    const center = sourceStart + ((pixel + 0.5) * sourceLength) / pixels
    const part = (center - viewStart) / viewLength
    if (part < 0 || part >= 1) continue
    if (positions.length === 0) start = pixel
    positions.push(part * cells)
  }
  const lower = new Int32Array(positions.length)
  const upper = new Int32Array(positions.length)
  const weight = new Float32Array(positions.length)
  positions.forEach((position, i) => {
    const shifted = interpolation === 'nearest' ? Math.floor(position) : Math.max(0, Math.min(cells - 1, position - 0.5))
    lower[i] = Math.min(cells - 1, Math.floor(shifted))
    upper[i] = interpolation === 'nearest' ? (lower[i] ?? 0) : Math.min(cells - 1, (lower[i] ?? 0) + 1)
    weight[i] = shifted - (lower[i] ?? 0)
  })
  return { start, lower, upper, weight }
}

/** One row of cells between two grid rows: first of two passes, since a picture has many more columns than a grid. */
function mixRows(grid: Float32Array, gridColumns: number, rows: AxisSamples, y: number, into: Float32Array): void {
  const above = (rows.lower[y] ?? 0) * gridColumns
  const below = (rows.upper[y] ?? 0) * gridColumns
  const down = rows.weight[y] ?? 0
  for (let cell = 0; cell < gridColumns; cell++) into[cell] = mix(grid[above + cell] ?? 0, grid[below + cell] ?? 0, down)
}

function spread(cells: Float32Array, { lower, upper, weight }: AxisSamples, into: Float32Array): void {
  for (let x = 0; x < into.length; x++) into[x] = mix(cells[lower[x] ?? 0] ?? 0, cells[upper[x] ?? 0] ?? 0, weight[x] ?? 0)
}

/** Exactly `a` for weight 0, and exactly `a` where both are equal. */
function mix(a: number, b: number, weight: number): number {
  return a + (b - a) * weight
}
