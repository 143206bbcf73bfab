/** A network's configuration and weights in, its ONNX model out: a pre-norm ViT (arXiv:2010.11929) with plain or structured attention. */
import type { NetworkConfig } from '../../models/network-config.ts'
import type { Manifest } from '../../src/domain/manifest.ts'
import { ints } from '../onnx/node-list.ts'
import { IR_VERSION, type OnnxFunction, type OnnxModel, OPSET_VERSION, type OperatorSet } from '../onnx/onnx-model.ts'
import { counterUniformFunction } from '../ops/counter-uniform.ts'
import { dcmmAttentionFunction } from '../ops/degree-corrected-mixed-membership-attention.ts'
import { COMMUNITY_DOMAIN, COMMUNITY_VERSION } from '../ops/domain.ts'
import { type MaskRule, sbmAttentionFunction } from '../ops/stochastic-block-attention.ts'
import { writeAttention } from './attention.ts'
import { GraphDraft, type Weights } from './graph-draft.ts'
import { PIXELS_INPUT, SAMPLED_INPUT, SEED_INPUT, type Sizes, STRUCTURE_INPUT, sizesOf } from './sizes.ts'

export const PRODUCER = 'attending'

export interface BuiltNetwork {
  readonly model: OnnxModel
  readonly outputs: Manifest['outputs']
}

/**
 * The whole network as one graph in which every output of src/domain/outputs.ts that the network has is declared; a run chooses by its fetches.
 *
 * weights  timm's names and shapes
 * rule     how an SBM mask is made for images that aren't sampled; other networks ignore it
 *
 * Throws: "checkpoint-invalid" for a missing weight; "shape-mismatch".
 */
export function buildNetwork(config: NetworkConfig, weights: Weights, rule: MaskRule = { mode: 'expected' }): BuiltNetwork {
  const sizes = sizesOf(config)
  const draft = new GraphDraft(weights)
  declareInputs(draft, config)
  let tokens = writeTokens(draft, config, sizes)
  for (let layer = 0; layer < config.depth; layer++) tokens = writeBlock(draft, config, sizes, tokens, layer, rule)
  writeHead(draft, config, sizes, tokens)
  return { model: finish(draft, config, rule), outputs: draft.declaredOutputs() }
}

function declareInputs(draft: GraphDraft, config: NetworkConfig): void {
  draft.inputs.push({ name: PIXELS_INPUT, type: 'float', axes: ['batch', config.channels, config.imageSize, config.imageSize] })
  if (config.structuredLayers.length === 0) return
  draft.inputs.push({ name: STRUCTURE_INPUT, type: 'float', axes: ['batch'] })
  if (config.sbm === null) return
  draft.inputs.push({ name: SAMPLED_INPUT, type: 'float', axes: ['batch'] }, { name: SEED_INPUT, type: 'uint32', axes: ['batch'] })
}

/** Patches projected, the class token in front, positions added: [batch, token, width]. */
function writeTokens(draft: GraphDraft, config: NetworkConfig, sizes: Sizes): string {
  const { nodes } = draft
  const side = config.patchSize + 2 * config.patchOverlap
  const overlap = config.patchOverlap
  const projection = [draft.weight('patch_embed.proj.weight', [sizes.width, config.channels, side, side]), draft.weight('patch_embed.proj.bias', [sizes.width])]
  const window = { kernel_shape: ints([side, side]), strides: ints([config.patchSize, config.patchSize]), pads: ints([overlap, overlap, overlap, overlap]) }
  const grid = nodes.op('Conv', [PIXELS_INPUT, ...projection], window) // [b, D, g, g]
  const flat = nodes.op('Reshape', [grid, nodes.ints(0, sizes.width, sizes.grid ** 2)]) // [b, D, n - 1]
  const patches = nodes.op('Transpose', [flat], { perm: ints([0, 2, 1]) }) // [b, n - 1, D]
  const batch = nodes.op('Shape', [PIXELS_INPUT], { start: { kind: 'int', value: 0 }, end: { kind: 'int', value: 1 } }) // [1]
  const shape = nodes.op('Concat', [batch, nodes.ints(1, sizes.width)], { axis: { kind: 'int', value: 0 } })
  const classToken = nodes.op('Expand', [draft.weight('cls_token', [1, 1, sizes.width]), shape]) // [b, 1, D]
  const sequence = nodes.op('Concat', [classToken, patches], { axis: { kind: 'int', value: 1 } }) // [b, n, D]
  const tokens = nodes.op('Add', [sequence, draft.weight('pos_embed', [1, sizes.tokens, sizes.width])], {}, 'tokens')
  draft.output('tokens', tokens, ['batch', sizes.tokens, sizes.width], ['batch', 'token', 'width'])
  return tokens
}

