/** The contract of DegreeCorrectedMixedMembershipAttention: inputs, and outputs computed in float64 by plain loops from the formulas of docs/custom-ops.md. */
import type { DcmmOptions } from '../../models/network-config.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'
import { gen, sum, Values } from './gen.ts'

export interface DcmmCase {
  readonly case: string
  readonly because: string
  readonly formula: Pick<DcmmOptions, 'thetaActivation' | 'bounded' | 'symmetricBlock' | 'classToken'>
  /** Axes as in docs/custom-ops.md, weights as [in, out]. */
  readonly inputs: Readonly<Record<string, Tensor>>
  readonly expected: Readonly<Record<string, Tensor>>
  readonly tolerance: { readonly absolute: number; readonly relative: number }
}

const RELEASED = { thetaActivation: 'relu', bounded: 'tanh', symmetricBlock: false, classToken: 'include' } as const
/** Float32 against float64, sums of at most a few dozen products of size 1. */
const TOLERANCE = { absolute: 2e-6, relative: 2e-5 }

interface Sizes {
  readonly b: number
  readonly h: number
  readonly n: number
  readonly d: number
  readonly k: number
}

const inputsOf = ({ b, h, n, d, k }: Sizes, change: Readonly<Record<string, Tensor>> = {}): Record<string, Tensor> => ({
  query: gen([b, h, n, d], 0.1, 1),
  key: gen([b, h, n, d], 0.9, 1),
  value: gen([b, h, n, d], 1.7, 1),
  membership_weight: transposed(gen([k, d], 2.3, 1)),
  membership_bias: gen([k], 3.1, 0.5),
  degree_weight: transposed(gen([1, d], 4.2, 1)),
  degree_bias: tensor([1], 1.5),
  block_logits: gen([h, k, k], 5, 1),
  bias_scale: tensor([1], 0.5),
  structure: tensor([b], 1),
  ...change,
})

const tensor = (shape: readonly number[], ...values: number[]): Tensor => new Values(shape, (i = 0) => values[i % values.length]!).tensor()
const transposed = (matrix: Tensor): Tensor => {
  const values = Values.from(matrix)
  return new Values([matrix.shape[1]!, matrix.shape[0]!], (i = 0, j = 0) => values.at(j, i)).tensor()
}

const caseOf = (name: string, because: string, sizes: Sizes, formula: DcmmCase['formula'], change: Readonly<Record<string, Tensor>> = {}): DcmmCase => {
  const inputs = inputsOf(sizes, change)
  return { case: name, because, formula, inputs, expected: reference(inputs, sizes, formula), tolerance: TOLERANCE }
}

const small = { b: 1, h: 2, n: 4, d: 3, k: 3 }

export const DCMM_CASES: readonly DcmmCase[] = [
  caseOf('the block of golden_dcmm_sbm.json', 'its numbers were also computed by PyTorch in float64', small, RELEASED),
  caseOf('two images, odd sizes', 'no axis may be mistaken for another', { b: 2, h: 3, n: 7, d: 5, k: 4 }, RELEASED),
  caseOf('sigmoid degrees', 'the option of the published figure', small, { ...RELEASED, thetaActivation: 'sigmoid' }),
  caseOf('softplus degrees', 'the activation that does not die', small, { ...RELEASED, thetaActivation: 'softplus' }),
  caseOf('an unbounded affinity', 'the pure figure form without tanh', small, { ...RELEASED, bounded: 'none' }),
  caseOf('a symmetric block matrix', 'B = (sigmoid + its transpose) / 2', small, { ...RELEASED, symmetricBlock: true }),
  caseOf('the class token left out', 'row and column 0 of P are zero', { ...small, b: 2 }, { ...RELEASED, thetaActivation: 'softplus', classToken: 'exclude' }),
  caseOf('one community', 'then P is theta_i theta_j times a constant', { ...small, k: 1 }, RELEASED),
  caseOf('every degree dead', 'then attention is plain', small, RELEASED, { degree_weight: tensor([3, 1], 0), degree_bias: tensor([1], -1) }),
  caseOf('a negative scale', 'lambda has no sign constraint', small, RELEASED, { bias_scale: tensor([1], -3) }),
  caseOf('a bias of several hundred', 'the softmax is of differences: no overflow', small, RELEASED, { bias_scale: tensor([1], 60), degree_bias: tensor([1], 2) }),
  caseOf('structure removed for the first of two images', 'the switch is per image', { ...small, b: 2 }, RELEASED, { structure: tensor([2], 0, 1) }),
]

/** Every output, from the formulas alone. */
function reference(inputs: Readonly<Record<string, Tensor>>, { b, h, n, d, k }: Sizes, formula: DcmmCase['formula']): Record<string, Tensor> {
  const of = (name: string): Values => Values.from(inputs[name]!)
  const [q, key, v, wg, bg, wt, bt, beta, lambda, on] = Object.keys(inputs).map(of) as [Values, Values, Values, Values, Values, Values, Values, Values, Values, Values]
  const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
  const activation = { relu: (x: number) => Math.max(x, 0), sigmoid, softplus: (x: number) => Math.log1p(Math.exp(x)) }[formula.thetaActivation]

  const scores = new Values([b, h, n, n], (bi = 0, hi = 0, i = 0, j = 0) => sum(d, (x) => q.at(bi, hi, i, x) * key.at(bi, hi, j, x)) / Math.sqrt(d))
  const membershipLogits = new Values([b, h, n, k], (bi = 0, hi = 0, i = 0, c = 0) => sum(d, (x) => q.at(bi, hi, i, x) * wg.at(x, c)) + bg.at(c))
  const membership = softmax(membershipLogits)
  const degree = new Values([b, h, n], (bi = 0, hi = 0, i = 0) => {
    if (formula.classToken === 'exclude' && i === 0) return 0
    return activation(sum(d, (x) => q.at(bi, hi, i, x) * wt.at(x, 0)) + bt.at(0))
  })
  const block = new Values([h, k, k], (hi = 0, s = 0, t = 0) =>
    formula.symmetricBlock ? (sigmoid(beta.at(hi, s, t)) + sigmoid(beta.at(hi, t, s))) / 2 : sigmoid(beta.at(hi, s, t)),
  )
  const bias = new Values([b, h, n, n], (bi = 0, hi = 0, i = 0, j = 0) => {
    const affinity = sum(k, (s) => sum(k, (t) => membership.at(bi, hi, i, s) * block.at(hi, s, t) * membership.at(bi, hi, j, t)))
    const bounded = formula.bounded === 'tanh' ? Math.tanh(affinity) : affinity
    return on.at(bi) * lambda.at(0) * degree.at(bi, hi, i) * degree.at(bi, hi, j) * bounded
  })
  const attention = softmax(new Values([b, h, n, n], (bi = 0, hi = 0, i = 0, j = 0) => scores.at(bi, hi, i, j) + bias.at(bi, hi, i, j)))
  const output = new Values([b, h, n, d], (bi = 0, hi = 0, i = 0, x = 0) => sum(n, (j) => attention.at(bi, hi, i, j) * v.at(bi, hi, j, x)))
  const values = { output, attention, scores, membership, degree, bias, block }
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.tensor()]))
}

/** Over the last axis. */
export function softmax(logits: Values): Values {
  const last = logits.shape.at(-1)!
  return new Values(logits.shape, (...index) => {
    const row = Array.from({ length: last }, (_, j) => logits.at(...index.slice(0, -1), j))
    const top = Math.max(...row)
    return Math.exp(logits.at(...index) - top) / sum(last, (j) => Math.exp(row[j]! - top))
  })
}
