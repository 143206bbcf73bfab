/** Numbers in, each times the standard normal distribution function of itself out. Source: Hendrycks and Gimpel, arXiv:1606.08415, section 2. */
import * as tf from '@tensorflow/tfjs'

/** x Phi(x) = x (1 + erf(x / sqrt 2)) / 2, with the error function and not its tanh approximation. Any shape in, the same out. */
export function gelu(x: tf.Tensor): tf.Tensor {
  const twicePhi = tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2)))
  return tf.mul(tf.mul(x, 0.5), twicePhi)
}
