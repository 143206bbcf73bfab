/** The source's geometry and the network's placement in, where the cells of a map lie in the patient out. */
import { type Placement, toSourcePoint } from '../domain/placement.ts'
import type { SourceReference } from '../domain/source-reference.ts'

/** x, y, z in mm, patient coordinates. */
export type Vector = readonly [number, number, number]

/** A plane of pixels in the patient (PS3.3 C.7.6.2.1.1). */
export interface Plane {
  /** mm between row centers, then between column centers (PS3.3 10.7.1.3). */
  readonly pixelSpacing: readonly [number, number]
  /** Center of the first pixel. */
  readonly imagePositionPatient: Vector
  /** Direction cosines of a row (towards higher columns), then of a column (towards higher rows). */
  readonly imageOrientationPatient: readonly [Vector, Vector]
}

/** A plane, and what fixes it to other images. */
export interface SourcePlane extends Plane {
  readonly frameOfReferenceUid: string
  /** mm; null where the source does not state it. */
  readonly sliceThickness: number | null
}

/** Part of a grid, in cells: rows [top, top + rows), columns [left, left + columns). */
export interface CellWindow {
  readonly top: number
  readonly left: number
  readonly rows: number
  readonly columns: number
}

/** How far directions may be from orthonormal: the six decimals that scanners write, with room. */
const ORIENTATION_TOLERANCE = 1e-3

/** The source's plane in the patient; the reason, where it states none. */
export function sourcePlane(source: SourceReference): SourcePlane | { readonly reason: string } {
  const { frameOfReferenceUid, pixelSpacing, imagePositionPatient, imageOrientationPatient, sliceThickness } = source
  const missing = Object.entries({
    FrameOfReferenceUID: frameOfReferenceUid,
    PixelSpacing: pixelSpacing,
    ImagePositionPatient: imagePositionPatient,
    ImageOrientationPatient: imageOrientationPatient,
  })
    .filter(([, value]) => value === null)
    .map(([keyword]) => keyword)
  if (frameOfReferenceUid === null || pixelSpacing === null || imagePositionPatient === null || imageOrientationPatient === null) {
    return { reason: `the source does not say where it lies in the patient: no ${missing.join(', ')}` }
  }
  const [rx = 0, ry = 0, rz = 0, cx = 0, cy = 0, cz = 0] = imageOrientationPatient
  const [x = 0, y = 0, z = 0] = imagePositionPatient
  const directions = [
    [rx, ry, rz],
    [cx, cy, cz],
  ] as const
  if (!areOrthonormal(...directions)) return { reason: 'ImageOrientationPatient of the source holds no two perpendicular directions' }
  if (Math.min(...pixelSpacing) <= 0) return { reason: 'PixelSpacing of the source is not positive' }
  return { frameOfReferenceUid, pixelSpacing, imagePositionPatient: [x, y, z], imageOrientationPatient: directions, sliceThickness }
}

function areOrthonormal(a: Vector, b: Vector): boolean {
  return [dot(a, a) - 1, dot(b, b) - 1, dot(a, b)].every((error) => Math.abs(error) < ORIENTATION_TOLERANCE)
}

const dot = (a: Vector, b: Vector): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2]

/**
 * The cells whose centers lie on the source: what the network saw of padding has no place in the patient's image.
 *
 * grid  cells over the network's input, [height, width]
 */
export function cellsOnSource(grid: readonly [number, number], placement: Placement): CellWindow {
  const isInside = (row: number, column: number): boolean => {
    const { y, x } = toSourcePoint(placement, cellCenter(grid, placement, row, column))
    return y >= 0 && y < placement.sourceRows && x >= 0 && x < placement.sourceColumns
  }
  const [height, width] = grid
  // The placement is a rectangle, so the cells inside are one too: its rows and columns are found through any cell inside.
  const cells = Array.from({ length: height * width }, (_, cell) => [Math.floor(cell / width), cell % width] as const).filter(([row, column]) => isInside(row, column))
  const rows = cells.map(([row]) => row)
  const columns = cells.map(([, column]) => column)
  if (cells.length === 0) return { top: 0, left: 0, rows: 0, columns: 0 }
  const [top, left] = [Math.min(...rows), Math.min(...columns)]
  return { top, left, rows: Math.max(...rows) - top + 1, columns: Math.max(...columns) - left + 1 }
}

/** A cell's center on the network's input. */
function cellCenter([height, width]: readonly [number, number], { inputHeight, inputWidth }: Placement, row: number, column: number): { y: number; x: number } {
  return { y: ((row + 0.5) * inputHeight) / height, x: ((column + 0.5) * inputWidth) / width }
}

/**
 * The plane of a map whose pixels are cells, crop, resize and turns undone.
 *
 * The half-pixel rule: pixel (r, c) covers [r, r+1) x [c, c+1), and a position is that of a center; so the center of a first cell of 16 x 16 pixels
 * lies 7.5 pixels from the center of the first pixel, not 8.
 */
export function planeOfCells(source: Plane, grid: readonly [number, number], placement: Placement, window: CellWindow): Plane {
  const centerOf = (row: number, column: number): Vector => {
    const { y, x } = toSourcePoint(placement, cellCenter(grid, placement, window.top + row, window.left + column))
    return positionOf(source, y - 0.5, x - 0.5)
  }
  const first = centerOf(0, 0)
  const alongRow = minus(centerOf(0, 1), first)
  const alongColumn = minus(centerOf(1, 0), first)
  return {
    pixelSpacing: [Math.hypot(...alongColumn), Math.hypot(...alongRow)],
    imagePositionPatient: first,
    imageOrientationPatient: [toUnit(alongRow), toUnit(alongColumn)],
  }
}

/** Where a pixel index lies, fractions allowed: (0, 0) is the center of the first pixel (PS3.3 equation C.7.6.2.1-1). */
function positionOf(plane: Plane, row: number, column: number): Vector {
  const [rowSpacing, columnSpacing] = plane.pixelSpacing
  const [alongRow, alongColumn] = plane.imageOrientationPatient
  return plus(plane.imagePositionPatient, plus(times(alongRow, column * columnSpacing), times(alongColumn, row * rowSpacing)))
}

const plus = (a: Vector, b: Vector): Vector => [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
const times = (a: Vector, factor: number): Vector => [a[0] * factor, a[1] * factor, a[2] * factor]
const minus = (a: Vector, b: Vector): Vector => plus(a, times(b, -1))
const toUnit = (a: Vector): Vector => times(a, 1 / Math.hypot(...a))
