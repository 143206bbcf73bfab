/** Small attentions out of the golden core vectors' generator, as parameters for TF.js and for the float64 reference. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { dcmmAttention } from '../../../models/dcmm-vit/dcmm-attention.ts'
import { plainPrimitives } from '../../../models/layers/plain-primitives.ts'
import { stageRecorder } from '../../../models/layers/stages.ts'
import { weightsUnder } from '../../../models/layers/weight-of.ts'
import type { DcmmOptions, SbmOptions } from '../../../models/network-config.ts'
import type { SbmMask } from '../../../models/sbm-vit/mask-mode.ts'
import { sbmAttention } from '../../../models/sbm-vit/sbm-attention.ts'
import { sizeOf, type Tensor, tensorOf } from '../../../src/tensor/tensor.ts'
import { type HeadInput, type Matrix, referenceDcmm, referenceSbm } from './reference-attention.ts'

export const coreGolden = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../golden/golden_dcmm_sbm.json'), 'utf8')) as {
  readonly dcmm: Readonly<Record<string, number | number[]>>
  readonly sbm: Readonly<Record<string, number | number[]>>
}

/** amplitude * sin(0.37 i + start), i the row-major index: the golden core vectors' generator. */
export function generated(shape: readonly number[], start: number, amplitude = 1): Tensor {
  return tensorOf(
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => amplitude * Math.sin(0.37 * i + start)),
    shape,
  )
}

export type Values = ReadonlyMap<string, Tensor>

/** q, k, v [batch, head, token, headWidth] and the layer's weights, of the golden DCMM core. */
export function dcmmValues(communities = 3): Values {
  const [heads, tokens, headWidth] = [2, 4, 3]
  return new Map([
    ['q', generated([1, heads, tokens, headWidth], 0.1)],
    ['k', generated([1, heads, tokens, headWidth], 0.9)],
    ['v', generated([1, heads, tokens, headWidth], 1.7)],
    ['membership.weight', generated([communities, headWidth], 2.3)],
    ['membership.bias', generated([communities], 3.1, 0.5)],
    ['degree.weight', generated([1, headWidth], 4.2)],
    ['degree.bias', tensorOf(Float32Array.of(1.5), [1])],
    ['block_logits', generated([heads, communities, communities], 5)],
    ['bias_scale', tensorOf(Float32Array.of(0.5), [1])],
  ])
}

/** The same of the golden SBM core. */
export function sbmValues(communities = 2): Values {
  const [heads, tokens, headWidth] = [2, 4, 3]
  return new Map([
    ['q', generated([1, heads, tokens, headWidth], 0.1)],
    ['k', generated([1, heads, tokens, headWidth], 0.9)],
    ['v', generated([1, heads, tokens, headWidth], 1.7)],
    ['cluster', generated([heads, communities, headWidth], 2.9)],
    ['cluster_mlp.fc1.weight', generated([headWidth, headWidth], 0.4)],
    ['cluster_mlp.fc1.bias', generated([headWidth], 0.6, 0.5)],
    ['cluster_mlp.fc2.weight', generated([headWidth, headWidth], 0.8)],
    ['cluster_mlp.fc2.bias', generated([headWidth], 1, 0.5)],
  ])
}

export const changed = (values: Values, changes: Readonly<Record<string, Tensor>>): Values => new Map([...values, ...Object.entries(changes)])
export const scalar = (value: number): Tensor => tensorOf(Float32Array.of(value), [1])
export const filled = (shape: readonly number[], value: number): Tensor => tensorOf(new Float32Array(sizeOf(shape)).fill(value), shape)

/** A_ij = 1 unless (3i + 5j) % 4 == 0: the golden SBM core's mask. */
export const coreMask: Matrix = Array.from({ length: 4 }, (_, i) => Array.from({ length: 4 }, (_, j) => ((3 * i + 5 * j) % 4 === 0 ? 0 : 1)))
export const maskTensor = (mask: Matrix): Tensor => tensorOf(Float32Array.from(mask.flat()), [1, 1, mask.length, mask.length])

/** q, k, v [batch, head, token, headWidth] become qkv [batch, token, 3 width], by TF.js so that gradients flow. */
export function toQkv(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor3D {
  const [batch = 0, heads = 0, tokens = 0, headWidth = 0] = q.shape
  const parts = [q, k, v].map((x) => tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch, tokens, heads * headWidth]))
  return tf.concat(parts, 2) as tf.Tensor3D
}

/** [batch, token, width] becomes [batch, head, token, headWidth]. */
export function byHead(x: tf.Tensor3D, heads: number): tf.Tensor4D {
  const [batch, tokens, width] = x.shape
  return tf.transpose(tf.reshape(x, [batch, tokens, heads, width / heads]), [0, 2, 1, 3]) as tf.Tensor4D
}

export interface Attended {
  /** [batch, head, token, headWidth] */
  readonly out: tf.Tensor4D
  /** The entropy of DCMM, the density of SBM. */
  readonly regularizer: tf.Scalar
  readonly stages: ReadonlyMap<string, tf.Tensor>
}

