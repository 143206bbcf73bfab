/** A data set, a seed and an epoch in, batches of pixels and targets out; a pure function of its arguments, so that a resumed run sees the same images. */
import { mixKey, randomBits } from '../../src/tensor/counter-random.ts'
import { type Augmentation, augment, augmentationKey } from './augment.ts'
import type { DataSet, SplitName } from './data-set.ts'
import { type Normalization, normalizeInto, unitImage } from './pixels.ts'

export interface Batch {
  readonly count: number
  /** [image, channel, height, width], normalized */
  readonly pixels: Float32Array
  /** [image], indices of classes */
  readonly labels: Uint8Array
}

/** Keeps this stream apart from the augmentation's and the masks'. */
const SHUFFLE_STREAM = 0x73687566

/** The order of an epoch: a permutation of 0 .. count - 1. */
export function shuffledOrder(count: number, seed: number, epoch: number): Uint32Array {
  return permutation(count, mixKey(mixKey(seed, SHUFFLE_STREAM), epoch))
}

/**
 * A permutation of 0 .. count - 1 of a key.
 *
 * Fisher and Yates' shuffle; a 32-bit draw modulo at most 2^16 is off by less than 2^-16.
 */
export function permutation(count: number, key: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = randomBits(key, i) % (i + 1)
    const held = order[i] ?? 0
    order[i] = order[j] ?? 0
    order[j] = held
  }
  return order
}

/** Batches in an epoch: the last, incomplete one is left out, so that every step weighs the same; a set smaller than a batch is one batch. */
export function stepsPerEpoch(count: number, batchSize: number): number {
  return Math.max(1, Math.floor(count / batchSize))
}

export interface TrainingBatchRequest {
  readonly order: Uint32Array
  /** Within the epoch, from 0. */
  readonly step: number
  readonly batchSize: number
  readonly seed: number
  readonly epoch: number
  /** null leaves the images as they are. */
  readonly augmentation: Augmentation | null
  readonly normalization: Normalization
}

/** The batch of one training step. */
export function trainingBatch(data: DataSet, request: TrainingBatchRequest): Batch {
  const { order, step, batchSize, seed, epoch, augmentation, normalization } = request
  const chosen = order.subarray(step * batchSize, (step + 1) * batchSize)
  const change = (image: Float32Array, index: number): Float32Array => (augmentation === null ? image : augment(image, data, augmentation, augmentationKey(seed, epoch, index)))
  return batchOf(data, 'train', chosen, normalization, change)
}

/** Images `start` to `end` of a split as they are. */
export function evaluationBatch(data: DataSet, split: SplitName, start: number, end: number, normalization: Normalization): Batch {
  const chosen = Uint32Array.from({ length: Math.min(end, data.splits[split].count) - start }, (_, i) => start + i)
  return batchOf(data, split, chosen, normalization, (image) => image)
}

function batchOf(data: DataSet, splitName: SplitName, chosen: Uint32Array, normalization: Normalization, change: (image: Float32Array, index: number) => Float32Array): Batch {
  const split = data.splits[splitName]
  const size = data.channels * data.height * data.width
  const pixels = new Float32Array(chosen.length * size)
  const labels = new Uint8Array(chosen.length)
  chosen.forEach((index, i) => {
    normalizeInto(pixels, i * size, change(unitImage(data, split, index), index), normalization)
    labels[i] = split.labels[index] ?? 0
  })
  return { count: chosen.length, pixels, labels }
}
