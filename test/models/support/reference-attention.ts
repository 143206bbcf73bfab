/**
 * The two structured attentions in float64 and plain loops, written from the formulas alone: a witness that shares nothing with TF.js.
 * test/models/support/reference-attention.test.ts holds it to the golden core vectors.
 */
import type { DcmmOptions, SbmOptions } from '../../../models/network-config.ts'

export type Matrix = number[][]

/** One image, one head; each [token][headWidth]. */
export interface HeadInput {
  readonly q: Matrix
  readonly k: Matrix
  readonly v: Matrix
}

export interface DcmmParameters {
  /** [community][headWidth] */
  readonly membershipWeight: Matrix
  readonly membershipBias: number[]
  readonly degreeWeight: number[]
  readonly degreeBias: number
  /** This head's, [community][community] */
  readonly blockLogits: Matrix
  readonly biasScale: number
}

export interface SbmParameters {
  /** This head's, [community][headWidth] */
  readonly cluster: Matrix
  readonly fc1Weight: Matrix
  readonly fc1Bias: number[]
  readonly fc2Weight: Matrix
  readonly fc2Bias: number[]
}

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0)
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
const affine = (x: readonly number[], weight: Matrix, bias: readonly number[]): number[] => weight.map((row, i) => dot(row, x) + bias[i]!)
const softmax = (x: readonly number[]): number[] => {
  const weights = x.map((value) => Math.exp(value - Math.max(...x)))
  return weights.map((weight) => weight / sum(weights))
}
const times = (attention: Matrix, v: Matrix): Matrix => attention.map((row) => v[0]!.map((_, c) => sum(row.map((weight, j) => weight * v[j]![c]!))))
const scoresOf = ({ q, k }: HeadInput): Matrix => q.map((row) => k.map((key) => dot(row, key) / Math.sqrt(row.length)))

const ACTIVATIONS: Record<DcmmOptions['thetaActivation'], (x: number) => number> = {
  relu: (x) => Math.max(0, x),
  sigmoid,
  softplus: (x) => Math.log1p(Math.exp(x)),
}

export function referenceDcmm(input: HeadInput, parameters: DcmmParameters, options: DcmmOptions) {
  const { blockLogits } = parameters
  const membership = input.q.map((row) => softmax(affine(row, parameters.membershipWeight, parameters.membershipBias)))
  const activated = input.q.map((row) => ACTIVATIONS[options.thetaActivation](dot(row, parameters.degreeWeight) + parameters.degreeBias))
  const degree = activated.map((theta, i) => (options.classToken === 'exclude' && i === 0 ? 0 : theta))
  const block = blockLogits.map((row, r) =>
    row.map((_, s) => (options.symmetricBlock ? (sigmoid(blockLogits[r]![s]!) + sigmoid(blockLogits[s]![r]!)) / 2 : sigmoid(blockLogits[r]![s]!))),
  )
  const affinity = membership.map((zi) => membership.map((zj) => sum(zi.flatMap((a, r) => zj.map((b, s) => a * block[r]![s]! * b)))))
  const bounded = affinity.map((row) => row.map((t) => (options.bounded === 'tanh' ? Math.tanh(t) : t)))
  const bias = bounded.map((row, i) => row.map((m, j) => parameters.biasScale * degree[i]! * degree[j]! * m))
  const attention = scoresOf(input).map((row, i) => softmax(row.map((score, j) => score + bias[i]![j]!)))
  const entropy = membership.map((z) => -sum(z.map((p) => p * Math.log(p + 1e-8))))
  return { membership, degree, block, affinity, bounded, bias, attention, out: times(attention, input.v), entropy }
}

/** `mask` is A before edges are forced, or 'expected'. */
export function referenceSbm(input: HeadInput, parameters: SbmParameters, options: SbmOptions, mask: Matrix | 'expected') {
  const { cluster } = parameters
  const mlp = (x: readonly number[]): number[] =>
    affine(
      affine(x, parameters.fc1Weight, parameters.fc1Bias).map((h) => Math.max(0, h)),
      parameters.fc2Weight,
      parameters.fc2Bias,
    )
  const loadings = (rows: Matrix): Matrix => rows.map((row) => cluster.map((c) => sigmoid(dot(mlp(row), c))))
  const [queryLoading, keyLoading] = [loadings(input.q), loadings(input.k)]
  const flat = softmax(cluster.flatMap((a) => cluster.map((b) => dot(a, b))))
  const affinity = cluster.map((_, r) => flat.slice(r * cluster.length, (r + 1) * cluster.length))
  const probability = queryLoading.map((y) => keyLoading.map((z) => sum(y.flatMap((a, r) => z.map((b, s) => a * affinity[r]![s]! * b)))))
  const isForced = (i: number, j: number): boolean => (options.classTokenAlwaysOn && (i === 0 || j === 0)) || (options.selfLoop && i === j)
  const drawn = mask === 'expected' ? probability.map((row) => row.map((p) => Math.min(1, p + options.delta))) : mask
  const used = drawn.map((row, i) => row.map((a, j) => (isForced(i, j) ? 1 : a)))
  const attention = scoresOf(input).map((row, i) => {
    const weights = softmax(row).map((p, j) => p * used[i]![j]!)
    return weights.map((weight) => weight / Math.max(sum(weights), 1e-12))
  })
  const free = drawn.flatMap((row, i) => row.filter((_, j) => !isForced(i, j)))
  return { queryLoading, keyLoading, affinity, probability, mask: used, attention, out: times(attention, input.v), density: sum(free) / Math.max(free.length, 1) }
}
