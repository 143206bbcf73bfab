/** The fused SBM primitive in TF.js' own operations, straight from its contract in primitives.ts: what a backend's kernel is compared with. */
import * as tf from '@tensorflow/tfjs'
import { attentionScores, gather } from '../../../models/layers/attention.ts'
import { splitHeads } from '../../../models/layers/heads.ts'
import type { SbmAttended, SbmCore } from '../../../models/layers/primitives.ts'
import { forcedEdges } from '../../../models/sbm-vit/forced-edges.ts'
import { maskedSoftmax } from '../../../models/sbm-vit/masked-softmax.ts'
import { straightThrough } from '../../../models/sbm-vit/straight-through.ts'
import { uniformAt } from '../../../src/tensor/counter-random.ts'

export function plainSbmAttention(qkv: tf.Tensor3D, heads: number, core: SbmCore): SbmAttended {
  const [batch, tokens] = qkv.shape
  const parts = splitHeads(qkv, heads)
  const probability = tf.matMul<tf.Tensor4D>(core.queryAffinity, core.keyLoading, false, true)
  const forced = forcedEdges(tokens, core)
  const freeEdges = (): tf.Tensor => tf.sub(1, forcedEdges(tokens, core)) // made anew on the way back: only saved tensors live until then
  const free = freeEdges()
  const drawn = straightThrough(probability, core.clip, (p) => drawByKeys(p, core))
  const withDensity = withGradient(drawn, (dy) => tf.add(dy, tf.mul(freeEdges(), core.densityGradient)))
  const mask = tf.add<tf.Tensor4D>(tf.mul(withDensity, free), forced)
  const edges = tf.sum(tf.mul(withGradient(drawn, tf.zerosLike), free))
  return { attended: gather(maskedSoftmax(attentionScores(parts), mask), parts.value), density: tf.div(edges, tf.mul(tf.sum(free), batch * heads)) }
}

function drawByKeys(probability: tf.Tensor4D, { keys, delta }: SbmCore): tf.Tensor4D {
  const [, heads, tokens] = probability.shape
  const uniforms = keys.flatMap((key) => Array.from({ length: heads * tokens * tokens }, (_, counter) => uniformAt(key, counter)))
  return tf.cast(tf.less(tf.tensor4d(uniforms, probability.shape), tf.clipByValue(tf.add(probability, delta), 0, 1)), 'float32')
}

/** x itself, its gradient changed on the way back. */
function withGradient(x: tf.Tensor4D, change: (dy: tf.Tensor) => tf.Tensor): tf.Tensor4D {
  return tf.customGrad((input) => ({ value: tf.clone(input as tf.Tensor), gradFunc: (dy: tf.Tensor) => change(dy) }))(x) as tf.Tensor4D
}
