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
  const order = Array.from({ length: values.length }, (_, i) => i).sort((a, b) => values[a]! - values[b]! || a - b)
  const out = new Float64Array(values.length)
  for (let start = 0; start < order.length; ) {
    let end = start
    while (end + 1 < order.length && values[order[end + 1]!] === values[order[start]!]) end++
    for (let i = start; i <= end; i++) out[order[i]!] = (start + end) / 2
    start = end + 1
  }
  return out
}

function mean(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return values.length === 0 ? 0 : sum / values.length
}
