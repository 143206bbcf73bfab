/** The contract of StochasticBlockAttention: inputs, and outputs computed in float64 by plain loops from the formulas of docs/custom-ops.md. */
import type { MaskRule } from '../../export/ops/stochastic-block-attention.ts'
import type { SbmOptions } from '../../models/network-config.ts'
import { maskUniforms } from '../../src/tensor/counter-random.ts'
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'
import { softmax } from './degree-corrected-mixed-membership-attention.ts'
import { gen, sum, Values } from './gen.ts'

export interface SbmCase {
  readonly case: string
  readonly because: string
  readonly formula: Pick<SbmOptions, 'delta' | 'classTokenAlwaysOn' | 'selfLoop'>
  readonly rule: MaskRule
  /** Axes as in docs/custom-ops.md, weights as [in, out]. */
  readonly inputs: Readonly<Record<string, Tensor>>
  /** Where masks are drawn: the seeds behind `uniform`, for implementations that make their own. */
  readonly seeds: readonly number[] | null
  readonly expected: Readonly<Record<string, Tensor>>
  readonly tolerance: { readonly absolute: number; readonly relative: number }
}

const TOLERANCE = { absolute: 2e-6, relative: 2e-5 }
const PLAIN = { delta: 0.01, classTokenAlwaysOn: false, selfLoop: false }
const FORCED = { ...PLAIN, classTokenAlwaysOn: true }

interface Sizes {
  readonly b: number
  readonly h: number
  readonly n: number
  readonly d: number
  readonly k: number
}
interface Options {
  readonly formula?: SbmCase['formula']
  readonly rule?: MaskRule
  readonly seeds?: readonly number[]
  readonly uniform?: Tensor
  readonly structure?: readonly number[]
  readonly change?: Readonly<Record<string, Tensor>>
}

const small = { b: 1, h: 2, n: 4, d: 3, k: 2 }
/** The layer whose key the seeds are mixed with. */
export const SBM_CASE_LAYER = 3

const inputsOf = ({ b, h, n, d, k }: Sizes, { seeds, uniform, structure, change }: Options): Record<string, Tensor> => {
  const drawn = seeds === undefined ? gen([1, 1, 1, 1], 0, 0) : tensorOf(maskUniforms(seeds, SBM_CASE_LAYER, h, n), [b, h, n, n])
  return {
    query: gen([b, h, n, d], 0.1, 1),
    key: gen([b, h, n, d], 0.9, 1),
    value: gen([b, h, n, d], 1.7, 1),
    cluster: gen([h, k, d], 2.9, 1),
    fc1_weight: transposed(gen([d, d], 0.4, 1)),
    fc1_bias: gen([d], 0.6, 0.5),
    fc2_weight: transposed(gen([d, d], 0.8, 1)),
    fc2_bias: gen([d], 1, 0.5),
    structure: perImage(b, structure ?? [1]),
    sampled: perImage(b, [seeds === undefined && uniform === undefined ? 0 : 1]),
    uniform: uniform ?? drawn,
    ...change,
  }
}

const perImage = (b: number, values: readonly number[]): Tensor => new Values([b], (i = 0) => values[i % values.length]!).tensor()
const transposed = (matrix: Tensor): Tensor => {
  const values = Values.from(matrix)
  return new Values([matrix.shape[1]!, matrix.shape[0]!], (i = 0, j = 0) => values.at(j, i)).tensor()
}

const caseOf = (name: string, because: string, sizes: Sizes, options: Options = {}): SbmCase => {
  const { formula = PLAIN, rule = { mode: 'expected' }, seeds = null } = options
  const inputs = inputsOf(sizes, options)
  return { case: name, because, formula, rule, inputs, seeds, expected: reference(inputs, sizes, formula, rule), tolerance: TOLERANCE }
}

