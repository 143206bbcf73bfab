/** A map of labels on the patch grid in, a label for each source pixel out. */
import { type Placement, toInputPoint } from '../domain/placement.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** A source pixel that the network did not see. */
export const UNSEEN = -1

/**
 * Labels in the source's own pixels, [sourceRows, sourceColumns]: the label of the patch under each pixel's center, -1 outside the network's view.
 *
 * grid  [gridHeight, gridWidth], whole numbers
 */
export function labelPixels(grid: Tensor, placement: Placement): Int16Array<ArrayBuffer> {
  const { sourceRows, sourceColumns, top, left, height, width } = placement
  const aligned = alignLabels(grid, placement)
  const byRow = cellsUnder(sourceRows, top, height, aligned.rows)
  const byColumn = cellsUnder(sourceColumns, left, width, aligned.columns)
  const labels = new Int16Array(sourceRows * sourceColumns).fill(UNSEEN)
  byRow.forEach((cellRow, row) => {
    if (cellRow === UNSEEN) return
    byColumn.forEach((cellColumn, column) => {
      if (cellColumn !== UNSEEN) labels[row * sourceColumns + column] = aligned.labels[cellRow * aligned.columns + cellColumn] ?? UNSEEN
    })
  })
  return labels
}

/** For each pixel of an axis the cell under its center; a view is closed at its start and open at its end. */
function cellsUnder(pixels: number, viewStart: number, viewLength: number, cells: number): readonly number[] {
  return Array.from({ length: pixels }, (_, pixel) => {
    const part = (pixel + 0.5 - viewStart) / viewLength
    return part < 0 || part >= 1 ? UNSEEN : Math.min(cells - 1, Math.floor(part * cells))
  })
}

/** The grid as it lies on the source, its quarter turns undone. */
function alignLabels(grid: Tensor, placement: Placement): { readonly rows: number; readonly columns: number; readonly labels: readonly number[] } {
  const [gridHeight = 1, gridWidth = 1] = grid.shape
  const { top, left, height, width, inputHeight, inputWidth } = placement
  const [rows, columns] = placement.quarterTurns % 2 === 1 ? [gridWidth, gridHeight] : [gridHeight, gridWidth]
  const labels = Array.from({ length: rows * columns }, (_, cell) => {
    const center = { y: top + ((Math.floor(cell / columns) + 0.5) * height) / rows, x: left + (((cell % columns) + 0.5) * width) / columns }
    const { y, x } = toInputPoint(placement, center)
    return grid.data[Math.floor((y / inputHeight) * gridHeight) * gridWidth + Math.floor((x / inputWidth) * gridWidth)] ?? UNSEEN
  })
  return { rows, columns, labels }
}
