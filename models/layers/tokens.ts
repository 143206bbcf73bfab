/** Patch vectors in, the sequence that the layers see out: class token in front, positions added. Source: arXiv:2010.11929, equation 1. */
import * as tf from '@tensorflow/tfjs'
import type { WeightOf } from './weight-of.ts'

/**
 * The token sequence.
 *
 * patches  [batch, patch, width]
 * returns  [batch, token, width], class token at index 0. Weights: cls_token [1, 1, width], pos_embed [1, token, width]
 */
export function tokenSequence(patches: tf.Tensor3D, weight: WeightOf): tf.Tensor3D {
  const [batch, , width] = patches.shape
  // Ones times the token, not tf.tile: the gradient is then one sum over the batch.
  const classTokens = tf.mul<tf.Tensor3D>(tf.ones([batch, 1, width]), weight('cls_token')) // [batch, 1, width]
  return tf.add(tf.concat([classTokens, patches], 1), weight('pos_embed'))
}

/** The class token's vector: x [batch, token, width]; returns [batch, width]. */
export function classTokenOf(x: tf.Tensor3D): tf.Tensor2D {
  const [batch, , width] = x.shape
  return tf.reshape(tf.slice(x, [0, 0, 0], [batch, 1, width]), [batch, width])
}
