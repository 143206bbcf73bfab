/** Free parameters in, the affinity between communities out. Source: arXiv:2511.12047, as in the authors' released code. */
import * as tf from '@tensorflow/tfjs'

/**
 * B = sigmoid(beta), or its symmetric part.
 *
 * logits   beta, [head, community, community], the same for every image
 * returns  [head, community, community], each in (0, 1)
 */
export function blockMatrix(logits: tf.Tensor3D, symmetric: boolean): tf.Tensor3D {
  const block = tf.sigmoid(logits)
  return symmetric ? tf.mul(tf.add(block, tf.transpose(block, [0, 2, 1])), 0.5) : block
}
