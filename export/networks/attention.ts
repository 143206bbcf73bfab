/** Normalized tokens in, the heads' joined output: plain attention, or one of the custom domain's two operations, always written so that its weights exist. */
import type { DcmmOptions, NetworkConfig, SbmOptions } from '../../models/network-config.ts'
import { int, ints } from '../onnx/node-list.ts'
import { COUNTER_UNIFORM, counterUniformNode } from '../ops/counter-uniform.ts'
import { dcmmAttentionNode } from '../ops/degree-corrected-mixed-membership-attention.ts'
import { type MaskRule, sbmAttentionNode } from '../ops/stochastic-block-attention.ts'
import type { GraphDraft } from './graph-draft.ts'
import { SAMPLED_INPUT, SEED_INPUT, type Sizes, STRUCTURE_INPUT } from './sizes.ts'

interface Heads {
  /** Each [batch, head, token, headWidth] */
  readonly query: string
  readonly key: string
  readonly value: string
}

/**
 * The heads' output, joined: [batch, token, width].
 *
 * tokens  [batch, token, width], after the layer's first norm
 */
export function writeAttention(draft: GraphDraft, config: NetworkConfig, sizes: Sizes, tokens: string, layer: number, rule: MaskRule): string {
  const heads = writeHeads(draft, sizes, tokens, layer)
  const structured = config.structuredLayers.includes(layer)
  const output = structured ? writeStructured(draft, config, sizes, heads, layer, rule) : writePlain(draft, sizes, heads, layer)
  const { heads: h, tokens: n, headWidth: d } = sizes
  const pairs = ['batch', h, n, n]
  draft.layerOutput('attentionAll', `attention.${layer}`, pairs, ['batch', 'head', 'token', 'token'])
  if (layer === config.depth - 1) {
    draft.output('attention', `attention.${layer}`, pairs, ['batch', 'head', 'token', 'token'])
    draft.output('scores', 'scores', pairs, ['batch', 'head', 'token', 'token'])
    draft.output('classTokenAttention', writeClassTokenRow(draft, `attention.${layer}`), ['batch', h, n], ['batch', 'head', 'token'])
    draft.output('classTokenScores', writeClassTokenRow(draft, 'scores'), ['batch', h, n], ['batch', 'head', 'token'])
    draft.output('values', heads.value, ['batch', h, n, d], ['batch', 'head', 'token', 'headWidth'])
  }
  const joined = draft.nodes.op('Transpose', [output], { perm: ints([0, 2, 1, 3]) }) // [b, n, h, d]
  return draft.nodes.op('Reshape', [joined, draft.nodes.ints(0, n, sizes.width)]) // [b, n, D]
}

/** The class token's row of a matrix over tokens, [batch, head, token]: fetching it spares the whole matrix. */
function writeClassTokenRow(draft: GraphDraft, matrix: string): string {
  return draft.nodes.op('Gather', [matrix, draft.nodes.int(0)], { axis: int(2) }, `class_token.${matrix}`)
}

/** q, k and v from one projection, in timm's order: [q | k | v], heads inside each. */
function writeHeads(draft: GraphDraft, sizes: Sizes, tokens: string, layer: number): Heads {
  const { nodes } = draft
  const qkv = draft.linear(tokens, `blocks.${layer}.attn.qkv`, sizes.width, 3 * sizes.width) // [b, n, 3 D]
  const split = nodes.op('Reshape', [qkv, nodes.ints(0, sizes.tokens, 3, sizes.heads, sizes.headWidth)]) // [b, n, 3, h, d]
  const moved = nodes.op('Transpose', [split], { perm: ints([2, 0, 3, 1, 4]) }) // [3, b, h, n, d]
  const take = (index: number, output?: string): string => nodes.op('Gather', [moved, nodes.int(index)], { axis: int(0) }, output)
  return { query: take(0), key: take(1), value: layer === sizes.lastLayer ? take(2, 'values') : take(2) }
}

function writePlain(draft: GraphDraft, sizes: Sizes, { query, key, value }: Heads, layer: number): string {
  const { nodes } = draft
  const scaled = nodes.op('Mul', [query, nodes.float(sizes.headWidth ** -0.5)])
  const scores = nodes.op('MatMul', [scaled, nodes.op('Transpose', [key], { perm: ints([0, 1, 3, 2]) })], {}, scoresName(sizes, layer))
  const attention = nodes.op('Softmax', [scores], { axis: int(-1) }, `attention.${layer}`)
  return nodes.op('MatMul', [attention, value])
}

function writeStructured(draft: GraphDraft, config: NetworkConfig, sizes: Sizes, heads: Heads, layer: number, rule: MaskRule): string {
  if (config.dcmm !== null) return writeDcmm(draft, config.dcmm, sizes, heads, layer)
  if (config.sbm !== null) return writeSbm(draft, config.sbm, sizes, heads, layer, rule)
  return writePlain(draft, sizes, heads, layer)
}

