/**
 * DegreeCorrectedMixedMembershipAttention: attention whose scores get lambda theta_i theta_j bound(pi_i' B pi_j) before the softmax.
 * Formulas as in the authors' released code (github Shawey94/DCMM-Transformer, ViT.py); written here from the formulas alone.
 */
import type { DcmmOptions } from '../../models/network-config.ts'
import { float, int, ints, NodeList, text } from '../onnx/node-list.ts'
import type { OnnxAttributes, OnnxFunction, OnnxNode } from '../onnx/onnx-model.ts'
import { isPatch, perImage, tokenIndices, writeScores } from './body-parts.ts'
import { COMMUNITY_DOMAIN } from './domain.ts'

export const DCMM_ATTENTION = 'DegreeCorrectedMixedMembershipAttention'

/** The options that change the formula; the others concern training only. */
export type DcmmFormula = Pick<DcmmOptions, 'thetaActivation' | 'bounded' | 'symmetricBlock' | 'classToken'>

/** In order; axes in docs/custom-ops.md. */
export const DCMM_INPUTS = ['query', 'key', 'value', 'membership_weight', 'membership_bias', 'degree_weight', 'degree_bias', 'block_logits', 'bias_scale', 'structure'] as const
export const DCMM_OUTPUTS = ['output', 'attention', 'scores', 'membership', 'degree', 'bias', 'block'] as const

const ACTIVATIONS: Readonly<Record<DcmmOptions['thetaActivation'], string>> = { relu: 'Relu', sigmoid: 'Sigmoid', softplus: 'Softplus' }

/** A call of the operation. `inputs` and `outputs` in the order of DCMM_INPUTS and DCMM_OUTPUTS. */
export function dcmmAttentionNode(inputs: readonly string[], outputs: readonly string[], scale: number, formula: DcmmFormula): OnnxNode {
  return { type: DCMM_ATTENTION, domain: COMMUNITY_DOMAIN, inputs, outputs, attributes: { scale: float(scale), ...formulaAttributes(formula) } }
}

/** The body in standard operations, for one choice of the formula's options: the declared defaults. */
export function dcmmAttentionFunction(formula: DcmmFormula): OnnxFunction {
  const body = new NodeList('')
  const scores = writeScores(body)
  const membership = body.op('Softmax', [linear(body, 'query', 'membership')], { axis: int(-1) }, 'membership') // [b, h, n, K]
  const degree = writeDegree(body, formula) // [b, h, n, 1]
  body.op('Squeeze', [degree, body.ints(3)], {}, 'degree') // [b, h, n]
  writeBias(body, membership, degree, formula)
  body.op('Softmax', [body.op('Add', [scores, 'bias'])], { axis: int(-1) }, 'attention') // [b, h, n, n]
  body.op('MatMul', ['attention', 'value'], {}, 'output') // [b, h, n, d]
  return {
    domain: COMMUNITY_DOMAIN,
    name: DCMM_ATTENTION,
    inputs: DCMM_INPUTS,
    outputs: DCMM_OUTPUTS,
    required: ['scale'],
    defaults: formulaAttributes(formula),
    nodes: body.nodes,
    doc: 'softmax(scale Q K^T + structure lambda theta_i theta_j bound(pi_i^T B pi_j)) V; see docs/custom-ops.md',
  }
}

function linear(body: NodeList, x: string, name: 'membership' | 'degree'): string {
  return body.op('Add', [body.op('MatMul', [x, `${name}_weight`]), `${name}_bias`])
}

/** theta; 0 for a class token that is excluded, which zeroes its row and column of P. */
function writeDegree(body: NodeList, formula: DcmmFormula): string {
  const degree = body.op(ACTIVATIONS[formula.thetaActivation], [linear(body, 'query', 'degree')])
  if (formula.classToken === 'include') return degree
  return body.op('Mul', [degree, body.op('Unsqueeze', [isPatch(body, tokenIndices(body)), body.ints(1)])])
}

function writeBias(body: NodeList, membership: string, degree: string, formula: DcmmFormula): void {
  const block = writeBlock(body, formula.symmetricBlock)
  const affinity = body.op('MatMul', [body.op('MatMul', [membership, block]), body.op('Transpose', [membership], { perm: ints([0, 1, 3, 2]) })]) // [b, h, n, n]
  const bounded = formula.bounded === 'tanh' ? body.op('Tanh', [affinity]) : affinity
  const degreeOfKey = body.op('Transpose', [degree], { perm: ints([0, 1, 3, 2]) }) // [b, h, 1, n]
  const corrected = body.op('Mul', [body.op('Mul', [degree, bounded]), degreeOfKey]) // P
  body.op('Mul', [corrected, body.op('Mul', ['bias_scale', perImage(body, 'structure')])], {}, 'bias')
}

/** B, [h, K, K], under the name "block". */
function writeBlock(body: NodeList, symmetric: boolean): string {
  if (!symmetric) return body.op('Sigmoid', ['block_logits'], {}, 'block')
  const block = body.op('Sigmoid', ['block_logits'])
  const sum = body.op('Add', [block, body.op('Transpose', [block], { perm: ints([0, 2, 1]) })])
  return body.op('Mul', [sum, body.float(0.5)], {}, 'block')
}

function formulaAttributes(formula: DcmmFormula): OnnxAttributes {
  return {
    theta_activation: text(formula.thetaActivation),
    bounded: text(formula.bounded),
    symmetric_block: int(formula.symmetricBlock ? 1 : 0),
    class_token: text(formula.classToken),
  }
}
