/**
 * StochasticBlockAttention: attention over a token graph whose edges follow a stochastic block model of the queries and keys.
 * SBM-Transformer, arXiv:2210.15541; formulas as in github sc782/SBM-Transformer attention_sbm.py, written here from the formulas alone.
 */
import type { SbmOptions } from '../../models/network-config.ts'
import { float, int, ints, NodeList, text } from '../onnx/node-list.ts'
import type { OnnxAttributes, OnnxFunction, OnnxNode } from '../onnx/onnx-model.ts'
import { betweenPatches, perImage, tokenIndices, writeScores } from './body-parts.ts'
import { COMMUNITY_DOMAIN } from './domain.ts'

export const SBM_ATTENTION = 'StochasticBlockAttention'

/** How the mask comes from the edge probability P where an image isn't sampled. */
export type MaskRule =
  /** The mean mask clamp(P + delta): weights softmax(scores + ln mask), "mean-field". */
  | { readonly mode: 'expected' }
  /** 1 where P >= tau, and at each row's largest P. */
  | { readonly mode: 'threshold'; readonly tau: number }
  /** 1 on the smallest set of keys that holds rho of the row's sum of P; ties by lower index. */
  | { readonly mode: 'topP'; readonly rho: number }

export type SbmFormula = Pick<SbmOptions, 'delta' | 'classTokenAlwaysOn' | 'selfLoop'>

/** In order; axes in docs/custom-ops.md. */
export const SBM_INPUTS = ['query', 'key', 'value', 'cluster', 'fc1_weight', 'fc1_bias', 'fc2_weight', 'fc2_bias', 'structure', 'sampled', 'uniform'] as const
export const SBM_OUTPUTS = ['output', 'attention', 'scores', 'query_loading', 'key_loading', 'affinity', 'edge_probability', 'mask'] as const

/** A dropped key's score: its weight is then exactly 0 unless the whole row is dropped, and that row is zeroed after the softmax. */
const DROPPED = -1e30
/** Below this a mean mask's logarithm is held; never met with delta = .01. */
const SMALLEST_MASK = 1e-9

/** A call of the operation. `inputs` and `outputs` in the order of SBM_INPUTS and SBM_OUTPUTS. */
export function sbmAttentionNode(inputs: readonly string[], outputs: readonly string[], scale: number, formula: SbmFormula, rule: MaskRule): OnnxNode {
  const attributes = { scale: float(scale), delta: float(formula.delta), ...formulaAttributes(formula, rule) }
  return { type: SBM_ATTENTION, domain: COMMUNITY_DOMAIN, inputs, outputs, attributes }
}

/** The body in standard operations, for one choice of the formula's options: the declared defaults. */
export function sbmAttentionFunction(formula: SbmFormula, rule: MaskRule): OnnxFunction {
  const body = new NodeList('')
  const scores = writeScores(body)
  writeEdgeProbability(body)
  const floored = body.op('Add', ['edge_probability', body.attribute('delta', 'float')])
  const mean = body.op('Clip', [floored, body.float(0), body.float(1)]) // [b, h, n, n]
  writeMask(body, mean, formula, rule)
  writeAttention(body, scores)
  return {
    domain: COMMUNITY_DOMAIN,
    name: SBM_ATTENTION,
    inputs: SBM_INPUTS,
    outputs: SBM_OUTPUTS,
    required: ['scale', 'delta'],
    defaults: formulaAttributes(formula, rule),
    nodes: body.nodes,
    doc: 'softmax(scale Q K^T + ln mask) V with mask from P = Y S Z^T; see docs/custom-ops.md',
  }
}

/** Y, Z, S and P = Y S Z^T under their output names. */
function writeEdgeProbability(body: NodeList): void {
  const clusterT = body.op('Transpose', ['cluster'], { perm: ints([0, 2, 1]) }) // [h, d, K]
  body.op('Sigmoid', [body.op('MatMul', [clusterNetwork(body, 'query'), clusterT])], {}, 'query_loading') // [b, h, n, K]
  body.op('Sigmoid', [body.op('MatMul', [clusterNetwork(body, 'key'), clusterT])], {}, 'key_loading')
  const logits = body.op('MatMul', ['cluster', clusterT]) // [h, K, K]
  const overAllPairs = body.op('Softmax', [body.op('Reshape', [logits, body.ints(0, -1)])], { axis: int(-1) }) // [h, K K]: one softmax, not one a row
  body.op('Reshape', [overAllPairs, body.op('Shape', [logits])], {}, 'affinity')
  const keysT = body.op('Transpose', ['key_loading'], { perm: ints([0, 1, 3, 2]) })
  body.op('MatMul', [body.op('MatMul', ['query_loading', 'affinity']), keysT], {}, 'edge_probability')
}