type TfValues = ReadonlyMap<string, tf.Tensor>
const given = (values: TfValues, name: string): tf.Tensor => weightsUnder(values)(name)
const headsOf = (values: TfValues): number => given(values, 'q').shape[1]!
const qkvOf = (values: TfValues): tf.Tensor3D => toQkv(given(values, 'q'), given(values, 'k'), given(values, 'v'))

export function attendDcmm(values: TfValues, options: DcmmOptions, tap?: Parameters<typeof stageRecorder>[1]): Attended {
  const stages = new Map<string, tf.Tensor>()
  const heads = headsOf(values)
  const { attended, entropy } = dcmmAttention(qkvOf(values), heads, options, weightsUnder(values), plainPrimitives, stageRecorder(stages, tap))
  return { out: byHead(attended, heads), regularizer: entropy, stages }
}

export function attendSbm(values: TfValues, options: SbmOptions, mask: SbmMask, tap?: Parameters<typeof stageRecorder>[1]): Attended {
  const stages = new Map<string, tf.Tensor>()
  const heads = headsOf(values)
  const { attended, density } = sbmAttention(
    qkvOf(values),
    { heads, layer: 0, structuredLayers: 1, options, mask },
    weightsUnder(values),
    plainPrimitives,
    stageRecorder(stages, tap),
  )
  return { out: byHead(attended, heads), regularizer: density, stages }
}

/** Float64 copies that a finite difference may change. */
export type Doubles = Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float64Array }>>
export const toDoubles = (values: Values): Doubles => Object.fromEntries([...values].map(([name, { shape, data }]) => [name, { shape, data: Float64Array.from(data) }]))

const rows = (data: Float64Array, width: number): Matrix => Array.from({ length: data.length / width }, (_, i) => [...data.subarray(i * width, (i + 1) * width)])
/** The matrix of one image and head of a tensor whose last two axes are the matrix. */
function matrixAt({ shape, data }: { shape: readonly number[]; data: Float64Array }, index: number): Matrix {
  const [height = 1, width = 1] = shape.slice(-2)
  return rows(data.subarray(index * height * width, (index + 1) * height * width), width)
}
const inputAt = (d: Doubles, index: number): HeadInput => ({ q: matrixAt(d['q']!, index), k: matrixAt(d['k']!, index), v: matrixAt(d['v']!, index) })
const shapeOf = (d: Doubles): { batch: number; heads: number } => ({ batch: d['q']!.shape[0]!, heads: d['q']!.shape[1]! })

/** The reference of every image and head, image outermost. */
export function referenceDcmmHeads(d: Doubles, options: DcmmOptions) {
  const { batch, heads } = shapeOf(d)
  return Array.from({ length: batch * heads }, (_, index) =>
    referenceDcmm(
      inputAt(d, index),
      {
        membershipWeight: matrixAt(d['membership.weight']!, 0),
        membershipBias: [...d['membership.bias']!.data],
        degreeWeight: [...d['degree.weight']!.data],
        degreeBias: d['degree.bias']!.data[0]!,
        blockLogits: matrixAt(d['block_logits']!, index % heads),
        biasScale: d['bias_scale']!.data[0]!,
      },
      options,
    ),
  )
}

export function referenceSbmHeads(d: Doubles, options: SbmOptions, mask: Matrix | 'expected') {
  const { batch, heads } = shapeOf(d)
  return Array.from({ length: batch * heads }, (_, index) =>
    referenceSbm(
      inputAt(d, index),
      {
        cluster: matrixAt(d['cluster']!, index % heads),
        fc1Weight: matrixAt(d['cluster_mlp.fc1.weight']!, 0),
        fc1Bias: [...d['cluster_mlp.fc1.bias']!.data],
        fc2Weight: matrixAt(d['cluster_mlp.fc2.weight']!, 0),
        fc2Bias: [...d['cluster_mlp.fc2.bias']!.data],
      },
      options,
      mask,
    ),
  )
}

/** Central differences of `loss` to every entry of every value, h 1e-5 in float64. */
export function finiteDifferences(values: Values, loss: (doubles: Doubles) => number): Map<string, number[]> {
  const doubles = toDoubles(values)
  const h = 1e-5
  const slope = (data: Float64Array, i: number): number => {
    const before = data[i]!
    data[i] = before + h
    const above = loss(doubles)
    data[i] = before - h
    const below = loss(doubles)
    data[i] = before
    return (above - below) / (2 * h)
  }
  return new Map(Object.entries(doubles).map(([name, { data }]) => [name, Array.from(data, (_, i) => slope(data, i))]))
}

export const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** The greatest |difference|; NaN where lengths differ. */
export function greatestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.NaN
  let greatest = 0
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!)
    greatest = Number.isNaN(difference) ? Number.NaN : Math.max(greatest, difference)
  }
  return greatest
}
