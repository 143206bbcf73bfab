/** A recipe, a data set and a seed in, a trained checkpoint out: one loop for every network. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import * as tf from '@tensorflow/tfjs'
import { Problem } from '../../src/domain/problem.ts'
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'
import { ADAM_DEFAULTS, AdamW, decayOfMatrices } from '../adamw.ts'
import type { ChosenBackend } from '../backend/choose-backend.ts'
import type { Checkpoint } from '../checkpoint.ts'
import { stepsPerEpoch } from '../data/batches.ts'
import type { DataSet } from '../data/data-set.ts'
import { type Normalization, normalizationOf } from '../data/pixels.ts'
import { clusterDeviation, initialWeights, LINEAR_DEVIATION } from '../initial-weights.ts'
import { classificationLoss } from '../loss.ts'
import { metricsOf } from '../metrics.ts'
import type { Recipe } from '../recipes/recipe.ts'
import type { StartingPoint } from '../starting-point/read-starting-point.ts'
import { readTensors, toVariables } from '../variables.ts'
import { oneHot } from './batch-loss.ts'
import { type GradientSource, wholeGradients } from './gradient-source.ts'
import { checkSupervision, markedImages, measureMasks } from './mask-figures.ts'
import { networkLogits } from './network-logits.ts'
import type { RunStore } from './run-store.ts'
import { learningRateAt } from './schedule.ts'
import { PARTS, shardedGradients } from './sharded-gradients.ts'
import { diagnoseStructure } from './structure-diagnostics.ts'
import type { EpochRecord, TrainingRecord } from './training-record.ts'
import { AT_THE_START, type Progress, type RunIdentity, restoreTrainingState, type TrainingParts, writeTrainingState } from './training-state.ts'

/** What a listener is told: each step, each epoch. */
export type TrainingEvent =
  | { readonly kind: 'step'; readonly step: number; readonly steps: number; readonly epoch: number; readonly loss: number }
  | { readonly kind: 'epoch'; readonly record: EpochRecord; readonly epochs: number }

export interface TrainingJob {
  readonly recipe: Recipe
  readonly data: DataSet
  readonly seed: number
  readonly backend: Pick<ChosenBackend, 'name' | 'primitives' | 'updates' | 'description'>
  /** Threads that share each batch; left out, the batch is one piece in this thread, which rounds otherwise. */
  readonly workers?: number
  readonly store: RunStore
  /** Trained weights to go on from; left out, the network starts with its own. */
  readonly startingPoint?: StartingPoint
  /** Whether a state of the store is taken up; without one it is an error. */
  readonly resume: boolean
  readonly report: (event: TrainingEvent) => void
  /** Asked after each step; true saves and ends. */
  readonly shouldStop: () => boolean
}

export type TrainingOutcome =
  | { readonly kind: 'finished'; readonly checkpoint: Checkpoint }
  | { readonly kind: 'interrupted'; readonly epoch: number; readonly stepInEpoch: number }

/** The fixed surroundings of the loop. */
interface Setting {
  readonly job: TrainingJob
  readonly parts: TrainingParts
  readonly normalization: Normalization
  readonly identity: RunIdentity
  readonly source: GradientSource
  readonly stepsPerEpoch: number
  readonly steps: number
}

/**
 * The whole training, or its rest.
 *
 * Saves after each epoch and when it is stopped; a resumed run ends in the same bits as an unbroken one on the same backend.
 * Throws: "output-not-finite" as soon as a loss is not finite (the last saved state stays); "checkpoint-invalid" where there is nothing to resume or it is
 * of another run; "shape-mismatch" where the data does not fit the recipe's network; "parameter-invalid" where the recipe asks for masks and the data has none.
 */
export async function runTraining(job: TrainingJob): Promise<TrainingOutcome> {
  checkFit(job.recipe, job.data)
  checkSupervision(job.recipe, job.data)
  const setting = await settingOf(job)
  try {
    let progress = job.resume ? restoreTrainingState(job.store.readState(), setting.parts, setting.identity) : AT_THE_START
    while (progress.epoch < job.recipe.training.epochs) {
      progress = await runEpoch(setting, progress)
      job.store.writeState(await writeTrainingState(setting.parts, progress, setting.identity))
      if (progress.stepInEpoch > 0) return { kind: 'interrupted', epoch: progress.epoch, stepInEpoch: progress.stepInEpoch }
    }
    return { kind: 'finished', checkpoint: await finish(setting, progress) }
  } finally {
    await setting.source.close()
    disposeParts(setting.parts)
  }
}

