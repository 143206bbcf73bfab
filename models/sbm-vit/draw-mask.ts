/** Edge probabilities in, a mask of 0 and 1 out. No gradient passes here: see straight-through.ts. */
import * as tf from '@tensorflow/tfjs'
import { Problem } from '../../src/domain/problem.ts'
import { maskUniforms, trainingSeeds } from '../../src/tensor/counter-random.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'
import type { HardMask } from './mask-mode.ts'

/**
 * The mask of one layer, before edges are forced.
 *
 * probability  P, [batch, head, token, token]
 * delta        the exploration floor that sampling adds to P
 * returns      [batch, head, token, token], 0 or 1
 * Throws: "shape-mismatch" where seeds or a fixed mask do not fit.
 */
export function drawMask(probability: tf.Tensor4D, mask: HardMask, layer: number, delta: number): tf.Tensor4D {
  switch (mask.mode) {
    case 'train-sample':
    case 'sample':
      return sampledMask(probability, seedsOf(mask, probability.shape[0]), layer, delta)
    case 'fixed':
      return fixedMask(probability, mask.masks, layer)
    case 'threshold':
      return thresholdMask(probability, mask.tau)
    case 'topP':
      return topPMask(probability, mask.rho)
  }
}

/** One seed for each image of the batch. Throws: "shape-mismatch". */
export function seedsOf(mask: Extract<HardMask, { mode: 'train-sample' | 'sample' }>, batch: number): readonly number[] {
  if (mask.mode === 'train-sample') return trainingSeeds(mask.runSeed, mask.step, batch)
  if (mask.seeds.length !== batch) throw new Problem('shape-mismatch', 'one seed is needed for each image', { expected: [batch], actual: [mask.seeds.length] })
  return mask.seeds
}

function sampledMask(probability: tf.Tensor4D, seeds: readonly number[], layer: number, delta: number): tf.Tensor4D {
  const [, heads, tokens] = probability.shape
  const uniforms = tf.tensor4d(maskUniforms(seeds, layer, heads, tokens), probability.shape)
  return tf.cast(tf.less(uniforms, tf.clipByValue(tf.add(probability, delta), 0, 1)), 'float32')
}

function fixedMask(probability: tf.Tensor4D, masks: ReadonlyMap<number, Tensor>, layer: number): tf.Tensor4D {
  const given = masks.get(layer)
  const { shape } = probability
  if (given === undefined || given.shape.length !== 4 || given.shape.some((axis, i) => axis !== shape[i] && !(axis === 1 && i < 2))) {
    throw new Problem('shape-mismatch', `layer ${layer} has no fixed mask that fits`, { expected: shape, actual: given?.shape ?? [] })
  }
  return tf.mul(tf.onesLike(probability), tf.tensor(given.data, [...given.shape])) // the same for every image or head that it does not tell apart
}

function thresholdMask(probability: tf.Tensor4D, tau: number): tf.Tensor4D {
  const tokens = probability.shape[3]
  const best = tf.oneHot(tf.argMax(probability, -1) as tf.Tensor3D, tokens) // [batch, head, token, token]; the first of equal maxima
  return tf.maximum(tf.cast(tf.greaterEqual(probability, tau), 'float32'), tf.cast(best, 'float32'))
}

/**
 * Sorting gives the least probability that is still kept; of the entries equal to it, those of lower index are kept until the count is met.
 * No entry is moved back to its place, which would cost a [token, token] permutation for each row. (cumsum wants its axis from the front: -1 gives nothing in TF.js 4.22.)
 */
function topPMask(probability: tf.Tensor4D, rho: number): tf.Tensor4D {
  const [batch, heads, tokens] = probability.shape
  const rows = tf.reshape(probability, [batch * heads * tokens, tokens]) // [row, key]
  const sorted = tf.topk(rows, tokens, true).values // [row, rank], descending
  const before = tf.cumsum(sorted, 1, true) // [row, rank], sum over the ranks ahead
  const wanted = tf.mul(tf.sum(sorted, -1, true), rho)
  const first = tf.concat([tf.ones([1, 1]), tf.zeros([1, tokens - 1])], 1) // rank 0 is always kept
  const keptRanks = tf.maximum(tf.cast(tf.less(before, wanted), 'float32'), first) // [row, rank]
  const count = tf.sum(keptRanks, -1, true)
  const least = tf.min(tf.add(tf.mul(sorted, keptRanks), tf.mul(tf.sub(1, keptRanks), 2)), -1, true) // ranks that are not kept count as 2, above any probability

  const above = tf.cast(tf.greater(rows, least), 'float32')
  const tied = tf.cast(tf.equal(rows, least), 'float32')
  const room = tf.sub(count, tf.sum(above, -1, true)) // ties that still fit
  const keptTies = tf.mul(tied, tf.cast(tf.less(tf.cumsum(tied, 1, true), room), 'float32'))
  return tf.reshape(tf.add(above, keptTies), probability.shape)
}