/** fc2(relu(fc1 x)), [b, h, n, d]: the one small network that queries and keys share. */
function clusterNetwork(body: NodeList, x: string): string {
  const hidden = body.op('Relu', [body.op('Add', [body.op('MatMul', [x, 'fc1_weight']), 'fc1_bias'])])
  return body.op('Add', [body.op('MatMul', [hidden, 'fc2_weight']), 'fc2_bias'])
}

/** The mask in use under the name "mask": drawn or by rule, forced entries 1, and all ones for an image whose structure is removed. */
function writeMask(body: NodeList, mean: string, formula: SbmFormula, rule: MaskRule): void {
  const byRule = writeRule(body, mean, rule)
  const drawn = body.op('Cast', [body.op('Less', ['uniform', mean])], { to: int(1) })
  const isSampled = body.op('Cast', [perImage(body, 'sampled')], { to: int(9) })
  const chosen = body.op('Where', [isSampled, drawn, byRule])
  const free = writeFreePairs(body, formula)
  const one = body.float(1)
  const forced = free === null ? chosen : body.op('Where', [free, chosen, one])
  const asTrained = body.op('Cast', [perImage(body, 'structure')], { to: int(9) })
  body.op('Where', [asTrained, forced, one], {}, 'mask')
}

function writeRule(body: NodeList, mean: string, rule: MaskRule): string {
  switch (rule.mode) {
    case 'expected':
      return mean
    case 'threshold':
      return writeThreshold(body)
    case 'topP':
      return writeTopP(body)
  }
}

function writeThreshold(body: NodeList): string {
  const above = body.op('GreaterOrEqual', ['edge_probability', body.attribute('tau', 'float')])
  const strongest = body.op('ArgMax', ['edge_probability'], { axis: int(-1), keepdims: int(1) }) // [b, h, n, 1], the lowest of equals
  const isStrongest = body.op('Equal', [strongest, tokenIndices(body)])
  return body.op('Cast', [body.op('Or', [above, isStrongest])], { to: int(1) })
}

function writeTopP(body: NodeList): string {
  const count = body.op('Shape', ['query'], { start: int(2), end: int(3) })
  const sorted = body.fresh('sorted')
  const order = body.fresh('order')
  body.call({ type: 'TopK', domain: '', inputs: ['edge_probability', count], outputs: [sorted, order], attributes: { axis: int(-1), largest: int(1), sorted: int(1) } })
  const total = body.op('ReduceSum', ['edge_probability', body.ints(-1)], { keepdims: int(1) })
  const before = body.op('CumSum', [sorted, body.int(-1)], { exclusive: int(1) }) // what the stronger keys hold
  const needed = body.op('Less', [before, body.op('Mul', [total, body.attribute('rho', 'float')])])
  const first = body.op('Equal', [tokenIndices(body), body.int(0)]) // a row is never empty, whatever rho
  const kept = body.op('Cast', [body.op('Or', [needed, first])], { to: int(1) })
  return body.op('ScatterElements', [body.op('Mul', ['edge_probability', body.float(0)]), order, kept], { axis: int(-1) })
}

/** True where the mask is free to be 0, [n, n] bool; null where nothing is forced. */
function writeFreePairs(body: NodeList, formula: SbmFormula): string | null {
  if (!formula.classTokenAlwaysOn && !formula.selfLoop) return null
  const indices = tokenIndices(body)
  const patches = formula.classTokenAlwaysOn ? body.op('Cast', [betweenPatches(body, indices)], { to: int(9) }) : null
  const others = formula.selfLoop ? body.op('Not', [body.op('Equal', [body.op('Unsqueeze', [indices, body.ints(0)]), body.op('Unsqueeze', [indices, body.ints(1)])])]) : null
  if (patches !== null && others !== null) return body.op('And', [patches, others])
  return patches ?? others
}

function writeAttention(body: NodeList, scores: string): void {
  const kept = body.op('Greater', ['mask', body.float(0)])
  const logarithm = body.op('Log', [body.op('Max', ['mask', body.float(SMALLEST_MASK)])])
  const masked = body.op('Where', [kept, body.op('Add', [scores, logarithm]), body.float(DROPPED)])
  const weights = body.op('Softmax', [masked], { axis: int(-1) })
  body.op('Where', [kept, weights, body.float(0)], {}, 'attention') // a row without a key is zero, as in the reference code
  body.op('MatMul', ['attention', 'value'], {}, 'output')
}

function formulaAttributes(formula: SbmFormula, rule: MaskRule): OnnxAttributes {
  return {
    mask_mode: text(rule.mode),
    tau: float(rule.mode === 'threshold' ? rule.tau : 0),
    rho: float(rule.mode === 'topP' ? rule.rho : 1),
    class_token_always_on: int(formula.classTokenAlwaysOn ? 1 : 0),
    self_loop: int(formula.selfLoop ? 1 : 0),
  }
}
