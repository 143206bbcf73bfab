/** Queries, keys and values in, what each token gathers out. Source: Vaswani et al., arXiv:1706.03762, equation 1. */
import * as tf from '@tensorflow/tfjs'
import type { HeadTensors } from './heads.ts'
import { joinHeads } from './heads.ts'
import type { RecordStage } from './stages.ts'

/** q k' / sqrt(headWidth), before any structure and before the softmax: [batch, head, token, token]. */
export function attentionScores({ query, key }: HeadTensors): tf.Tensor4D {
  const [, , , headWidth] = query.shape
  return tf.mul(tf.matMul(query, key, false, true), 1 / Math.sqrt(headWidth))
}

/**
 * Values gathered by the attention, heads joined.
 *
 * attention  [batch, head, token, token]
 * value      [batch, head, token, headWidth]
 * returns    [batch, token, width]
 */
export function gather(attention: tf.Tensor4D, value: tf.Tensor4D): tf.Tensor3D {
  return joinHeads(tf.matMul(attention, value))
}

/**
 * Softmax attention with a bias on its scores.
 *
 * bias     [batch, head, token, token], null for none
 * returns  [batch, token, width]; stages scores, attention
 */
export function biasedAttention(heads: HeadTensors, bias: tf.Tensor4D | null, record: RecordStage): tf.Tensor3D {
  const scores = record('scores', attentionScores(heads))
  const biased = bias === null ? scores : tf.add<tf.Tensor4D>(scores, bias)
  const attention = record('attention', tf.softmax(biased, -1)) // rows sum to 1
  return gather(attention, heads.value)
}
