/**
 * The last block's class-token row and the head as a graph of their own: changed biases and kept keys in, logits and their closed-form
 * gradient out. Exact, because the head reads nothing but this row.
 */
import type { NetworkConfig } from '../../models/network-config.ts'
import { int, ints } from '../onnx/node-list.ts'
import { IR_VERSION, type OnnxModel, OPSET_VERSION } from '../onnx/onnx-model.ts'
import { GraphDraft, type Weights } from './graph-draft.ts'
import { type Sizes, sizesOf } from './sizes.ts'

/** A dropped key's score; its weight is then exactly 0. */
const DROPPED = -1e30

/** A layer norm's input, taken apart for the way back. */
interface Normalized {
  /** gamma x-hat + beta */
  readonly output: string
  /** x-hat, [..., width] */
  readonly standardized: string
  /** sqrt(variance + epsilon), [..., 1] */
  readonly deviation: string
  readonly gamma: string
}

/**
 * tail.onnx.
 *
 * inputs   scores [head, token], values [head, token, headWidth], residual [width]: one image;
 *          alpha [row], bias [row, head, token], keep [row, head, token]: the changes;
 *          direction [gradientRow, class]: for the first of them, which sum of logits the gradient is of
 * outputs  logits [row, class]; gradient [gradientRow, head, token] = d (direction . logits) / d attention of the class token's row
 *
 * Source: derivation for a pre-norm ViT whose head reads the class token; checked against finite differences in the golden files.
 * Throws: "checkpoint-invalid", "shape-mismatch".
 */
export function buildTail(config: NetworkConfig, weights: Weights): OnnxModel {
  const sizes = sizesOf(config)
  const draft = new GraphDraft(weights)
  declare(draft, config, sizes)
  const block = `blocks.${sizes.lastLayer}`
  const mixed = writeMixed(draft, sizes, `${block}.attn.proj`) // y, [row, D]
  const second = writeNorm(draft, config, sizes, mixed, `${block}.norm2`)
  const hidden = draft.linear(second.output, `${block}.mlp.fc1`, sizes.width, sizes.width * config.mlpRatio) // p, [row, M]
  const outcome = draft.linear(draft.nodes.op('Gelu', [hidden]), `${block}.mlp.fc2`, sizes.width * config.mlpRatio, sizes.width)
  const final = writeNorm(draft, config, sizes, draft.nodes.op('Add', [mixed, outcome]), 'norm')
  const product = draft.nodes.op('MatMul', [final.output, draft.transposedWeight('head.weight', config.classes, sizes.width)])
  draft.nodes.op('Add', [product, draft.weight('head.bias', [config.classes])], {}, 'logits')
  writeGradient(draft, config, sizes, { second, hidden, final, block })
  const graph = { name: 'tail', nodes: draft.nodes.nodes, initializers: draft.initializers, inputs: draft.inputs, outputs: draft.outputs }
  return { ir: IR_VERSION, operatorSets: [{ domain: '', version: OPSET_VERSION }], producer: 'attending', graph, functions: [], metadata: {} }
}

function declare(draft: GraphDraft, config: NetworkConfig, sizes: Sizes): void {
  const { heads: h, tokens: n } = sizes
  const input = (name: string, axes: readonly (number | string)[]): void => {
    draft.inputs.push({ name, type: 'float', axes })
  }
  input('scores', [h, n])
  input('values', [h, n, sizes.headWidth])
  input('residual', [sizes.width])
  input('alpha', ['row'])
  input('bias', ['row', h, n])
  input('keep', ['row', h, n])
  input('direction', ['gradientRow', config.classes])
  draft.outputs.push({ name: 'logits', type: 'float', axes: ['row', config.classes] }, { name: 'gradient', type: 'float', axes: ['gradientRow', h, n] })
}

/** y = residual + proj(attention values), [row, width] */
function writeMixed(draft: GraphDraft, sizes: Sizes, projection: string): string {
  const { nodes } = draft
  const alpha = nodes.op('Reshape', ['alpha', nodes.ints(-1, 1, 1)])
  const scores = nodes.op('Add', ['scores', nodes.op('Mul', [alpha, 'bias'])]) // [row, h, n]
  const kept = nodes.op('Greater', ['keep', nodes.float(0)])
  const weights = nodes.op('Softmax', [nodes.op('Where', [kept, scores, nodes.float(DROPPED)])], { axis: int(-1) })
  const attention = nodes.op('Where', [kept, weights, nodes.float(0)])
  const gathered = nodes.op('MatMul', [nodes.op('Unsqueeze', [attention, nodes.ints(2)]), 'values']) // [row, h, 1, d]
  const joined = nodes.op('Reshape', [gathered, nodes.ints(-1, sizes.width)]) // [row, D]
  return nodes.op('Add', ['residual', draft.linear(joined, projection, sizes.width, sizes.width)])
}

