/** Queries or keys in, independent weights on each community out. Source: SBM-Transformer, arXiv:2210.15541 section 3.1; compared by formula with github sc782/SBM-Transformer. */
import * as tf from '@tensorflow/tfjs'
import { batchOutermost, headsOutermost } from '../layers/heads.ts'
import type { Primitives } from '../layers/primitives.ts'
import type { WeightOf } from '../layers/weight-of.ts'

/**
 * sigmoid(MLP(x) C'): Y of queries, Z of keys; rows do not sum to 1.
 *
 * x        [batch, head, token, headWidth], not scaled
 * returns  [batch, head, token, community], in (0, 1). Weights: cluster [head, community, headWidth]; cluster_mlp.fc1 and fc2 [headWidth, headWidth], shared by heads, queries and keys
 */
export function loading(x: tf.Tensor4D, weight: WeightOf, primitives: Primitives): tf.Tensor4D {
  const [batch] = x.shape
  const hidden = tf.relu(primitives.linear(x, weight('cluster_mlp.fc1.weight'), weight('cluster_mlp.fc1.bias')))
  const embedded = primitives.linear(hidden, weight('cluster_mlp.fc2.weight'), weight('cluster_mlp.fc2.bias')) as tf.Tensor4D // [batch, head, token, headWidth]
  // Head outermost, so that C multiplies without being copied for each image.
  const logits = tf.matMul<tf.Tensor3D>(headsOutermost(embedded), weight('cluster') as tf.Tensor3D, false, true) // [head, batch x token, community]
  return batchOutermost(tf.sigmoid(logits), batch)
}
