/** Numbers in, the same on the probability simplex out. */

/**
 * Softmax of one row, the maximum taken off first, in float64.
 *
 * keep     which entries take part; the others get 0. All of them where left out.
 * returns  sums to 1; all 0 where nothing is kept
 */
export function softmax(row: ArrayLike<number>, keep?: ArrayLike<number>): Float64Array {
  const kept = new Float64Array(row)
  if (keep !== undefined) for (let i = 0; i < kept.length; i++) if (keep[i] === 0) kept[i] = Number.NEGATIVE_INFINITY
  return softmaxInPlace(kept)
}

/** exp(-Infinity) is exactly 0: what is not kept adds nothing. */
function softmaxInPlace(values: Float64Array): Float64Array {
  let largest = Number.NEGATIVE_INFINITY
  for (let i = 0; i < values.length; i++) if (values[i]! > largest) largest = values[i]!
  if (largest === Number.NEGATIVE_INFINITY) return values.fill(0)
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i] = Math.exp(values[i]! - largest)
  for (let i = 0; i < values.length; i++) values[i]! /= sum
  return values
}