function writeNorm(draft: GraphDraft, config: NetworkConfig, sizes: Sizes, x: string, name: string): Normalized {
  const { nodes } = draft
  const last = nodes.ints(-1)
  const centered = nodes.op('Sub', [x, nodes.op('ReduceMean', [x, last])])
  const variance = nodes.op('ReduceMean', [nodes.op('Mul', [centered, centered]), last])
  const deviation = nodes.op('Sqrt', [nodes.op('Add', [variance, nodes.float(config.layerNormEps)])])
  const standardized = nodes.op('Div', [centered, deviation])
  const gamma = draft.weight(`${name}.weight`, [sizes.width])
  const output = nodes.op('Add', [nodes.op('Mul', [standardized, gamma]), draft.weight(`${name}.bias`, [sizes.width])])
  return { output, standardized, deviation, gamma }
}

interface Forward {
  readonly second: Normalized
  readonly hidden: string
  readonly final: Normalized
  readonly block: string
}

function writeGradient(draft: GraphDraft, config: NetworkConfig, sizes: Sizes, { second, hidden, final, block }: Forward): void {
  const { nodes } = draft
  const { width, heads: h, tokens: n } = sizes
  const inner = width * config.mlpRatio
  const count = nodes.op('Slice', [nodes.op('Shape', ['direction']), nodes.ints(0), nodes.ints(1)])
  const firstRows = (value: string): string => nodes.op('Slice', [value, nodes.ints(0), count, nodes.ints(0)])
  const firstOf = (norm: Normalized): Normalized => ({ ...norm, standardized: firstRows(norm.standardized), deviation: firstRows(norm.deviation) })
  const atLogits = nodes.op('MatMul', ['direction', draft.weight('head.weight', [config.classes, width])]) // [g, D], g for gradientRow
  const atOutput = writeNormBackward(draft, firstOf(final), atLogits) // dr, [g, D]
  const atHidden = nodes.op('MatMul', [atOutput, draft.weight(`${block}.mlp.fc2.weight`, [width, inner])]) // [g, M]
  const slope = writeGeluSlope(draft, firstRows(hidden)) // [g, M]
  const atNormed = nodes.op('MatMul', [nodes.op('Mul', [atHidden, slope]), draft.weight(`${block}.mlp.fc1.weight`, [inner, width])]) // [g, D]
  const atMixed = nodes.op('Add', [atOutput, writeNormBackward(draft, firstOf(second), atNormed)]) // dy, [g, D]
  const atJoined = nodes.op('MatMul', [atMixed, draft.weight(`${block}.attn.proj.weight`, [width, width])])
  const perHead = nodes.op('Reshape', [atJoined, nodes.ints(-1, h, 1, sizes.headWidth)]) // [g, h, 1, d]
  const values = nodes.op('Transpose', ['values'], { perm: ints([0, 2, 1]) }) // [h, d, n]
  nodes.op('Reshape', [nodes.op('MatMul', [perHead, values]), nodes.ints(-1, h, n)], {}, 'gradient') // [g, h, n]
}

/** (a - mean a - x-hat mean(a x-hat)) / deviation with a = gamma times the gradient; [gradientRow, width] */
function writeNormBackward(draft: GraphDraft, norm: Normalized, gradient: string): string {
  const { nodes } = draft
  const last = nodes.ints(-1)
  const scaled = nodes.op('Mul', [gradient, norm.gamma])
  const along = nodes.op('Mul', [norm.standardized, nodes.op('ReduceMean', [nodes.op('Mul', [scaled, norm.standardized]), last])])
  const rest = nodes.op('Sub', [nodes.op('Sub', [scaled, nodes.op('ReduceMean', [scaled, last])]), along])
  return nodes.op('Div', [rest, norm.deviation])
}

/** d gelu(x) / dx = Phi(x) + x phi(x), with the exact error function */
function writeGeluSlope(draft: GraphDraft, x: string): string {
  const { nodes } = draft
  const half = nodes.float(0.5)
  const cumulative = nodes.op('Mul', [half, nodes.op('Add', [nodes.float(1), nodes.op('Erf', [nodes.op('Mul', [x, nodes.float(Math.SQRT1_2)])])])])
  const exponent = nodes.op('Mul', [nodes.op('Mul', [x, x]), nodes.float(-0.5)])
  const density = nodes.op('Mul', [nodes.op('Exp', [exponent]), nodes.float(1 / Math.sqrt(2 * Math.PI))])
  return nodes.op('Add', [cumulative, nodes.op('Mul', [x, density])])
}
