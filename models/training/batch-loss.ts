/** Images of a step in, their loss out: the whole batch's, or the share that a part of it has in the whole. */
import * as tf from '@tensorflow/tfjs'
import { mixKey, trainingSeeds } from '../../src/tensor/counter-random.ts'
import type { Batch } from '../data/batches.ts'
import type { DataSet } from '../data/data-set.ts'
import { forward } from '../forward.ts'
import type { Primitives } from '../layers/primitives.ts'
import { classificationLoss, membershipMaskLoss } from '../loss.ts'
import type { NetworkConfig } from '../network-config.ts'
import type { MaskSupervision, Recipe } from '../recipes/recipe.ts'

/** Keeps the dropped branches' stream apart from the shuffle's and the augmentation's. */
const DROP_STREAM = 0x64726f70

export interface LossRequest {
  readonly recipe: Recipe
  readonly data: Pick<DataSet, 'channels' | 'height' | 'width'>
  readonly seed: number
  readonly primitives: Primitives
  /** In the whole training, from 0. */
  readonly step: number
  /** [class], added to the logits before the loss; null adds nothing. */
  readonly offsets?: Float32Array | null
  /** Where the images stand in the step's batch, and how many that has. */
  readonly first: number
  readonly total: number
}

/**
 * Smoothed cross-entropy plus the structure's term and the masks', times the images' share of the batch.
 *
 * An image has the same branches dropped and the same masks drawn whatever part it comes in, and the share is inside, where the
 * straight-through gradient is clipped: so that the gradients of the parts sum to the whole batch's but for rounding.
 *
 * maskShares  [image, patch], where the recipe trains memberships towards masks; null elsewhere
 */
export function batchLoss(request: LossRequest, weights: ReadonlyMap<string, tf.Tensor>, batch: Batch, maskShares: Float32Array | null = null): tf.Scalar {
  const { recipe, data, seed, primitives, offsets = null, step, first, total } = request
  const { network, training } = recipe
  const share = batch.count / total
  const pixels = tf.tensor4d(batch.pixels, [batch.count, data.channels, data.height, data.width])
  const { logits, regularization, memberships } = forward(withShare(network, share), weights, pixels, {
    primitives,
    dropPath: { rate: training.dropPath, seed: mixKey(mixKey(seed, DROP_STREAM), step), first },
    mask: { mode: 'sample', seeds: trainingSeeds(seed, step, total).slice(first, first + batch.count) },
  })
  const weighed = offsets === null ? logits : tf.add<tf.Tensor2D>(logits, offsets)
  const classification = classificationLoss(weighed, oneHot(batch.labels, network.classes), training.labelSmoothing)
  const { maskSupervision } = training
  const loss =
    maskSupervision === undefined || maskShares === null
      ? classification
      : tf.add<tf.Scalar>(classification, supervisionLoss(memberships, tf.tensor2d(maskShares, [batch.count, maskShares.length / batch.count]), maskSupervision))
  return tf.add(share === 1 ? loss : tf.mul(loss, share), regularization)
}

/**
 * The masks' term: `weight` times the mean over the supervised layers.
 *
 * memberships  of the DCMM layers, by their index
 * shares       [batch, patch]
 *
 * Throws: RangeError where a supervised layer has no memberships; checkSupervision refuses such a recipe before.
 */
export function supervisionLoss(memberships: ReadonlyMap<number, tf.Tensor4D>, shares: tf.Tensor2D, { layers, community, weight }: MaskSupervision): tf.Scalar {
  const losses = layers.map((layer) => {
    const membership = memberships.get(layer)
    if (membership === undefined) throw new RangeError(`layer ${layer} has no memberships`)
    return membershipMaskLoss(membership, shares, community)
  })
  return tf.mul(tf.addN(losses), weight / layers.length)
}

/** The structure's terms are means over the images they see: each part adds its share of them. */
function withShare(network: NetworkConfig, share: number): NetworkConfig {
  const { dcmm, sbm } = network
  return {
    ...network,
    dcmm: dcmm && { ...dcmm, entropyWeight: dcmm.entropyWeight * share },
    sbm: sbm && { ...sbm, densityWeight: sbm.densityWeight * share },
  }
}

/** [image, class] */
export function oneHot(labels: Uint8Array, classes: number): tf.Tensor2D {
  const data = new Float32Array(labels.length * classes)
  labels.forEach((label, image) => {
    data[image * classes + label] = 1
  })
  return tf.tensor2d(data, [labels.length, classes])
}