function writeDcmm(draft: GraphDraft, options: DcmmOptions, sizes: Sizes, heads: Heads, layer: number): string {
  const { heads: h, tokens: n, headWidth: d } = sizes
  const k = options.communities
  const at = `blocks.${layer}.attn`
  const weights = [
    draft.transposedWeight(`${at}.membership.weight`, k, d),
    draft.weight(`${at}.membership.bias`, [k]),
    draft.transposedWeight(`${at}.degree.weight`, 1, d),
    draft.weight(`${at}.degree.bias`, [1]),
    draft.weight(`${at}.block_logits`, [h, k, k]),
    draft.weight(`${at}.bias_scale`, [1]),
  ]
  const output = draft.nodes.fresh('dcmm')
  const names = [`attention.${layer}`, scoresName(sizes, layer) ?? draft.nodes.fresh('scores'), ...['membership', 'degree', 'bias', 'block'].map((name) => `${name}.${layer}`)]
  draft.nodes.call(dcmmAttentionNode([heads.query, heads.key, heads.value, ...weights, STRUCTURE_INPUT], [output, ...names], d ** -0.5, options))
  draft.layerOutput('membership', `membership.${layer}`, ['batch', h, n, k], ['batch', 'head', 'token', 'community'])
  draft.layerOutput('degree', `degree.${layer}`, ['batch', h, n], ['batch', 'head', 'token'])
  draft.layerOutput('bias', `bias.${layer}`, ['batch', h, n, n], ['batch', 'head', 'token', 'token'])
  draft.layerOutput('classTokenBias', writeClassTokenRow(draft, `bias.${layer}`), ['batch', h, n], ['batch', 'head', 'token'])
  draft.layerOutput('block', `block.${layer}`, [h, k, k], ['head', 'community', 'community'])
  return output
}

function writeSbm(draft: GraphDraft, options: SbmOptions, sizes: Sizes, heads: Heads, layer: number, rule: MaskRule): string {
  const { heads: h, tokens: n, headWidth: d } = sizes
  const k = options.communities
  const at = `blocks.${layer}.attn`
  const weights = [draft.weight(`${at}.cluster`, [h, k, d])]
  for (const name of ['fc1', 'fc2']) weights.push(draft.transposedWeight(`${at}.cluster_mlp.${name}.weight`, d, d), draft.weight(`${at}.cluster_mlp.${name}.bias`, [d]))
  const uniform = writeUniform(draft, sizes, layer)
  const output = draft.nodes.fresh('sbm')
  const kinds = ['query_loading', 'key_loading', 'affinity', 'edge_probability', 'mask'].map((name) => `${name}.${layer}`)
  const names = [`attention.${layer}`, scoresName(sizes, layer) ?? draft.nodes.fresh('scores'), ...kinds]
  const inputs = [heads.query, heads.key, heads.value, ...weights, STRUCTURE_INPUT, SAMPLED_INPUT, uniform]
  draft.nodes.call(sbmAttentionNode(inputs, [output, ...names], d ** -0.5, options, rule))
  draft.layerOutput('queryLoading', `query_loading.${layer}`, ['batch', h, n, k], ['batch', 'head', 'token', 'community'])
  draft.layerOutput('keyLoading', `key_loading.${layer}`, ['batch', h, n, k], ['batch', 'head', 'token', 'community'])
  draft.layerOutput('affinity', `affinity.${layer}`, [h, k, k], ['head', 'community', 'community'])
  draft.layerOutput('edgeProbability', `edge_probability.${layer}`, ['batch', h, n, n], ['batch', 'head', 'token', 'token'])
  draft.layerOutput('mask', `mask.${layer}`, ['batch', h, n, n], ['batch', 'head', 'token', 'token'])
  draft.layerOutput('classTokenMask', writeClassTokenRow(draft, `mask.${layer}`), ['batch', h, n], ['batch', 'head', 'token'])
  return output
}

/** The layer's uniforms: [batch, head, token, token] where an image of the batch is sampled, else a zero, so that a run without samples pays nothing. */
function writeUniform(draft: GraphDraft, sizes: Sizes, layer: number): string {
  const { nodes } = draft
  const anySampled = nodes.op('Greater', [nodes.op('ReduceMax', [SAMPLED_INPUT], { keepdims: int(0) }), nodes.float(0)])
  const drawn = `uniform.${layer}`
  const none = `no_uniform.${layer}`
  const output = nodes.fresh('uniform')
  const draw = counterUniformNode(SEED_INPUT, drawn, layer, sizes.heads, sizes.tokens)
  const zero = { name: '', type: 'float', shape: [1, 1, 1, 1], data: new Float32Array(1) } as const
  const graph = (name: string, node: typeof draw, value: string) =>
    ({ kind: 'graph', value: { name, nodes: [node], initializers: [], inputs: [], outputs: [{ name: value, type: 'float', axes: ['rows', 'heads', 'tokens', 'keys'] }] } }) as const
  const keep = { type: 'Constant', domain: '', inputs: [], outputs: [none], attributes: { value: { kind: 'tensor', value: zero } } } as const
  const attributes = { then_branch: graph(COUNTER_UNIFORM, draw, drawn), else_branch: graph('none', keep, none) }
  nodes.call({ type: 'If', domain: '', inputs: [anySampled], outputs: [output], attributes })
  return output
}

function scoresName(sizes: Sizes, layer: number): string | undefined {
  return layer === sizes.lastLayer ? 'scores' : undefined
}
