/** A pre-training recipe, unlabeled images and a seed in, an encoder that a training starts from out. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import * as tf from '@tensorflow/tfjs'
import { Problem } from '../../src/domain/problem.ts'
import { ADAM_DEFAULTS, AdamW, decayOfMatrices } from '../adamw.ts'
import type { ChosenBackend } from '../backend/choose-backend.ts'
import type { Checkpoint } from '../checkpoint.ts'
import { shuffledOrder, stepsPerEpoch } from '../data/batches.ts'
import type { RunStore } from '../training/run-store.ts'
import { learningRateAt } from '../training/schedule.ts'
import { AT_THE_START, type Progress, type RunIdentity, restoreTrainingState, type TrainingParts, writeTrainingState } from '../training/training-state.ts'
import { lossAndGradients, readTensors, toVariables } from '../variables.ts'
import { encoderOf, initialPretrainingWeights, reconstructionLoss } from './masked-autoencoder.ts'
import { maskedBatch } from './masked-batch.ts'
import type { PretrainingRecipe } from './pretraining-recipe.ts'
import type { UnlabeledImages, UnlabeledSource } from './unlabeled-images.ts'

export interface PretrainingCurve {
  /** From 1. */
  readonly epoch: number
  /** Mean squared errors of standardized pixels: 1 is what the mean alone reaches. Of the averaged weights on the validation images. */
  readonly trainingLoss: number
  readonly validationLoss: number
}

export type PretrainingEvent =
  | { readonly kind: 'step'; readonly step: number; readonly steps: number; readonly epoch: number; readonly loss: number }
  | { readonly kind: 'epoch'; readonly curve: PretrainingCurve; readonly epochs: number }

export interface PretrainingJob {
  readonly recipe: PretrainingRecipe
  readonly training: UnlabeledImages
  readonly validation: UnlabeledImages
  readonly seed: number
  readonly backend: Pick<ChosenBackend, 'primitives' | 'updates' | 'description'>
  readonly store: RunStore
  readonly resume: boolean
  readonly report: (event: PretrainingEvent) => void
  readonly shouldStop: () => boolean
}

/** What the encoder's checkpoint says of how it was made, under `pretraining`. */
export interface PretrainingRecord {
  readonly recipe: PretrainingRecipe
  readonly seed: number
  readonly backend: string
  readonly sources: readonly (Pick<UnlabeledSource, 'sha256'> & UnlabeledSource['facts'] & { readonly images: number })[]
  readonly curves: readonly PretrainingCurve[]
}

export type PretrainingOutcome =
  | { readonly kind: 'finished'; readonly checkpoint: Checkpoint }
  | { readonly kind: 'interrupted'; readonly epoch: number; readonly stepInEpoch: number }

type Standing = Progress<PretrainingCurve>

/**
 * The whole pre-training, or its rest; saved after each epoch and when it is stopped.
 *
 * Throws: "output-not-finite" with the step; "checkpoint-invalid" where there is nothing to resume or it is of another run.
 */
export async function runPretraining(job: PretrainingJob): Promise<PretrainingOutcome> {
  const { recipe, seed, training, store } = job
  const start = initialPretrainingWeights(recipe, seed)
  const weights = toVariables(start)
  const optimizer = new AdamW(weights, { ...ADAM_DEFAULTS, groups: decayOfMatrices(recipe.weightDecay) }, job.backend.updates)
  const parts: TrainingParts = { weights, averaged: toVariables(start), optimizer }
  const identity: RunIdentity = { recipe: JSON.stringify(recipe), seed, dataSha256: training.sha256 }
  try {
    let standing: Standing = job.resume ? restoreTrainingState<PretrainingCurve>(store.readState(), parts, identity) : AT_THE_START
    while (standing.epoch < recipe.epochs) {
      standing = await runEpoch(job, parts, standing)
      store.writeState(await writeTrainingState(parts, standing, identity))
      if (standing.stepInEpoch > 0) return { kind: 'interrupted', epoch: standing.epoch, stepInEpoch: standing.stepInEpoch }
    }
    const checkpoint = await checkpointOf(job, parts, standing)
    store.writeCheckpoint('model', checkpoint)
    return { kind: 'finished', checkpoint }
  } finally {
    optimizer.dispose()
    tf.dispose([...parts.weights.values(), ...parts.averaged.values()])
  }
}

