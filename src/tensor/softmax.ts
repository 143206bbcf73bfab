/** Numbers in, the same on the probability simplex out. */

/**
 * Softmax of one row, the maximum taken off first, in float64.
 *
 * keep     which entries take part; the others get 0. All of them where left out.
 * returns  sums to 1; all 0 where nothing is kept
 */
export function softmax(row: ArrayLike<number>, keep?: ArrayLike<number>): Float64Array {
  const out = new Float64Array(row.length)
  let largest = Number.NEGATIVE_INFINITY
  for (let i = 0; i < row.length; i++) if (isKept(keep, i) && row[i]! > largest) largest = row[i]!
  if (largest === Number.NEGATIVE_INFINITY) return out
  let sum = 0
  for (let i = 0; i < row.length; i++) if (isKept(keep, i)) sum += out[i] = Math.exp(row[i]! - largest)
  for (let i = 0; i < row.length; i++) out[i]! /= sum
  return out
}

function isKept(keep: ArrayLike<number> | undefined, index: number): boolean {
  return keep === undefined || keep[index] !== 0
}
