/** Vectors in, the same with mean 0 and variance 1 over the last axis, scaled and shifted, out. Source: Ba, Kiros and Hinton, arXiv:1607.06450, equation 4. */
import * as tf from '@tensorflow/tfjs'

/**
 * (x - mean) / sqrt(variance + epsilon) * weight + bias over the last axis; the variance divides by the width.
 *
 * x        [..., width]
 * weight   [width]
 * bias     [width]
 * returns  [..., width]
 */
export function layerNorm(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, epsilon: number): tf.Tensor {
  const centered = tf.sub(x, tf.mean(x, -1, true))
  const variance = tf.mean(tf.square(centered), -1, true) // [..., 1]
  return tf.add(tf.mul(tf.mul(centered, tf.rsqrt(tf.add(variance, epsilon))), weight), bias)
}
