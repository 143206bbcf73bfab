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
  const [height = 1, width = 1] = grid.shape
  const { sourceRows, sourceColumns, quarterTurns, inputHeight, inputWidth } = placement
  // Turned by a quarter, a source row runs along the input's columns.
  const isTurned = quarterTurns % 2 === 1
  const cellOf = ({ y, x }: { y: number; x: number }, alongInputRows: boolean): number => {
    const part = alongInputRows ? y / inputHeight : x / inputWidth
    return part < 0 || part >= 1 ? UNSEEN : Math.floor(part * (alongInputRows ? height : width))
  }
  const byRow = Int32Array.from({ length: sourceRows }, (_, row) => cellOf(toInputPoint(placement, { y: row + 0.5, x: 0.5 }), !isTurned))
  const byColumn = Int32Array.from({ length: sourceColumns }, (_, column) => cellOf(toInputPoint(placement, { y: 0.5, x: column + 0.5 }), isTurned))
  const labels = new Int16Array(sourceRows * sourceColumns).fill(UNSEEN)
  byRow.forEach((a, row) => {
    if (a === UNSEEN) return
    byColumn.forEach((b, column) => {
      if (b === UNSEEN) return
      const cell = isTurned ? b * width + a : a * width + b
      labels[row * sourceColumns + column] = grid.data[cell] ?? UNSEEN
    })
  })
  return labels
}
