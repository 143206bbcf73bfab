/** The primitives on the kernels of wasm-kernels.ts, each with its hand-written derivative. The plain twin is layers/plain-primitives.ts. */
import * as tf from '@tensorflow/tfjs'
import type { DcmmCore, Primitives, SbmAttended, SbmCore } from '../layers/primitives.ts'
import { freeEdgeCount } from '../sbm-vit/forced-edges.ts'
import { FUSED } from './wasm-kernels.ts'

type Gradients = tf.Tensor | tf.Tensor[]

/** Runs a registered kernel that has one output. */
function runOne(kernel: string, inputs: Readonly<Record<string, tf.Tensor>>, attributes: Readonly<Record<string, number | boolean | number[]>> = {}): tf.Tensor {
  return tf.engine().runKernel(kernel, inputs, attributes) as tf.Tensor
}

function runMany(kernel: string, inputs: Readonly<Record<string, tf.Tensor>>, attributes: Readonly<Record<string, number | boolean | number[]>> = {}): tf.Tensor[] {
  return tf.engine().runKernel(kernel, inputs, attributes) as tf.Tensor[]
}

/**
 * A differentiable operation: TF.js hands `forward` the inputs and a `save`, and `backward` the output's gradient and what was saved.
 *
 * The library's own type wants every argument as `...args`, which loses the tensors' names; this is the one place that crosses it.
 */
function differentiable(
  inputs: readonly tf.Tensor[],
  forward: (save: (tensors: tf.Tensor[]) => void) => tf.Tensor,
  backward: (dy: tf.Tensor, saved: tf.Tensor[]) => Gradients,
): tf.Tensor {
  const operation = tf.customGrad((...args) => {
    const save = args.at(-1) as unknown as (tensors: tf.Tensor[]) => void
    return { value: forward(save), gradFunc: (dy, saved) => backward(dy, saved) }
  })
  return operation(...inputs)
}

function linear(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor): tf.Tensor {
  const [outputs, inputs] = weight.shape as [number, number]
  const rows = tf.reshape(x, [-1, inputs]) // [row, in]
  const y = differentiable(
    [rows, weight, bias],
    (save) => {
      save([rows, weight])
      return runOne(FUSED.linear, { x: rows, weight, bias })
    },
    (dy, [x, weight]) => runMany(FUSED.linearGradient, { dy, x: x!, weight: weight! }),
  ) // [row, out]
  return tf.reshape(y, [...x.shape.slice(0, -1), outputs])
}

function layerNorm(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, epsilon: number): tf.Tensor {
  return differentiable(
    [x, weight, bias],
    (save) => {
      const [y, standard, inverse] = runMany(FUSED.layerNorm, { x, weight, bias }, { epsilon })
      save([standard!, inverse!, weight])
      return y!
    },
    (dy, [standard, inverse, weight]) => runMany(FUSED.layerNormGradient, { dy, standard: standard!, inverse: inverse!, weight: weight! }),
  )
}

function gelu(x: tf.Tensor): tf.Tensor {
  return differentiable(
    [x],
    (save) => {
      save([x])
      return runOne(FUSED.gelu, { x })
    },
    (dy, [x]) => runOne(FUSED.geluGradient, { x: x!, dy }),
  )
}

function attention(qkv: tf.Tensor3D, heads: number): tf.Tensor3D {
  return differentiable(
    [qkv],
    (save) => {
      const [out, weights] = runMany(FUSED.attention, { qkv }, { heads })
      save([qkv, weights!])
      return out!
    },
    (dy, [qkv, weights]) => runOne(FUSED.attentionGradient, { qkv: qkv!, weights: weights!, dy }, { heads }),
  ) as tf.Tensor3D
}

function dcmmAttention(qkv: tf.Tensor3D, heads: number, core: DcmmCore): tf.Tensor3D {
  const { membership, block, degree, biasScale } = core
  const attributes = { heads, bounded: core.bounded === 'tanh' }
  const inputs = { qkv, membership, block, degree, biasScale }
  return differentiable(
    Object.values(inputs),
    (save) => {
      const [out, weights, affinity] = runMany(FUSED.dcmmAttention, inputs, attributes)
      save([...Object.values(inputs), weights!, affinity!])
      return out!
    },
    (dy, [qkv, membership, block, degree, biasScale, weights, affinity]) =>
      runMany(
        FUSED.dcmmAttentionGradient,
        { qkv: qkv!, membership: membership!, block: block!, degree: degree!, biasScale: biasScale!, weights: weights!, affinity: affinity!, dy },
        attributes,
      ),
  ) as tf.Tensor3D
}

function sbmAttention(qkv: tf.Tensor3D, heads: number, core: SbmCore): SbmAttended {
  const { queryAffinity, keyLoading, keys, delta, clip, densityGradient, classTokenAlwaysOn, selfLoop } = core
  const attributes = { heads, keys: [...keys], delta, clip, densityGradient, classTokenAlwaysOn, selfLoop }
  let edges = 0
  const attended = differentiable(
    [qkv, queryAffinity, keyLoading],
    (save) => {
      const [out, weights, count] = runMany(FUSED.sbmAttention, { qkv, queryAffinity, keyLoading }, attributes)
      edges = count!.dataSync()[0]!
      save([qkv, queryAffinity, keyLoading, weights!])
      return out!
    },
    (dy, [qkv, queryAffinity, keyLoading, weights]) =>
      runMany(FUSED.sbmAttentionGradient, { qkv: qkv!, queryAffinity: queryAffinity!, keyLoading: keyLoading!, weights: weights!, dy }, attributes),
  ) as tf.Tensor3D
  const [batch, tokens] = qkv.shape
  const entries = batch * heads * freeEdgeCount(tokens, core)
  return { attended, density: tf.scalar(edges / Math.max(entries, 1)) }
}

export const fusedPrimitives: Primitives = { linear, layerNorm, gelu, attention, dcmmAttention, sbmAttention }
