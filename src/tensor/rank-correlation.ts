/** Two lists of numbers in, how alike their orders are out. */

/**
 * Spearman's rank correlation, ties at their mean rank.
 *
 * returns  -1 to 1; null where either list is constant, since it then has no order
 *
 * Source: Pearson's correlation of the ranks.
 */
export function rankCorrelation(first: ArrayLike<number>, second: ArrayLike<number>): number | null {
  if (first.length !== second.length) throw new RangeError(`${first.length} values beside ${second.length}`)
  return correlation(ranks(first), ranks(second))
}

/** Pearson's correlation; null where either list is constant. */
export function correlation(first: ArrayLike<number>, second: ArrayLike<number>): number | null {
  const count = first.length
  const meanFirst = mean(first)
  const meanSecond = mean(second)
  let both = 0
  let squareFirst = 0
  let squareSecond = 0
  for (let i = 0; i < count; i++) {
    const x = first[i]! - meanFirst
    const y = second[i]! - meanSecond
    both += x * y
    squareFirst += x * x
    squareSecond += y * y
  }
  if (squareFirst === 0 || squareSecond === 0) return null
  return Math.max(-1, Math.min(1, both / Math.sqrt(squareFirst * squareSecond)))
}

/** The rank of every value from 0, equal values sharing their mean rank. */
export function ranks(values: ArrayLike<number>): Float64Array {
  const sorted = Float64Array.from(values).sort()
  const out = new Float64Array(values.length)
  for (let i = 0; i < out.length; i++) out[i] = (countBelow(sorted, values[i]!, false) + countBelow(sorted, values[i]!, true) - 1) / 2
  return out
}

/** How many of the ascending values are smaller, or not larger, by halving. */
function countBelow(sorted: Float64Array, value: number, isInclusive: boolean): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    const other = sorted[middle]!
    if (other < value || (isInclusive && other === value)) low = middle + 1
    else high = middle
  }
  return low
}

function mean(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return values.length === 0 ? 0 : sum / values.length
}
