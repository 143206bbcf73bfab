/** Queries in, soft community memberships out, with the entropy that the loss presses on. Source: arXiv:2511.12047, as in the authors' released code. */
import * as tf from '@tensorflow/tfjs'
import type { Primitives } from '../layers/primitives.ts'
import type { WeightOf } from '../layers/weight-of.ts'

/** Keeps the logarithm finite (released code). */
const ENTROPY_FLOOR = 1e-8

/**
 * pi = softmax(q Wg' + bg) over communities; q is not scaled by 1 / sqrt(headWidth).
 *
 * query    [batch, head, token, headWidth]
 * returns  [batch, head, token, community], rows sum to 1. Weights, shared by the heads: membership.weight [community, headWidth], membership.bias [community]
 */
export function membership(query: tf.Tensor4D, weight: WeightOf, primitives: Primitives): tf.Tensor4D {
  return tf.softmax(primitives.linear(query, weight('membership.weight'), weight('membership.bias')) as tf.Tensor4D, -1)
}

/** Mean of -sum_k pi ln(pi + 1e-8) over batch, head and token (the class token too), in nats; membership [batch, head, token, community]. */
export function membershipEntropy(memberships: tf.Tensor4D): tf.Scalar {
  const terms = tf.mul(memberships, tf.log(tf.add(memberships, ENTROPY_FLOOR)))
  return tf.neg(tf.mean(tf.sum(terms, -1)))
}