/**
 * One pre-norm block. Of the last one only the class token goes on: the head reads nothing else, so the other rows' products would be thrown away.
 */
function writeBlock(draft: GraphDraft, config: NetworkConfig, sizes: Sizes, tokens: string, layer: number, rule: MaskRule): string {
  const { nodes } = draft
  const block = `blocks.${layer}`
  const isLast = layer === sizes.lastLayer
  const attended = writeAttention(draft, config, sizes, draft.layerNorm(tokens, `${block}.norm1`, sizes.width, config.layerNormEps), layer, rule)
  const residual = isLast ? classTokenOf(draft, tokens) : tokens
  if (isLast) writeResidual(draft, sizes, residual)
  const projected = draft.linear(isLast ? classTokenOf(draft, attended) : attended, `${block}.attn.proj`, sizes.width, sizes.width)
  const mixed = nodes.op('Add', [residual, projected])
  const hidden = draft.linear(draft.layerNorm(mixed, `${block}.norm2`, sizes.width, config.layerNormEps), `${block}.mlp.fc1`, sizes.width, sizes.width * config.mlpRatio)
  const outcome = draft.linear(nodes.op('Gelu', [hidden]), `${block}.mlp.fc2`, sizes.width * config.mlpRatio, sizes.width)
  return nodes.op('Add', [mixed, outcome])
}

/** [batch, 1, width] of [batch, token, width] */
function classTokenOf(draft: GraphDraft, tokens: string): string {
  const { nodes } = draft
  return nodes.op('Slice', [tokens, nodes.ints(0), nodes.ints(1), nodes.ints(1)])
}

function writeResidual(draft: GraphDraft, sizes: Sizes, classToken: string): void {
  const residual = draft.nodes.op('Squeeze', [classToken, draft.nodes.ints(1)], {}, 'residual')
  draft.output('residual', residual, ['batch', sizes.width], ['batch', 'width'])
}

/** classToken  [batch, 1, width] */
function writeHead(draft: GraphDraft, config: NetworkConfig, sizes: Sizes, classToken: string): void {
  const { nodes } = draft
  const normalized = draft.layerNorm(classToken, 'norm', sizes.width, config.layerNormEps)
  const embedding = nodes.op('Squeeze', [normalized, nodes.ints(1)], {}, 'embedding') // [b, D]
  draft.output('embedding', embedding, ['batch', sizes.width], ['batch', 'width'])
  const product = nodes.op('MatMul', [embedding, draft.transposedWeight('head.weight', config.classes, sizes.width)])
  nodes.op('Add', [product, draft.weight('head.bias', [config.classes])], {}, 'logits')
  draft.output('logits', 'logits', ['batch', config.classes], ['batch', 'class'])
}

function finish(draft: GraphDraft, config: NetworkConfig, rule: MaskRule): OnnxModel {
  const functions = functionsOf(config, rule)
  const operatorSets: OperatorSet[] = [{ domain: '', version: OPSET_VERSION }]
  if (functions.length > 0) operatorSets.push({ domain: COMMUNITY_DOMAIN, version: COMMUNITY_VERSION })
  const graph = { name: config.network, nodes: draft.nodes.nodes, initializers: draft.initializers, inputs: draft.inputs, outputs: draft.outputs }
  return { ir: IR_VERSION, operatorSets, producer: PRODUCER, graph, functions, metadata: {} }
}

function functionsOf(config: NetworkConfig, rule: MaskRule): readonly OnnxFunction[] {
  if (config.structuredLayers.length === 0) return []
  if (config.dcmm !== null) return [dcmmAttentionFunction(config.dcmm)]
  if (config.sbm !== null) return [sbmAttentionFunction(config.sbm, rule), counterUniformFunction()]
  return []
}
