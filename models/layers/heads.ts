/** The joint projection of queries, keys and values in, one tensor for each and each head out; and the heads joined again. */
import * as tf from '@tensorflow/tfjs'

/** Each [batch, head, token, headWidth]. */
export interface HeadTensors {
  readonly query: tf.Tensor4D
  readonly key: tf.Tensor4D
  readonly value: tf.Tensor4D
}

/**
 * Queries, keys and values by head.
 *
 * qkv  [batch, token, 3 width], the last axis in timm's order: q, k, v, and the heads inside each
 */
export function splitHeads(qkv: tf.Tensor3D, heads: number): HeadTensors {
  const [batch, tokens, threeWidth] = qkv.shape
  const headWidth = threeWidth / (3 * heads)
  const parts = tf.reshape(qkv, [batch, tokens, 3, heads, headWidth]) // [batch, token, q|k|v, head, headWidth]
  const byPart = tf.transpose(parts, [2, 0, 3, 1, 4]) // [q|k|v, batch, head, token, headWidth]
  const [query, key, value] = tf.unstack(byPart, 0) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D]
  return { query, key, value }
}

/** Queries alone, for what is made from them beside a fused attention: qkv [batch, token, 3 width]; returns [batch, head, token, headWidth]. */
export function queriesOf(qkv: tf.Tensor3D, heads: number): tf.Tensor4D {
  const [batch, tokens, threeWidth] = qkv.shape
  const width = threeWidth / 3
  const query = tf.slice(qkv, [0, 0, 0], [batch, tokens, width])
  const byHead = tf.reshape(query, [batch, tokens, heads, width / heads]) // [batch, token, head, headWidth]
  return tf.transpose<tf.Tensor4D>(byHead as tf.Tensor4D, [0, 2, 1, 3])
}

/** x [batch, head, token, headWidth]; returns [batch, token, width], heads side by side. */
export function joinHeads(x: tf.Tensor4D): tf.Tensor3D {
  const [batch, heads, tokens, headWidth] = x.shape
  const byToken = tf.transpose(x, [0, 2, 1, 3]) // [batch, token, head, headWidth]
  return tf.reshape(byToken, [batch, tokens, heads * headWidth])
}

/** The heads moved outside the batch, so that a matrix of each head multiplies all its rows: [batch, head, token, n] becomes [head, batch x token, n]. */
export function headsOutermost(x: tf.Tensor4D): tf.Tensor3D {
  const [batch, heads, tokens, size] = x.shape
  return tf.reshape(tf.transpose(x, [1, 0, 2, 3]), [heads, batch * tokens, size])
}

/** The inverse of `headsOutermost`: [head, batch x token, n] becomes [batch, head, token, n]. */
export function batchOutermost(x: tf.Tensor3D, batch: number): tf.Tensor4D {
  const [heads, rows, size] = x.shape
  const split = tf.reshape(x, [heads, batch, rows / batch, size]) // [head, batch, token, n]
  return tf.transpose<tf.Tensor4D>(split as tf.Tensor4D, [1, 0, 2, 3])
}
