/** Pixels and weights in, logits out: the one road of all three networks, structure by structure. */
import * as tf from '@tensorflow/tfjs'
import { Problem } from '../src/domain/problem.ts'
import { dcmmAttention } from './dcmm-vit/dcmm-attention.ts'
import { block } from './layers/block.ts'
import type { DropPath } from './layers/drop-path.ts'
import { patchEmbedding } from './layers/patch-embedding.ts'
import type { Primitives } from './layers/primitives.ts'
import { type RecordStage, type StageTap, stageRecorder } from './layers/stages.ts'
import { classTokenOf, tokenSequence } from './layers/tokens.ts'
import { type WeightOf, weightsUnder } from './layers/weight-of.ts'
import type { NetworkConfig } from './network-config.ts'
import type { SbmMask } from './sbm-vit/mask-mode.ts'
import { sbmAttention } from './sbm-vit/sbm-attention.ts'
import { vitAttention } from './vit/vit-attention.ts'

export interface ForwardOptions {
  readonly primitives: Primitives
  /** 'removed': no bias, every edge; the same weights as a plain ViT. Default 'as-trained'. */
  readonly structure?: 'as-trained' | 'removed'
  /** SBM only; default 'expected'. */
  readonly mask?: SbmMask
  /** Training only. */
  readonly dropPath?: DropPath
  /** Keeps every stage, and writes the attention out for it. */
  readonly capture?: boolean
  /** Changes a stage on its way, and writes the attention out for it. */
  readonly tap?: StageTap
}

export interface ForwardResult {
  /** [batch, class] */
  readonly logits: tf.Tensor2D
  /** What the structure adds to the loss: entropyWeight x the sum over DCMM layers, or densityWeight x the mean over SBM layers. */
  readonly regularization: tf.Scalar
  /** Of each DCMM layer by its index, [batch, head, token, community]; what holds for `stages` holds for them. */
  readonly memberships: ReadonlyMap<number, tf.Tensor4D>
  /**
   * With `capture`: tokens, layer<i>.{scores, attention, tokens, …}, embedding, by the names of test/golden. A tf.tidy around the whole
   * call disposes them, since it does not look into a Map: read them inside.
   */
  readonly stages: ReadonlyMap<string, tf.Tensor>
}

/** What a layer's attention leaves beside its output. */
interface LayerLosses {
  readonly entropies: tf.Scalar[]
  readonly densities: tf.Scalar[]
  readonly memberships: Map<number, tf.Tensor4D>
}

/**
 * Logits of a batch.
 *
 * weights  timm's names, see weight-shapes.ts
 * pixels   [batch, channel, height, width], normalized
 *
 * Throws: "shape-mismatch" for other pixels than the configuration's, "checkpoint-invalid" where a weight is missing.
 */
export function forward(config: NetworkConfig, weights: ReadonlyMap<string, tf.Tensor>, pixels: tf.Tensor4D, options: ForwardOptions): ForwardResult {
  checkPixels(config, pixels)
  const { primitives } = options
  const weight = weightsUnder(weights)
  const stages = new Map<string, tf.Tensor>()
  const writtenOut = options.capture === true || options.tap !== undefined
  const recorder = (prefix: string): RecordStage => stageRecorder(stages, options.tap, prefix)
  const see = recorder('')
  const losses: LayerLosses = { entropies: [], densities: [], memberships: new Map() }

  const patches = patchEmbedding(pixels, config.patchSize, config.patchOverlap, weightsUnder(weights, 'patch_embed.'), primitives)
  let x = see('tokens', tokenSequence(patches, weight)) // [batch, token, width]
  for (let layer = 0; layer < config.depth; layer++) {
    const record = writtenOut ? recorder(`layer${layer}.`) : null
    const attend = (qkv: tf.Tensor3D, attentionWeight: WeightOf): tf.Tensor3D => attendLayer(qkv, layer, config, options, attentionWeight, record, losses)
    x = block(x, { layer, depth: config.depth, layerNormEps: config.layerNormEps, primitives, dropPath: options.dropPath, weights, attend })
    x = record === null ? x : record('tokens', x)
  }
  const embedding = see('embedding', primitives.layerNorm(classTokenOf(x), weight('norm.weight'), weight('norm.bias'), config.layerNormEps)) // [batch, width]
  const logits = primitives.linear(embedding, weight('head.weight'), weight('head.bias')) as tf.Tensor2D // [batch, class]
  return { logits, regularization: regularizationOf(config, losses), memberships: losses.memberships, stages: options.capture === true ? stages : new Map() }
}

/** The attention of one layer: the structure where the layer carries it and it is not removed, plain attention elsewhere. */
function attendLayer(
  qkv: tf.Tensor3D,
  layer: number,
  config: NetworkConfig,
  options: ForwardOptions,
  weight: WeightOf,
  record: RecordStage | null,
  losses: LayerLosses,
): tf.Tensor3D {
  const { heads, dcmm, sbm, structuredLayers } = config
  const { primitives, structure = 'as-trained', mask = { mode: 'expected' } } = options
  const structured = structure === 'as-trained' && structuredLayers.includes(layer)
  if (structured && dcmm !== null) {
    const { attended, entropy, membership } = dcmmAttention(qkv, heads, dcmm, weight, primitives, record)
    losses.entropies.push(entropy)
    losses.memberships.set(layer, membership)
    return attended
  }
  if (structured && sbm !== null) {
    const { attended, density } = sbmAttention(qkv, { heads, layer, structuredLayers: structuredLayers.length, options: sbm, mask }, weight, primitives, record)
    losses.densities.push(density)
    return attended
  }
  return vitAttention(qkv, heads, primitives, record)
}

function regularizationOf(config: NetworkConfig, { entropies, densities }: LayerLosses): tf.Scalar {
  if (entropies.length > 0) return tf.mul(tf.addN(entropies), config.dcmm?.entropyWeight ?? 0)
  if (densities.length > 0) return tf.mul(tf.addN(densities), (config.sbm?.densityWeight ?? 0) / densities.length)
  return tf.scalar(0)
}

function checkPixels(config: NetworkConfig, pixels: tf.Tensor4D): void {
  const [batch, ...actual] = pixels.shape
  const expected = [config.channels, config.imageSize, config.imageSize]
  if (expected.some((axis, i) => axis !== actual[i])) {
    throw new Problem('shape-mismatch', 'the pixels do not fit the network', { expected: [batch, ...expected], actual: pixels.shape })
  }
}
