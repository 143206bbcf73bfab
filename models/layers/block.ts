/** Tokens in, tokens after one pre-norm transformer layer out. Source: arXiv:2010.11929, equations 2 and 3. */
import * as tf from '@tensorflow/tfjs'
import { type DropPath, dropPath } from './drop-path.ts'
import { mlp } from './mlp.ts'
import type { Primitives } from './primitives.ts'
import { type WeightOf, weightsUnder } from './weight-of.ts'

export interface Block {
  readonly layer: number
  readonly depth: number
  readonly layerNormEps: number
  readonly primitives: Primitives
  readonly dropPath: DropPath | undefined
  /** All weights of the network. */
  readonly weights: ReadonlyMap<string, tf.Tensor>
  /** qkv [batch, token, 3 width], the layer's `attn.` weights; returns [batch, token, width], before the output projection. */
  readonly attend: (qkv: tf.Tensor3D, weight: WeightOf) => tf.Tensor3D
}

/** x += proj(attend(qkv(norm(x)))); x += mlp(norm(x)). x [batch, token, width]; returns the same shape. */
export function block(x: tf.Tensor3D, block: Block): tf.Tensor3D {
  const { layer, depth, layerNormEps, primitives, weights } = block
  const weight = weightsUnder(weights, `blocks.${layer}.`)
  const attentionWeight = weightsUnder(weights, `blocks.${layer}.attn.`)
  const norm = (input: tf.Tensor3D, name: string): tf.Tensor3D => primitives.layerNorm(input, weight(`${name}.weight`), weight(`${name}.bias`), layerNormEps) as tf.Tensor3D

  const qkv = primitives.linear(norm(x, 'norm1'), attentionWeight('qkv.weight'), attentionWeight('qkv.bias')) as tf.Tensor3D // [batch, token, 3 width]
  const attended = block.attend(qkv, attentionWeight)
  const projected = primitives.linear(attended, attentionWeight('proj.weight'), attentionWeight('proj.bias')) as tf.Tensor3D
  const afterAttention = tf.add<tf.Tensor3D>(x, dropPath(projected, block.dropPath, layer, depth, 0))

  const mixed = mlp(norm(afterAttention, 'norm2'), weightsUnder(weights, `blocks.${layer}.mlp.`), primitives)
  return tf.add(afterAttention, dropPath(mixed, block.dropPath, layer, depth, 1))
}
