/** Two maps of one grid in, how alike they look out. */
import { Problem } from '../../domain/problem.ts'
import type { Tensor } from '../../tensor/tensor.ts'

/** Patches: the side of a window, or the grid where that is smaller. */
const WINDOW = 7
/** The paper's constants, parts of the values' range. */
const K1 = 0.01
const K2 = 0.03

/**
 * The mean structural similarity over all windows that lie wholly in the grid: 1 for equal maps, about 0 for unrelated ones, -1 at worst.
 *
 * first, second  [gridHeight, gridWidth]
 * range          of the values, largest minus smallest possible
 *
 * Source: Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13 (2004) 600, equation 13, with even weights instead of a Gaussian: a grid has few patches.
 * Throws: "shape-mismatch".
 */
export function structuralSimilarity(first: Tensor, second: Tensor, range: number): number {
  if (first.shape.join() !== second.shape.join()) throw new Problem('shape-mismatch', 'two maps of different grids', { expected: first.shape, actual: second.shape })
  const [rows = 0, columns = 0] = first.shape
  const height = Math.min(WINDOW, rows)
  const width = Math.min(WINDOW, columns)
  let sum = 0
  let windows = 0
  for (let top = 0; top + height <= rows; top++) {
    for (let left = 0; left + width <= columns; left++) {
      const inWindow = Array.from({ length: height * width }, (_, i) => (top + Math.floor(i / width)) * columns + left + (i % width))
      sum += similarityOf(
        inWindow.map((i) => first.data[i] ?? 0),
        inWindow.map((i) => second.data[i] ?? 0),
        range,
      )
      windows++
    }
  }
  return sum / windows
}

function similarityOf(x: readonly number[], y: readonly number[], range: number): number {
  const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const meanX = meanOf(x)
  const meanY = meanOf(y)
  const varianceX = meanOf(x.map((value) => (value - meanX) ** 2))
  const varianceY = meanOf(y.map((value) => (value - meanY) ** 2))
  const covariance = meanOf(x.map((value, i) => (value - meanX) * ((y[i] ?? 0) - meanY)))
  const c1 = (K1 * range) ** 2
  const c2 = (K2 * range) ** 2
  return ((2 * meanX * meanY + c1) * (2 * covariance + c2)) / ((meanX ** 2 + meanY ** 2 + c1) * (varianceX + varianceY + c2))
}
