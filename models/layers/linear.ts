/** Vectors in, their affine image out. */
import * as tf from '@tensorflow/tfjs'

/**
 * x W' + b over the last axis.
 *
 * x        [..., in]
 * weight   [out, in], the layout of PyTorch and timm
 * bias     [out]
 * returns  [..., out]
 */
export function linear(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor): tf.Tensor {
  const [outputs = 0, inputs = 0] = weight.shape
  const rows = tf.reshape(x, [-1, inputs]) as tf.Tensor2D // [row, in]
  const image = tf.add(tf.matMul(rows, weight as tf.Tensor2D, false, true), bias) // [row, out]
  return tf.reshape(image, [...x.shape.slice(0, -1), outputs])
}
