/** Keys in groups in, one key a group out: a softmax over the merged keys gives what one over all of them gives. */
import { Problem } from '../domain/problem.ts'
import { type Tensor, tensorOf } from '../tensor/tensor.ts'

/** What a query attends to. */
export interface Keys {
  /** [head, key], the bias with them */
  readonly scores: Tensor
  /** [head, key, headWidth] */
  readonly values: Tensor
}

/**
 * One key a group: its score the logarithm of the sum of exp(score), its value the mean of the group's weighed by exp(score); in float64 until the end.
 *
 * groups   [key], from 0
 * count    groups there are; an empty one gets a score of -infinity and values of 0
 * returns  keys of `count`
 *
 * Exact, since the keys of a group are kept or dropped together: softmax(S)_j = softmax(L)_g exp(S_j - L_g) with L_g = log sum_g exp(S).
 * Throws: "shape-mismatch".
 */
export function mergeKeys({ scores, values }: Keys, groups: Int32Array, count: number): Keys {
  const [heads = 0, keys = 0, width = 0] = values.shape
  if (scores.shape.join() !== `${heads},${keys}` || groups.length !== keys) {
    throw new Problem('shape-mismatch', 'keys and their groups', { expected: [heads, keys], actual: [...scores.shape, groups.length] })
  }
  const merged = { scores: tensorOf(new Float32Array(heads * count), [heads, count]), values: tensorOf(new Float32Array(heads * count * width), [heads, count, width]) }
  const weights = new Float64Array(keys)
  const sums = new Float64Array(count)
  const means = new Float64Array(count * width)
  for (let head = 0; head < heads; head++) {
    const row = scores.data.subarray(head * keys, (head + 1) * keys)
    const largest = largestByGroup(row, groups, count)
    weigh(row, groups, largest, weights, sums)
    addUp(values.data.subarray(head * keys * width, (head + 1) * keys * width), groups, weights, means)
    for (let group = 0; group < count; group++) {
      const sum = sums[group] ?? 0
      merged.scores.data[head * count + group] = (largest[group] ?? 0) + Math.log(sum)
      for (let unit = 0; unit < width; unit++) merged.values.data[(head * count + group) * width + unit] = sum > 0 ? (means[group * width + unit] ?? 0) / sum : 0
    }
  }
  return merged
}

function largestByGroup(row: Float32Array, groups: Int32Array, count: number): Float64Array {
  const largest = new Float64Array(count).fill(Number.NEGATIVE_INFINITY)
  for (let key = 0; key < row.length; key++) {
    const group = groups[key] ?? 0
    largest[group] = Math.max(largest[group] ?? 0, row[key] ?? 0)
  }
  return largest
}

/** exp(score - the largest of its group), and the sums of these. */
function weigh(row: Float32Array, groups: Int32Array, largest: Float64Array, weights: Float64Array, sums: Float64Array): void {
  sums.fill(0)
  for (let key = 0; key < row.length; key++) {
    const group = groups[key] ?? 0
    const weight = Math.exp((row[key] ?? 0) - (largest[group] ?? 0))
    weights[key] = weight
    sums[group] = (sums[group] ?? 0) + weight
  }
}

/** The values of each group, weighed and summed: [group, width]. */
function addUp(values: Float32Array, groups: Int32Array, weights: Float64Array, into: Float64Array): void {
  const width = values.length / groups.length
  into.fill(0)
  for (let key = 0; key < groups.length; key++) {
    const to = (groups[key] ?? 0) * width
    const weight = weights[key] ?? 0
    for (let unit = 0; unit < width; unit++) into[to + unit] = (into[to + unit] ?? 0) + weight * (values[key * width + unit] ?? 0)
  }
}
