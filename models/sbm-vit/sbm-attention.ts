/**
 * Queries, keys and values in, attention over the edges of a sampled or expected token graph out.
 *
 * Source: SBM-Transformer, arXiv:2210.15541, the dense path of the authors' released code (github sc782/SBM-Transformer), compared by formula.
 */
import * as tf from '@tensorflow/tfjs'
import { mixKey } from '../../src/tensor/counter-random.ts'
import { attentionScores, biasedAttention, gather } from '../layers/attention.ts'
import { type HeadTensors, splitHeads } from '../layers/heads.ts'
import type { Primitives, SbmCore } from '../layers/primitives.ts'
import { type RecordStage, recordNothing } from '../layers/stages.ts'
import type { WeightOf } from '../layers/weight-of.ts'
import type { SbmOptions } from '../network-config.ts'
import { affinity, edgeProbability, queryAffinity } from './affinity.ts'
import { drawMask, seedsOf } from './draw-mask.ts'
import { forcedEdges, freeEdgeCount } from './forced-edges.ts'
import { loading } from './loading.ts'
import type { HardMask, SbmMask } from './mask-mode.ts'
import { maskedSoftmax } from './masked-softmax.ts'
import { straightThrough } from './straight-through.ts'

/** Keeps the logarithm of a mean mask finite; with a positive delta it is never met. */
const LEAST_MEAN_MASK = 1e-9

export interface SbmAttention {
  readonly heads: number
  readonly layer: number
  /** How many layers the density is averaged over. */
  readonly structuredLayers: number
  readonly options: SbmOptions
  readonly mask: SbmMask
}

export interface SbmResult {
  /** [batch, token, width] */
  readonly attended: tf.Tensor3D
  /** This layer's share of edges among those that are not forced; in expected mode their mean probability. */
  readonly density: tf.Scalar
}

/**
 * Attention of one SBM layer; fused where the masks are sampled, the primitives can, and no stage is asked for.
 *
 * qkv     [batch, token, 3 width]
 * weight  the layer's `attn.` weights
 * stages  queryLoading, keyLoading, affinity, edgeProbability, mask, bias (expected mode), scores, attention
 */
export function sbmAttention(qkv: tf.Tensor3D, attention: SbmAttention, weight: WeightOf, primitives: Primitives, record: RecordStage | null): SbmResult {
  const parts = splitHeads(qkv, attention.heads)
  const see = record ?? recordNothing
  const queryLoading = see('queryLoading', loading(parts.query, weight, primitives))
  const keyLoading = see('keyLoading', loading(parts.key, weight, primitives))
  const queryAffinities = queryAffinity(queryLoading, see('affinity', affinity(weight('cluster') as tf.Tensor3D)))

  const { mask } = attention
  const sampled = mask.mode === 'train-sample' || mask.mode === 'sample'
  if (record === null && sampled && primitives.sbmAttention !== undefined) {
    const seeds = seedsOf(mask, qkv.shape[0])
    return primitives.sbmAttention(qkv, attention.heads, sbmCore(queryAffinities, keyLoading, attention, seeds))
  }
  const probability = see('edgeProbability', edgeProbability(queryAffinities, keyLoading))
  return mask.mode === 'expected' ? meanFieldAttention(parts, probability, attention.options, see) : maskedAttention(parts, probability, attention, mask, see)
}

/** Weights p * Pbar, renormalized, which is softmax(scores + ln Pbar). */
function meanFieldAttention(parts: HeadTensors, probability: tf.Tensor4D, options: SbmOptions, record: RecordStage): SbmResult {
  const meanMask = tf.clipByValue(tf.add(probability, options.delta), 0, 1) as tf.Tensor4D
  const { forced, density } = withForcedEdges(meanMask, options)
  const used = record('mask', forced)
  const bias = record('bias', tf.log(tf.maximum(used, LEAST_MEAN_MASK)) as tf.Tensor4D)
  return { attended: biasedAttention(parts, bias, record), density }
}

function maskedAttention(parts: HeadTensors, probability: tf.Tensor4D, attention: SbmAttention, mask: HardMask, record: RecordStage): SbmResult {
  const { options, layer } = attention
  const drawn = straightThrough(probability, options.straightThroughClip, (p) => drawMask(p, mask, layer, options.delta))
  const { forced, density } = withForcedEdges(drawn, options)
  const used = record('mask', forced)
  const scores = record('scores', attentionScores(parts))
  const weights = record('attention', maskedSoftmax(scores, used))
  return { attended: gather(weights, parts.value), density }
}

/** F + (1 - F) A, and the mean of A where F is 0; a forced entry passes no gradient to A. */
function withForcedEdges(mask: tf.Tensor4D, options: SbmOptions): { forced: tf.Tensor4D; density: tf.Scalar } {
  const [batch, heads, tokens] = mask.shape
  const always = forcedEdges(tokens, options)
  const free = tf.mul(mask, tf.sub(1, always)) // [batch, head, token, token]
  const count = batch * heads * freeEdgeCount(tokens, options)
  return { forced: tf.add(free, always), density: tf.div(tf.sum(free), Math.max(count, 1)) }
}

function sbmCore(queryAffinities: tf.Tensor4D, keyLoading: tf.Tensor4D, attention: SbmAttention, seeds: readonly number[]): SbmCore {
  const { options, heads, layer } = attention
  const [batch, , tokens] = keyLoading.shape
  const free = Math.max(batch * heads * freeEdgeCount(tokens, options), 1)
  return {
    queryAffinity: queryAffinities,
    keyLoading,
    keys: seeds.map((seed) => mixKey(seed, layer)),
    delta: options.delta,
    clip: options.straightThroughClip,
    densityGradient: options.densityWeight / (attention.structuredLayers * free),
    classTokenAlwaysOn: options.classTokenAlwaysOn,
    selfLoop: options.selfLoop,
  }
}