function disposeParts({ weights, averaged, optimizer }: TrainingParts): void {
  optimizer.dispose()
  tf.dispose([...weights.values(), ...averaged.values()])
}

/** Throws: "shape-mismatch". */
function checkFit({ network }: Recipe, data: DataSet): void {
  const expected = [network.channels, network.imageSize, network.imageSize, network.classes]
  const actual = [data.channels, data.height, data.width, data.facts.classes.length]
  if (expected.join() !== actual.join()) throw new Problem('shape-mismatch', 'channels, height, width or classes of the data do not fit the recipe', { expected, actual })
}

async function settingOf(job: TrainingJob): Promise<Setting> {
  const { recipe, data, seed, backend, startingPoint, workers } = job
  const start = startingPoint?.weights ?? freshWeights(recipe, seed)
  const weights = toVariables(start)
  const settings = { ...ADAM_DEFAULTS, groups: decayOfMatrices(recipe.training.weightDecay) }
  const perEpoch = stepsPerEpoch(data.splits.train.count, recipe.training.batchSize)
  const normalization = normalizationOf(data, data.splits.train)
  const gradientSetting = { recipe, data, seed, normalization, backend }
  return {
    job,
    parts: { weights, averaged: toVariables(start), optimizer: new AdamW(weights, settings, backend.updates) },
    normalization,
    identity: { recipe: JSON.stringify(recipe), seed, dataSha256: data.sha256, ...(startingPoint && { startSha256: startingPoint.sha256 }), ...(workers && { parts: PARTS }) },
    source: workers === undefined ? wholeGradients(gradientSetting, weights) : await shardedGradients(gradientSetting, weights, workers),
    stepsPerEpoch: perEpoch,
    steps: perEpoch * recipe.training.epochs,
  }
}

/** The network's own start, the membership weights and the community embeddings as wide as the recipe asks. */
export function freshWeights({ network, training }: Recipe, seed: number): ReadonlyMap<string, Tensor> {
  const { initialMembershipDeviation: membership, initialClusterDeviation: cluster = null } = training
  const widened = (name: string, weight: Tensor): Tensor => {
    if (membership !== null && name.endsWith('.attn.membership.weight')) return withDeviation(weight, membership, LINEAR_DEVIATION)
    return cluster !== null && name.endsWith('.attn.cluster') ? withDeviation(weight, cluster, clusterDeviation(weight.shape)) : weight
  }
  return new Map([...initialWeights(network, seed)].map(([name, weight]) => [name, widened(name, weight)]))
}

function withDeviation({ shape, data }: Tensor, wanted: number, own: number): Tensor {
  return tensorOf(
    data.map((value) => (value * wanted) / own),
    shape,
  )
}

/** The running epoch to its end, or to where it is stopped. */
async function runEpoch(setting: Setting, start: Progress): Promise<Progress> {
  const { job, stepsPerEpoch: perEpoch } = setting
  let { stepInEpoch, lossSum } = start
  while (stepInEpoch < perEpoch) {
    const step = start.epoch * perEpoch + stepInEpoch
    const loss = await runStep(setting, start.epoch, stepInEpoch)
    if (!Number.isFinite(loss))
      throw new Problem('output-not-finite', `the loss of step ${step + 1} (batch ${stepInEpoch + 1} of epoch ${start.epoch + 1}) is not finite`, { output: 'loss' })
    lossSum += loss
    stepInEpoch += 1
    job.report({ kind: 'step', step: step + 1, steps: setting.steps, epoch: start.epoch + 1, loss: lossSum / stepInEpoch })
    await nextTurn() // lets a signal be heard: nothing else in a step leaves the event loop's turn
    if (stepInEpoch < perEpoch && job.shouldStop()) return { ...start, stepInEpoch, lossSum }
  }
  return endEpoch(setting, { ...start, stepInEpoch, lossSum })
}

