/** A network's weights and a split in, the logits of every image out. */
import * as tf from '@tensorflow/tfjs'
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'
import { evaluationBatch } from '../data/batches.ts'
import type { DataSet, SplitName } from '../data/data-set.ts'
import type { Normalization } from '../data/pixels.ts'
import { type ForwardOptions, forward } from '../forward.ts'
import type { NetworkConfig } from '../network-config.ts'

const BATCH = 64

export interface SplitRequest {
  readonly data: DataSet
  readonly split: SplitName
  readonly normalization: Normalization
}

/** Logits [image, class] of a split, in its order, nothing augmented. */
export async function networkLogits(config: NetworkConfig, weights: ReadonlyMap<string, tf.Tensor>, request: SplitRequest, options: ForwardOptions): Promise<Tensor> {
  const { count } = request.data.splits[request.split]
  const logits = new Float32Array(count * config.classes)
  for (let start = 0; start < count; start += BATCH) {
    logits.set(await batchLogits(config, weights, request, start, options), start * config.classes)
  }
  return tensorOf(logits, [count, config.classes])
}

async function batchLogits(config: NetworkConfig, weights: ReadonlyMap<string, tf.Tensor>, request: SplitRequest, start: number, options: ForwardOptions): Promise<Float32Array> {
  const pixels = evaluationPixels(request, start, start + BATCH)
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