async function runEpoch(job: PretrainingJob, parts: TrainingParts, start: Standing): Promise<Standing> {
  const { recipe, training, seed } = job
  const perEpoch = stepsPerEpoch(training.count, recipe.batchSize)
  const order = shuffledOrder(training.count, seed, start.epoch)
  let { stepInEpoch, lossSum } = start
  while (stepInEpoch < perEpoch) {
    const images = order.subarray(stepInEpoch * recipe.batchSize, Math.min(training.count, (stepInEpoch + 1) * recipe.batchSize))
    const step = start.epoch * perEpoch + stepInEpoch
    const loss = await runStep(job, parts, { images, epoch: start.epoch, step, steps: perEpoch * recipe.epochs })
    if (!Number.isFinite(loss))
      throw new Problem('output-not-finite', `the loss of step ${step + 1} (batch ${stepInEpoch + 1} of epoch ${start.epoch + 1}) is not finite`, { output: 'loss' })
    lossSum += loss
    stepInEpoch += 1
    job.report({ kind: 'step', step: step + 1, steps: perEpoch * recipe.epochs, epoch: start.epoch + 1, loss: lossSum / stepInEpoch })
    await nextTurn() // lets a signal be heard
    if (stepInEpoch < perEpoch && job.shouldStop()) return { ...start, stepInEpoch, lossSum }
  }
  const curve = { epoch: start.epoch + 1, trainingLoss: lossSum / perEpoch, validationLoss: await validationLoss(job, parts) }
  job.report({ kind: 'epoch', curve, epochs: recipe.epochs })
  return { epoch: start.epoch + 1, stepInEpoch: 0, lossSum: 0, curves: [...start.curves, curve], bestEpoch: null }
}

interface Step {
  readonly images: Uint32Array
  readonly epoch: number
  readonly step: number
  readonly steps: number
}

/** One step of the optimizer and of the average; the loss before it, NaN where a gradient is not finite. */
async function runStep({ recipe, training, seed, backend }: PretrainingJob, parts: TrainingParts, { images, epoch, step, steps }: Step): Promise<number> {
  const batch = maskedBatch(training, { recipe, images, seed, epoch })
  const { loss, gradients } = lossAndGradients(parts.weights, () => reconstructionLoss(recipe, parts.weights, batch, backend.primitives))
  const [value = Number.NaN] = await loss.data()
  const norm = await backend.updates.globalNorm([...gradients.values()])
  if (Number.isFinite(norm)) {
    parts.optimizer.apply(gradients, learningRateAt(step, steps, recipe), Math.min(1, recipe.gradientClip / norm))
    for (const [name, averaged] of parts.averaged) {
      const current = parts.weights.get(name)
      if (current) backend.updates.moveTowards(averaged, current, 1 - recipe.averageDecay)
    }
  }
  tf.dispose([loss, ...gradients.values()])
  return Number.isFinite(norm) ? value : Number.NaN
}

/** The mean over the validation images, the same patches hidden each time. */
async function validationLoss({ recipe, validation, seed, backend }: PretrainingJob, { averaged }: TrainingParts): Promise<number> {
  let sum = 0
  for (let first = 0; first < validation.count; first += recipe.batchSize) {
    const images = Uint32Array.from({ length: Math.min(recipe.batchSize, validation.count - first) }, (_, i) => first + i)
    const batch = maskedBatch(validation, { recipe, images, seed, epoch: null })
    const loss = tf.tidy(() => reconstructionLoss(recipe, averaged, batch, backend.primitives))
    sum += ((await loss.data())[0] ?? Number.NaN) * images.length
    loss.dispose()
  }
  return sum / validation.count
}

async function checkpointOf({ recipe, seed, backend, training }: PretrainingJob, { averaged }: TrainingParts, { curves }: Standing): Promise<Checkpoint> {
  const record: PretrainingRecord = {
    recipe,
    seed,
    backend: backend.description,
    sources: training.sources.map(({ facts, sha256, first, end }) => ({ ...facts, sha256, images: end - first })),
    curves,
  }
  return { config: recipe.network, weights: encoderOf(recipe, await readTensors(averaged)), metadata: { pretraining: JSON.stringify(record) } }
}
