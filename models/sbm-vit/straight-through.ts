/** A mask that was drawn, with the gradient that stands in for the drawing. Source: SBM-Transformer, arXiv:2210.15541 section 3.2, as in the authors' released code. */
import * as tf from '@tensorflow/tfjs'

/**
 * The mask, whose gradient to the probabilities is clip(A * dL/dA, -clip, clip): only edges that exist pass it, entry by entry.
 *
 * probability  P, [batch, head, token, token]
 * draw         makes A, 0 or 1, of P; runs outside the tape, where comparisons need no gradient
 * returns      A, [batch, head, token, token]
 */
export function straightThrough(probability: tf.Tensor4D, clip: number, draw: (probability: tf.Tensor4D) => tf.Tensor4D): tf.Tensor4D {
  const op = tf.customGrad((input, save) => {
    const mask = draw(input as tf.Tensor4D)
    ;(save as tf.GradSaveFunc)([mask])
    return {
      value: mask,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.clipByValue(tf.mul(dy, saved[0] as tf.Tensor), -clip, clip),
    }
  })
  return op(probability) as tf.Tensor4D
}