/** The 0/1 mask of golden_dcmm_sbm.json as uniforms: 0 is below every probability, 1 below none. */
const goldenMask = new Values([1, 1, 4, 4], (_b = 0, _h = 0, i = 0, j = 0) => ((3 * i + 5 * j) % 4 === 0 ? 1 : 0)).tensor()
/** Nothing is below 1: every edge that may be dropped is. */
const dropAll = new Values([1, 1, 1, 1], () => 1).tensor()

export const SBM_CASES: readonly SbmCase[] = [
  caseOf('mean-field on the block of golden_dcmm_sbm.json', 'its numbers were also computed by PyTorch in float64', small),
  caseOf('a given mask on the block of golden_dcmm_sbm.json', 'the same, with a row whose first key is dropped', small, { uniform: goldenMask }),
  caseOf('mean-field, two images, odd sizes', 'no axis may be mistaken for another', { b: 2, h: 3, n: 7, d: 5, k: 4 }),
  caseOf('mean-field, class token always on', 'row and column 0 of the mean mask are 1', { ...small, n: 6 }, { formula: FORCED }),
  caseOf('mean-field, self loops', 'the diagonal of the mean mask is 1', { ...small, n: 6 }, { formula: { ...PLAIN, selfLoop: true } }),
  caseOf('mean-field, both', 'the two are joined by or', { ...small, n: 6 }, { formula: { ...FORCED, selfLoop: true } }),
  caseOf('masks drawn from seeds', 'one seed an image, one mask a head', { b: 2, h: 3, n: 7, d: 5, k: 4 }, { seeds: [1, 4294967295] }),
  caseOf('masks drawn from seeds, class token always on', 'forced entries are not drawn', { b: 2, h: 2, n: 5, d: 4, k: 3 }, { seeds: [0, 7], formula: FORCED }),
  caseOf('a row without any key', 'it is zero, as in the reference code, and not NaN', small, { uniform: dropAll }),
  caseOf('every edge dropped but the class token', 'each row falls back on it', small, { uniform: dropAll, formula: FORCED }),
  caseOf('a threshold', '1 where P >= tau', { ...small, n: 6 }, { rule: { mode: 'threshold', tau: 0.0345 } }),
  caseOf('a threshold that nothing reaches', 'each row keeps its largest P', { ...small, n: 6 }, { rule: { mode: 'threshold', tau: 1 } }),
  caseOf('the top half of each row', 'the smallest set of keys that holds rho', { ...small, n: 7 }, { rule: { mode: 'topP', rho: 0.5 } }),
  caseOf('the top of each row, rho near 0', 'a row is never empty', { ...small, n: 7 }, { rule: { mode: 'topP', rho: 1e-6 } }),
  caseOf('the top half of equal keys', 'ties go to the lower index, and a share met exactly is enough', small, {
    rule: { mode: 'topP', rho: 0.5 },
    change: { query: gen([1, 2, 4, 3], 0, 0), key: gen([1, 2, 4, 3], 0, 0) },
  }),
  caseOf('all keys, rho 1', 'then attention is plain', small, { rule: { mode: 'topP', rho: 1 } }),
  caseOf('structure removed for the first of two images', 'its mask is all ones', { ...small, b: 2 }, { structure: [0, 1] }),
  caseOf('structure removed where masks are drawn', 'no edge is dropped then', { ...small, b: 2 }, { structure: [0, 1], seeds: [3, 3] }),
]

