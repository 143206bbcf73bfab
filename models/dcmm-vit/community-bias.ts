/**
 * Memberships, block matrix and degrees in, the bias on attention scores out.
 *
 * Source: degree-corrected mixed-membership model, arXiv:1708.07852 section 1, as used by DCMM-Transformer, arXiv:2511.12047; the outer
 * tanh is in the authors' released code and not in their figure.
 */
import * as tf from '@tensorflow/tfjs'
import { batchOutermost, headsOutermost } from '../layers/heads.ts'
import type { DcmmCore } from '../layers/primitives.ts'

/**
 * lambda P, P_ij = theta_i theta_j bound(pi_i' B pi_j): an affinity, no probability (theta is unbounded).
 *
 * returns  [batch, head, token, token]
 */
export function communityBias(core: DcmmCore): tf.Tensor4D {
  const [batch, heads, tokens] = core.degree.shape
  const affinity = communityAffinity(core.membership, core.block)
  const bounded = core.bounded === 'tanh' ? tf.tanh(affinity) : affinity
  const degreeOfQuery = tf.reshape(core.degree, [batch, heads, tokens, 1])
  const degreeOfKey = tf.reshape(core.degree, [batch, heads, 1, tokens])
  const modulation = tf.mul(tf.mul(bounded, degreeOfQuery), degreeOfKey) // P, [batch, head, token, token]
  return tf.mul(modulation, core.biasScale)
}

/**
 * T = pi B pi', a convex average of B's entries, so in (0, 1).
 *
 * membership  [batch, head, token, community]
 * block       [head, community, community], not symmetric: pi_i is on the left
 * returns     [batch, head, token, token]
 */
export function communityAffinity(membership: tf.Tensor4D, block: tf.Tensor3D): tf.Tensor4D {
  const [batch] = membership.shape
  // Head outermost, so that B multiplies without being copied for each image.
  const blockOfQuery = tf.matMul<tf.Tensor3D>(headsOutermost(membership), block) // [head, batch x token, community]
  return tf.matMul(batchOutermost(blockOfQuery, batch), membership, false, true)
}
