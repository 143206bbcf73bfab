/** Gray values in, their distribution out, and how far two distributions lie apart. */

/**
 * The share of values in each of `bins` equal bins of [0, 1]; what lies outside falls into the first or the last.
 *
 * values      [channel, ...], (gray - mean) / deviation of its channel
 * returns     [bin], sums to 1 over all channels together
 */
export function grayHistogram(values: Float32Array, mean: readonly number[], deviation: readonly number[], bins: number): Float64Array {
  const histogram = new Float64Array(bins)
  const plane = values.length / mean.length
  values.forEach((value, i) => {
    const channel = Math.floor(i / plane)
    const gray = value * deviation[channel]! + mean[channel]!
    histogram[Math.min(bins - 1, Math.max(0, Math.floor(gray * bins)))]! += 1 / values.length
  })
  return histogram
}

/**
 * The earth mover's distance (Wasserstein 1) of two histograms over [0, 1], in gray levels of [0, 1]: the area between their cumulative sums.
 *
 * Source: Villani, Optimal Transport (2009), remark 6.5, for the line.
 */
export function wassersteinDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new RangeError(`${a.length} bins against ${b.length}`)
  let [between, area] = [0, 0]
  for (let i = 0; i < a.length; i++) {
    between += a[i]! - b[i]!
    area += Math.abs(between) / a.length
  }
  return area
}

/** Bits: 0 where one bin holds all, log2 of the bins where all hold the same. */
export function entropyBits(histogram: ArrayLike<number>): number {
  let bits = 0
  for (let i = 0; i < histogram.length; i++) if (histogram[i]! > 0) bits -= histogram[i]! * Math.log2(histogram[i]!)
  return bits
}
