/** Community embeddings and loadings in, the probability of an edge between any two tokens out. Source: SBM-Transformer, arXiv:2210.15541 section 3.1. */
import * as tf from '@tensorflow/tfjs'
import { batchOutermost, headsOutermost } from '../layers/heads.ts'

/**
 * S: one softmax over all pairs of communities of C C', so that S sums to 1 and is symmetric.
 *
 * cluster  C, [head, community, headWidth]
 * returns  [head, community, community]
 */
export function affinity(cluster: tf.Tensor3D): tf.Tensor3D {
  const [heads, communities] = cluster.shape
  const products = tf.reshape(tf.matMul(cluster, cluster, false, true), [heads, communities * communities])
  return tf.reshape(tf.softmax(products, -1), [heads, communities, communities])
}

/**
 * Y S, the part of an edge's probability that the query brings.
 *
 * queryLoading  [batch, head, token, community]
 * affinities    [head, community, community]
 * returns       [batch, head, token, community]
 */
export function queryAffinity(queryLoading: tf.Tensor4D, affinities: tf.Tensor3D): tf.Tensor4D {
  const [batch] = queryLoading.shape
  return batchOutermost(tf.matMul(headsOutermost(queryLoading), affinities), batch)
}

/** P = Y S Z', in (0, 1) and not symmetric: [batch, head, token, token]. Both arguments [batch, head, token, community]. */
export function edgeProbability(queryAffinities: tf.Tensor4D, keyLoading: tf.Tensor4D): tf.Tensor4D {
  return tf.matMul(queryAffinities, keyLoading, false, true)
}
