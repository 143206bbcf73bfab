/** Vectors in, their shrunk covariance, the factor that whitens it and distances in its units out. */

export interface ShrunkCovariance {
  /** [width, width] */
  readonly covariance: Float64Array
  /** The weight of the scaled identity, 0 to 1. */
  readonly shrinkage: number
}

/**
 * The covariance of centered rows, shrunk towards its mean variance on the diagonal as far as the rows themselves ask for.
 *
 * rows     [row, width], mean 0
 *
 * Source: Ledoit and Wolf, Journal of Multivariate Analysis 88 (2004), section 3.3; the divisor is the number of rows.
 */
export function ledoitWolf(rows: Float64Array, width: number): ShrunkCovariance {
  const count = rows.length / width
  const sample = sampleCovariance(rows, width)
  let [trace, squares, fourth] = [0, 0, 0]
  for (let i = 0; i < width; i++) trace += sample[i * width + i]!
  for (const value of sample) squares += value * value
  for (let row = 0; row < count; row++) {
    let norm = 0
    for (let i = 0; i < width; i++) norm += rows[row * width + i]! ** 2
    fourth += norm * norm
  }
  const variance = trace / width
  const spread = squares - width * variance * variance
  const noise = (fourth / count - squares) / count
  // Rows that are all alike have no spread, and nothing to be shrunk.
  const shrinkage = spread > 0 ? Math.min(1, Math.max(0, noise / spread)) : 1
  const covariance = sample.map((value, i) => (1 - shrinkage) * value + (i % (width + 1) === 0 ? shrinkage * variance : 0))
  return { covariance, shrinkage }
}

function sampleCovariance(rows: Float64Array, width: number): Float64Array {
  const count = rows.length / width
  const sample = new Float64Array(width * width)
  for (let row = 0; row < count; row++) {
    for (let i = 0; i < width; i++) {
      const value = rows[row * width + i]! / count
      for (let j = 0; j < width; j++) sample[i * width + j]! += value * rows[row * width + j]!
    }
  }
  return sample
}

/** Values of a lower triangle of so many rows. */
export function triangleSize(width: number): number {
  return (width * (width + 1)) / 2
}

/**
 * The inverse of the Cholesky factor: W with W covariance W^T = 1.
 *
 * returns  the lower triangle of [width, width], row after row
 *
 * Throws: RangeError where the covariance is not positive definite.
 */
export function whiteningOf(covariance: Float64Array, width: number): Float64Array {
  const factor = choleskyOf(covariance, width)
  const inverse = new Float64Array(triangleSize(width))
  const at = (row: number, column: number): number => triangleSize(row) + column
  for (let column = 0; column < width; column++) {
    for (let row = column; row < width; row++) {
      let sum = row === column ? 1 : 0
      for (let k = column; k < row; k++) sum -= factor[at(row, k)]! * inverse[at(k, column)]!
      inverse[at(row, column)] = sum / factor[at(row, row)]!
    }
  }
  return inverse
}

function choleskyOf(covariance: Float64Array, width: number): Float64Array {
  const factor = new Float64Array(triangleSize(width))
  for (let row = 0; row < width; row++) {
    for (let column = 0; column <= row; column++) {
      let sum = covariance[row * width + column]!
      for (let k = 0; k < column; k++) sum -= factor[triangleSize(row) + k]! * factor[triangleSize(column) + k]!
      if (row === column && !(sum > 0)) throw new RangeError('the covariance is not positive definite')
      factor[triangleSize(row) + column] = row === column ? Math.sqrt(sum) : sum / factor[triangleSize(column) + column]!
    }
  }
  return factor
}

/**
 * The Mahalanobis distance of a vector from a mean: the length of W (vector - mean), in standard deviations.
 *
 * whitening  lower triangle, row after row, as `whiteningOf` gives it
 */
export function mahalanobisDistance(vector: ArrayLike<number>, mean: ArrayLike<number>, whitening: ArrayLike<number>): number {
  let squared = 0
  let index = 0
  for (let row = 0; row < vector.length; row++) {
    let whitened = 0
    for (let column = 0; column <= row; column++) whitened += whitening[index++]! * (vector[column]! - mean[column]!)
    squared += whitened * whitened
  }
  return Math.sqrt(squared)
}

/** The nearest of several means, [mean, width], and the distance to it; the first of equals. */
export function nearestMean(vector: ArrayLike<number>, means: Float32Array, whitening: ArrayLike<number>): { readonly index: number; readonly distance: number } {
  const width = vector.length
  let nearest = { index: 0, distance: Number.POSITIVE_INFINITY }
  for (let index = 0; index * width < means.length; index++) {
    const distance = mahalanobisDistance(vector, means.subarray(index * width, (index + 1) * width), whitening)
    if (distance < nearest.distance) nearest = { index, distance }
  }
  return nearest
}

/** The smallest value that at least this share of all values does not exceed. */
export function quantileOf(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}
