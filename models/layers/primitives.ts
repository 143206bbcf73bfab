/** The operations that a network is written in. Plain TF.js ops here; a backend may bring fused ones that give the same numbers. */
import type * as tf from '@tensorflow/tfjs'

export interface DcmmCore {
  /** [batch, head, token, community] */
  readonly membership: tf.Tensor4D
  /** B, [head, community, community], already through the sigmoid and symmetrized where asked. */
  readonly block: tf.Tensor3D
  /** [batch, head, token] */
  readonly degree: tf.Tensor3D
  /** lambda, [1] */
  readonly biasScale: tf.Tensor1D
  readonly bounded: 'tanh' | 'none'
}

/** Every method: gradients flow to each tensor argument. */
export interface Primitives {
  /** x [..., in], weight [out, in], bias [out]; returns [..., out] */
  linear(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor): tf.Tensor
  /** Over the last axis; x [..., width], weight and bias [width]. */
  layerNorm(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, epsilon: number): tf.Tensor
  /** x Phi(x) with the exact error function. */
  gelu(x: tf.Tensor): tf.Tensor
  /** qkv [batch, token, 3 width] in timm's order (q, k, v; heads inside); returns [batch, token, width], heads joined. */
  attention(qkv: tf.Tensor3D, heads: number): tf.Tensor3D
  /** The same with lambda theta_i theta_j bound(pi_i' B pi_j) added to the scores. */
  dcmmAttention(qkv: tf.Tensor3D, heads: number, core: DcmmCore): tf.Tensor3D
}
