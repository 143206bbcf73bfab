/** Queries, keys and values in, plain softmax attention out: the ViT's, and every structured network's with its structure removed. */
import type * as tf from '@tensorflow/tfjs'
import { biasedAttention } from '../layers/attention.ts'
import { splitHeads } from '../layers/heads.ts'
import type { Primitives } from '../layers/primitives.ts'
import type { RecordStage } from '../layers/stages.ts'

/**
 * Plain attention, fused unless its stages are asked for.
 *
 * qkv      [batch, token, 3 width]
 * returns  [batch, token, width]; stages scores, attention
 */
export function vitAttention(qkv: tf.Tensor3D, heads: number, primitives: Primitives, record: RecordStage | null): tf.Tensor3D {
  return record === null ? primitives.attention(qkv, heads) : biasedAttention(splitHeads(qkv, heads), null, record)
}
