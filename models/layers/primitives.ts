/** The operations that a network is written in. Plain TF.js ops here; a backend may bring fused ones that give the same numbers. */
import type * as tf from '@tensorflow/tfjs'

export interface DcmmCore {
  /** [batch, head, token, community] */
  readonly membership: tf.Tensor4D
  /** B, [head, community, community], already through the sigmoid and symmetrized where asked. */
  readonly block: tf.Tensor3D
  /** [batch, head, token]; 0 for the class token where it is excluded, which zeroes its row and column of the bias */
  readonly degree: tf.Tensor3D
  /** lambda, [1] */
  readonly biasScale: tf.Tensor1D
  readonly bounded: 'tanh' | 'none'
}

/** What a fused SBM attention draws its masks from, one training step. */
export interface SbmCore {
  /** Y S, [batch, head, token, community] */
  readonly queryAffinity: tf.Tensor4D
  /** Z, [batch, head, token, community] */
  readonly keyLoading: tf.Tensor4D
  /** One key for each image, the layer mixed in: edge (h, i, j) exists where `uniformAt(key, (h * tokens + i) * tokens + j) < clamp(P + delta, 0, 1)`, src/tensor/counter-random.ts. */
  readonly keys: readonly number[]
  readonly delta: number
  /** dL/dP is A * dL/dA clipped to [-clip, clip], entry by entry. */
  readonly clip: number
  /** Added to dL/dA of every entry that is not forced: the density term's share, densityWeight / (layers x batch x head x entries not forced). */
  readonly densityGradient: number
  /** Forced entries of A are 1 and pass no gradient to P: row 0 and column 0. */
  readonly classTokenAlwaysOn: boolean
  /** The diagonal too. */
  readonly selfLoop: boolean
}

export interface SbmAttended {
  /** [batch, token, width], heads joined */
  readonly attended: tf.Tensor3D
  /** Share of edges among the entries that are not forced; carries no gradient, `densityGradient` stands for it. */
  readonly density: tf.Scalar
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
  /** Attention over sampled edges, drawn inside; without it the network is written out. */
  sbmAttention?(qkv: tf.Tensor3D, heads: number, core: SbmCore): SbmAttended
}
