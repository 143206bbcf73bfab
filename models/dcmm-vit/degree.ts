/** Queries in, one degree for each token out. Source: arXiv:2511.12047; relu as in the authors' released code, sigmoid as in an earlier variant that its help text remembers. */
import * as tf from '@tensorflow/tfjs'
import type { Primitives } from '../layers/primitives.ts'
import type { WeightOf } from '../layers/weight-of.ts'
import type { DcmmOptions } from '../network-config.ts'

/**
 * theta = activation(q wt' + bt), never negative; under relu a share of it is exactly 0 and passes no gradient.
 *
 * query    [batch, head, token, headWidth], not scaled
 * returns  [batch, head, token]; 0 for the class token where it is excluded. Weights, shared by the heads: degree.weight [1, headWidth], degree.bias [1]
 */
export function degree(query: tf.Tensor4D, options: DcmmOptions, weight: WeightOf, primitives: Primitives): tf.Tensor3D {
  const [batch, heads, tokens] = query.shape
  const drive = primitives.linear(query, weight('degree.weight'), weight('degree.bias')) // [batch, head, token, 1]
  const theta = tf.reshape(activate(drive, options.thetaActivation), [batch, heads, tokens]) as tf.Tensor3D
  return options.classToken === 'include' ? theta : tf.mul(theta, patchesOnly(tokens))
}

function activate(drive: tf.Tensor, activation: DcmmOptions['thetaActivation']): tf.Tensor {
  switch (activation) {
    case 'relu':
      return tf.relu(drive)
    case 'sigmoid':
      return tf.sigmoid(drive)
    case 'softplus':
      return tf.softplus(drive)
  }
}

/** [token]: 0 for the class token, 1 for each patch. P holds theta_i theta_j, so this zeroes row and column 0 of it. */
function patchesOnly(tokens: number): tf.Tensor1D {
  return tf.concat([tf.zeros([1]), tf.ones([tokens - 1])]) as tf.Tensor1D
}
