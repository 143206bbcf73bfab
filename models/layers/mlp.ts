/** Tokens in, each sent through two affine layers with a GELU between out. Source: Dosovitskiy et al., arXiv:2010.11929, section 3.1. */
import type * as tf from '@tensorflow/tfjs'
import type { Primitives } from './primitives.ts'
import type { WeightOf } from './weight-of.ts'

/** x [batch, token, width]; returns [batch, token, width]. Weights: fc1 [hidden, width], fc2 [width, hidden]. */
export function mlp(x: tf.Tensor3D, weight: WeightOf, primitives: Primitives): tf.Tensor3D {
  const hidden = primitives.linear(x, weight('fc1.weight'), weight('fc1.bias')) // [batch, token, hidden]
  return primitives.linear(primitives.gelu(hidden), weight('fc2.weight'), weight('fc2.bias')) as tf.Tensor3D
}
