/** Scores and a 0/1 mask in, attention over the edges that exist out. */
import * as tf from '@tensorflow/tfjs'

/** Below any score, and finite: -Infinity times 0 would be NaN. */
const NO_EDGE = -1e30

/**
 * softmax(scores) * A, rows renormalized, as one softmax over the kept keys; a row without edges stays 0.
 *
 * The maximum is taken over kept keys alone: p * A / sum loses its digits when all kept p are tiny.
 * Gradients, G = dL/da: a (G - sum a G) to the scores, and the same to A on its edges (p / s = a there), 0 elsewhere, where
 * the straight-through estimator takes nothing anyway.
 *
 * scores   [batch, head, token, token]
 * mask     A, [batch, head, token, token]
 * returns  [batch, head, token, token], rows sum to 1 or are 0
 */
export function maskedSoftmax(scores: tf.Tensor4D, mask: tf.Tensor4D): tf.Tensor4D {
  const op = tf.customGrad((givenScores, givenMask, save) => {
    const attention = softmaxOverEdges(givenScores as tf.Tensor4D, givenMask as tf.Tensor4D)
    ;(save as tf.GradSaveFunc)([attention])
    return {
      value: attention,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const weights = saved[0] as tf.Tensor
        const gradient = tf.mul(weights, tf.sub(dy, tf.sum(tf.mul(weights, dy), -1, true)))
        return [gradient, tf.clone(gradient)]
      },
    }
  })
  return op(scores, mask) as tf.Tensor4D
}

function softmaxOverEdges(scores: tf.Tensor4D, mask: tf.Tensor4D): tf.Tensor4D {
  const kept = tf.add(tf.mul(scores, mask), tf.mul(tf.sub(1, mask), NO_EDGE))
  const weights = tf.mul(tf.exp(tf.sub(kept, tf.max(kept, -1, true))), mask)
  return tf.div(weights, tf.maximum(tf.sum(weights, -1, true), 1e-12))
}
