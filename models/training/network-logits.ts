/** A network's weights and a split in, the logits of every image out. */
import * as tf from '@tensorflow/tfjs'
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'
import { evaluationBatch } from '../data/batches.ts'
import type { DataSet, SplitName } from '../data/data-set.ts'
import type { Normalization } from '../data/pixels.ts'
import { type ForwardOptions, forward } from '../forward.ts'
import { type NetworkConfig, tokenCount } from '../network-config.ts'

const BATCH = 64
/** Values that the attention matrices of one batch may hold, 1 GiB: all of a forward pass stay until its end, and the wasm backend ends at 4 GiB. */
const ATTENTION_VALUES = 2 ** 28
/** Matrices [token, token] of one head that a layer leaves at most, written out: scores, structure, mask, softmax and their steps. */
const MATRICES = 10

/** How many of `wanted` images go through a network at once, at least one. */
export function imagesAtOnce(config: NetworkConfig, wanted: number): number {
  const perImage = config.depth * config.heads * tokenCount(config) ** 2 * MATRICES
  return Math.max(1, Math.min(wanted, Math.floor(ATTENTION_VALUES / perImage)))
}

/** Where the batches of so many images begin and end: as many at once as are wanted and fit. */
export function* evaluationBatches(config: NetworkConfig, count: number, wanted = BATCH): Generator<{ readonly start: number; readonly end: number }> {
  const batch = imagesAtOnce(config, wanted)
  for (let start = 0; start < count; start += batch) yield { start, end: Math.min(start + batch, count) }
}

export interface SplitRequest {
  readonly data: DataSet
  readonly split: SplitName
  readonly normalization: Normalization
}

/** Logits [image, class] of a split, in its order, nothing augmented. */
export async function networkLogits(config: NetworkConfig, weights: ReadonlyMap<string, tf.Tensor>, request: SplitRequest, options: ForwardOptions): Promise<Tensor> {
  const { count } = request.data.splits[request.split]
  const logits = new Float32Array(count * config.classes)
  for (const { start, end } of evaluationBatches(config, count)) {
    const pixels = evaluationPixels(request, start, end)
    logits.set(await batchLogits(config, weights, pixels, options), start * config.classes)
  }
  return tensorOf(logits, [count, config.classes])
}

async function batchLogits(config: NetworkConfig, weights: ReadonlyMap<string, tf.Tensor>, pixels: tf.Tensor4D, options: ForwardOptions): Promise<Float32Array> {
  const logits = tf.tidy(() => forward(config, weights, pixels, options).logits)
  const values = (await logits.data()) as Float32Array
  tf.dispose([pixels, logits])
  return values
}

/** Images `start` to `end` of the split: [batch, channel, height, width]. */
export function evaluationPixels({ data, split, normalization }: SplitRequest, start: number, end: number): tf.Tensor4D {
  const batch = evaluationBatch(data, split, start, end, normalization)
  return tf.tensor4d(batch.pixels, [batch.count, data.channels, data.height, data.width])
}
