/**
 * Queries, keys and values in, attention biased by learned communities out: softmax(q k' / sqrt d + lambda P) v.
 *
 * Source: DCMM-Transformer, arXiv:2511.12047, as in the authors' released code (github Shawey94/DCMM-Transformer), compared by formula.
 */
import * as tf from '@tensorflow/tfjs'
import { biasedAttention } from '../layers/attention.ts'
import { queriesOf, splitHeads } from '../layers/heads.ts'
import type { DcmmCore, Primitives } from '../layers/primitives.ts'
import type { RecordStage } from '../layers/stages.ts'
import type { WeightOf } from '../layers/weight-of.ts'
import type { DcmmOptions } from '../network-config.ts'
import { blockMatrix } from './block-matrix.ts'
import { communityBias } from './community-bias.ts'
import { degree } from './degree.ts'
import { membership, membershipEntropy } from './membership.ts'

export interface DcmmAttended {
  /** [batch, token, width] */
  readonly attended: tf.Tensor3D
  /** This layer's membership entropy, in nats. */
  readonly entropy: tf.Scalar
  /** [batch, head, token, community] */
  readonly membership: tf.Tensor4D
}

/**
 * Attention of one DCMM layer, fused unless its stages are asked for.
 *
 * qkv     [batch, token, 3 width]
 * weight  the layer's `attn.` weights
 * stages  membership, degree, block, bias, scores, attention
 */
export function dcmmAttention(qkv: tf.Tensor3D, heads: number, options: DcmmOptions, weight: WeightOf, primitives: Primitives, record: RecordStage | null): DcmmAttended {
  const core = dcmmCore(queriesOf(qkv, heads), options, weight, primitives)
  if (record === null) return { attended: primitives.dcmmAttention(qkv, heads, core), entropy: membershipEntropy(core.membership), membership: core.membership }

  const seen: DcmmCore = { ...core, membership: record('membership', core.membership), degree: record('degree', core.degree), block: record('block', core.block) }
  const bias = record('bias', communityBias(seen))
  return { attended: biasedAttention(splitHeads(qkv, heads), bias, record), entropy: membershipEntropy(seen.membership), membership: seen.membership }
}

/** What the bias is made of; query [batch, head, token, headWidth]. */
export function dcmmCore(query: tf.Tensor4D, options: DcmmOptions, weight: WeightOf, primitives: Primitives): DcmmCore {
  return {
    membership: membership(query, weight, primitives),
    block: blockMatrix(weight('block_logits') as tf.Tensor3D, options.symmetricBlock),
    degree: degree(query, options, weight, primitives),
    biasScale: tf.reshape(weight('bias_scale'), [1]),
    bounded: options.bounded,
  }
}