/** Every output, from the formulas alone. */
function reference(inputs: Readonly<Record<string, Tensor>>, { b, h, n, d, k }: Sizes, formula: SbmCase['formula'], rule: MaskRule): Record<string, Tensor> {
  const of = (name: string): Values => Values.from(inputs[name]!)
  const [q, key, v, cluster] = [of('query'), of('key'), of('value'), of('cluster')]
  const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
  const network = (x: Values): Values =>
    layer(
      layer(x, of('fc1_weight'), of('fc1_bias'), (t) => Math.max(t, 0)),
      of('fc2_weight'),
      of('fc2_bias'),
      (t) => t,
    )
  const loading = (x: Values): Values => {
    const hidden = network(x)
    return new Values([b, h, n, k], (bi = 0, hi = 0, i = 0, c = 0) => sigmoid(sum(d, (y) => hidden.at(bi, hi, i, y) * cluster.at(hi, c, y))))
  }
  const [queryLoading, keyLoading] = [loading(q), loading(key)]
  const pairs = new Values([h, k * k], (hi = 0, pair = 0) => sum(d, (y) => cluster.at(hi, Math.floor(pair / k), y) * cluster.at(hi, pair % k, y)))
  const flat = softmax(pairs)
  const affinity = new Values([h, k, k], (hi = 0, s = 0, t = 0) => flat.at(hi, s * k + t))
  const probability = new Values([b, h, n, n], (bi = 0, hi = 0, i = 0, j = 0) =>
    sum(k, (s) => sum(k, (t) => queryLoading.at(bi, hi, i, s) * affinity.at(hi, s, t) * keyLoading.at(bi, hi, j, t))),
  )
  const scores = new Values([b, h, n, n], (bi = 0, hi = 0, i = 0, j = 0) => sum(d, (x) => q.at(bi, hi, i, x) * key.at(bi, hi, j, x)) / Math.sqrt(d))
  const mask = new Values([b, h, n, n], (bi = 0, hi = 0, i = 0, j = 0) => {
    const isForced = (formula.classTokenAlwaysOn && (i === 0 || j === 0)) || (formula.selfLoop && i === j)
    if (of('structure').at(bi) === 0 || isForced) return 1
    const mean = Math.min(Math.max(probability.at(bi, hi, i, j) + formula.delta, 0), 1)
    if (of('sampled').at(bi) === 1) return broadcast(of('uniform'), bi, hi, i, j) < mean ? 1 : 0
    const row = Array.from({ length: n }, (_, key) => probability.at(bi, hi, i, key))
    return byRule(rule, row, j, mean)
  })
  const attention = new Values([b, h, n, n], (bi = 0, hi = 0, i = 0, j = 0) => {
    const weight = (x: number): number => mask.at(bi, hi, i, x) * Math.exp(scores.at(bi, hi, i, x))
    const total = sum(n, weight)
    return total === 0 ? 0 : weight(j) / total
  })
  const output = new Values([b, h, n, d], (bi = 0, hi = 0, i = 0, x = 0) => sum(n, (j) => attention.at(bi, hi, i, j) * v.at(bi, hi, j, x)))
  const values = { output, attention, scores, query_loading: queryLoading, key_loading: keyLoading, affinity, edge_probability: probability, mask }
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.tensor()]))
}

function byRule(rule: MaskRule, row: readonly number[], j: number, mean: number): number {
  if (rule.mode === 'expected') return mean
  if (rule.mode === 'threshold') return row[j]! >= rule.tau || row.indexOf(Math.max(...row)) === j ? 1 : 0
  const order = row.map((_, key) => key).sort((x, y) => row[y]! - row[x]! || x - y)
  const total = row.reduce((x, y) => x + y, 0)
  let held = 0
  for (const [rank, key] of order.entries()) {
    if (key === j) return rank === 0 || held < rule.rho * total ? 1 : 0
    held += row[key]!
  }
  return 0
}

function layer(x: Values, weight: Values, bias: Values, activation: (t: number) => number): Values {
  const inner = weight.shape[0]!
  return new Values([...x.shape.slice(0, -1), weight.shape[1]!], (...index) => {
    const [unit, row] = [index.at(-1)!, index.slice(0, -1)]
    return activation(sum(inner, (i) => x.at(...row, i) * weight.at(i, unit)) + bias.at(unit))
  })
}

function broadcast(values: Values, ...index: number[]): number {
  return values.at(...index.map((i, axis) => (values.shape[axis] === 1 ? 0 : i)))
}
