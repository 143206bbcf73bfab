/** The number of a step in, the loss of its batch and the gradient of every weight out; here in one piece and in this thread. */
import * as tf from '@tensorflow/tfjs'
import type { ChosenBackend } from '../backend/choose-backend.ts'
import { shuffledOrder, stepsPerEpoch, trainingBatch } from '../data/batches.ts'
import type { DataSet } from '../data/data-set.ts'
import { trainingMaskShares } from '../data/mask-shares.ts'
import type { Normalization } from '../data/pixels.ts'
import { classOffsets } from '../loss.ts'
import type { Recipe } from '../recipes/recipe.ts'
import { lossAndGradients } from '../variables.ts'
import { batchLoss } from './batch-loss.ts'

/** Both from 0. */
export interface StepPlace {
  readonly epoch: number
  readonly stepInEpoch: number
}

export interface StepGradients {
  readonly loss: number
  /** By the weights' names; a weight that the loss does not depend on has none. The caller disposes them. */
  readonly gradients: ReadonlyMap<string, tf.Tensor>
}

export interface GradientSource {
  gradientsAt(place: StepPlace): Promise<StepGradients>
  close(): Promise<void>
}

/** What a step's gradients depend on beside the weights. */
export interface GradientSetting {
  readonly recipe: Recipe
  readonly data: DataSet
  readonly seed: number
  readonly normalization: Normalization
  readonly backend: Pick<ChosenBackend, 'name' | 'primitives'>
}

/** Images of one step's batch: positions `first` to `end`. */
export interface Part {
  readonly first: number
  readonly end: number
}

/** The gradients of a part of a step's batch: sums over all parts are the batch's. */
export type PartGradients = (place: StepPlace, part: Part) => Promise<StepGradients>

/** How many images each step has. */
export function batchCount({ data, recipe }: Pick<GradientSetting, 'data' | 'recipe'>): number {
  return Math.min(recipe.training.batchSize, data.splits.train.count)
}

/** Gradients of parts in this thread. The weights are read at each call. */
export function partGradients(setting: GradientSetting, weights: ReadonlyMap<string, tf.Variable>): PartGradients {
  const { recipe, data, seed, normalization, backend } = setting
  const { batchSize, augmentation, maskSupervision, logitAdjustment } = recipe.training
  const { count, labels } = data.splits.train
  const offsets = logitAdjustment === undefined ? null : classOffsets(labels, recipe.network.classes, logitAdjustment)
  let order: { readonly epoch: number; readonly images: Uint32Array } = { epoch: -1, images: new Uint32Array(0) }
  return async ({ epoch, stepInEpoch }, { first, end }) => {
    if (order.epoch !== epoch) order = { epoch, images: shuffledOrder(count, seed, epoch) }
    const images = order.images.subarray(stepInEpoch * batchSize + first, stepInEpoch * batchSize + end)
    const chosen = { order: images, step: 0, batchSize: images.length, seed, epoch, augmentation, normalization }
    const batch = trainingBatch(data, chosen)
    const maskShares = maskSupervision === undefined ? null : trainingMaskShares(data, chosen, recipe.network.patchSize)
    const step = epoch * stepsPerEpoch(count, batchSize) + stepInEpoch
    const request = { recipe, data, seed, primitives: backend.primitives, offsets, step, first, total: batchCount(setting) }
    const { loss, gradients } = lossAndGradients(weights, () => batchLoss(request, weights, batch, maskShares))
    const [value = Number.NaN] = await loss.data()
    tf.dispose(loss)
    return { loss: value, gradients }
  }
}

/** Each batch in one piece, in this thread. */
export function wholeGradients(setting: GradientSetting, weights: ReadonlyMap<string, tf.Variable>): GradientSource {
  const gradientsOf = partGradients(setting, weights)
  const whole = { first: 0, end: batchCount(setting) }
  return { gradientsAt: (place) => gradientsOf(place, whole), close: async () => {} }
}
