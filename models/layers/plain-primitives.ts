/** The primitives in TF.js' own operations: the reference for every fused one, and the way on backends that have none. */
import type * as tf from '@tensorflow/tfjs'
import { communityBias } from '../dcmm-vit/community-bias.ts'
import { biasedAttention } from './attention.ts'
import { gelu } from './gelu.ts'
import { splitHeads } from './heads.ts'
import { layerNorm } from './layer-norm.ts'
import { linear } from './linear.ts'
import type { DcmmCore, Primitives } from './primitives.ts'
import { recordNothing } from './stages.ts'

export const plainPrimitives: Primitives = {
  linear,
  layerNorm,
  gelu,
  attention: (qkv: tf.Tensor3D, heads: number): tf.Tensor3D => biasedAttention(splitHeads(qkv, heads), null, recordNothing),
  dcmmAttention: (qkv: tf.Tensor3D, heads: number, core: DcmmCore): tf.Tensor3D => biasedAttention(splitHeads(qkv, heads), communityBias(core), recordNothing),
}