/** One step of the optimizer and of the average; the loss before it. */
async function runStep({ job, parts, source, steps, stepsPerEpoch: perEpoch }: Setting, epoch: number, stepInEpoch: number): Promise<number> {
  const { recipe, backend } = job
  const { training } = recipe
  const step = epoch * perEpoch + stepInEpoch
  const { loss, gradients } = await source.gradientsAt({ epoch, stepInEpoch })
  const norm = await backend.updates.globalNorm([...gradients.values()])
  if (Number.isFinite(norm)) {
    parts.optimizer.apply(gradients, learningRateAt(step, steps, training), Math.min(1, training.gradientClip / norm))
    for (const [name, averaged] of parts.averaged) {
      const current = parts.weights.get(name)
      if (current) backend.updates.moveTowards(averaged, current, 1 - training.averageDecay)
    }
  }
  tf.dispose([...gradients.values()])
  return Number.isFinite(norm) ? loss : Number.NaN
}

/** Validation, the record of the epoch, and the best weights kept. */
async function endEpoch(setting: Setting, progress: Progress): Promise<Progress> {
  const { job, stepsPerEpoch: perEpoch } = setting
  const record = await epochRecord(setting, progress.epoch + 1, progress.lossSum / perEpoch)
  const lowest = Math.min(...progress.curves.map(({ validationLoss }) => validationLoss))
  const isBest = record.validationLoss < lowest
  const next: Progress = { epoch: progress.epoch + 1, stepInEpoch: 0, lossSum: 0, curves: [...progress.curves, record], bestEpoch: isBest ? record.epoch : progress.bestEpoch }
  if (isBest) job.store.writeCheckpoint('best', checkpointOf(setting, await readTensors(setting.parts.averaged), record.epoch, next.curves))
  job.report({ kind: 'epoch', record, epochs: job.recipe.training.epochs })
  return next
}

async function epochRecord({ job, parts, normalization }: Setting, epoch: number, trainingLoss: number): Promise<EpochRecord> {
  const { recipe, data, backend } = job
  const request = { data, split: 'validation', normalization } as const
  const { labels } = data.splits.validation
  const logits = await networkLogits(recipe.network, parts.averaged, request, { primitives: backend.primitives })
  const classification = tf.tidy(() =>
    classificationLoss(tf.tensor2d(logits.data, logits.shape as [number, number]), oneHot(labels, recipe.network.classes), recipe.training.labelSmoothing),
  )
  const [loss = Number.NaN] = await classification.data()
  classification.dispose()
  const { accuracy, auc } = metricsOf(logits, labels)
  const structure = await diagnoseStructure(recipe.network, parts.averaged, request, backend.primitives)
  const figures = { epoch, trainingLoss, validationAccuracy: accuracy, validationAuc: auc, structure }
  const { maskSupervision } = recipe.training
  if (maskSupervision === undefined) return { ...figures, validationLoss: loss }
  const masks = await measureMasks(recipe.network, parts.averaged, request, maskSupervision, backend.primitives)
  return { ...figures, validationLoss: loss + maskSupervision.weight * masks.loss, masks }
}

function checkpointOf({ job, normalization }: Setting, weights: ReadonlyMap<string, Tensor>, selectedEpoch: number, curves: readonly EpochRecord[]): Checkpoint {
  const { recipe, data, seed, backend, startingPoint, workers } = job
  const { train, validation, test } = data.splits
  const record: TrainingRecord = {
    recipe: recipe.name,
    title: recipe.title,
    seed,
    settings: recipe.training,
    backend: workers === undefined ? backend.description : `${backend.description}; each batch in ${PARTS} parts`,
    data: { ...data.facts, sha256: data.sha256, images: { train: train.count, validation: validation.count, test: test.count } },
    ...(recipe.training.maskSupervision && { masks: markedImages(data) }),
    normalization,
    ...(startingPoint && { start: startOf(startingPoint) }),
    selectedEpoch,
    curves,
  }
  return { config: recipe.network, weights, metadata: { training: JSON.stringify(record) } }
}

function startOf({ weights: _, ...start }: StartingPoint): Omit<StartingPoint, 'weights'> {
  return start
}

/** The last weights, their average, and the model: whichever the recipe selects. */
async function finish(setting: Setting, { curves, bestEpoch }: Progress): Promise<Checkpoint> {
  const { store, recipe } = setting.job
  const { epochs, selection } = recipe.training
  const averaged = checkpointOf(setting, await readTensors(setting.parts.averaged), epochs, curves)
  store.writeCheckpoint('last', checkpointOf(setting, await readTensors(setting.parts.weights), epochs, curves))
  store.writeCheckpoint('averaged', averaged)
  const best = selection === 'last' || bestEpoch === null ? averaged : checkpointOf(setting, store.readCheckpoint('best').weights, bestEpoch, curves)
  store.writeCheckpoint('model', best)
  return best
}
