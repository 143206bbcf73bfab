/** Everything that a training needs to go on to the same bits, as one file: weights, their average, the optimizer's moments and where it stands. */
import type * as tf from '@tensorflow/tfjs'
import { Problem } from '../../src/domain/problem.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'
import type { AdamW } from '../adamw.ts'
import { readSafetensors, writeSafetensors } from '../safetensors.ts'
import { assignVariables, readTensors } from '../variables.ts'
import type { EpochRecord } from './training-record.ts'

/** Where a training stands; JSON carries each float64 unchanged. `Curve` is what it keeps of an epoch. */
export interface Progress<Curve = EpochRecord> {
  /** Epochs that are done. */
  readonly epoch: number
  /** Steps of the running epoch that are done. */
  readonly stepInEpoch: number
  /** Of the running epoch's steps. */
  readonly lossSum: number
  readonly curves: readonly Curve[]
  /** The epoch (from 1) whose averaged weights had the lowest validation loss. */
  readonly bestEpoch: number | null
}

export const AT_THE_START: Progress<never> = { epoch: 0, stepInEpoch: 0, lossSum: 0, curves: [], bestEpoch: null }

/** What must be equal for a run to be the same one. */
export interface RunIdentity {
  readonly recipe: string
  readonly seed: number
  readonly dataSha256: string
  /** Of the weights that it went on from, where there were any. */
  readonly startSha256?: string
  /** Parts of each batch, where it is cut: their number rounds, that of the threads does not. */
  readonly parts?: number
}

/** The live parts of a training. */
export interface TrainingParts {
  readonly weights: ReadonlyMap<string, tf.Variable>
  readonly averaged: ReadonlyMap<string, tf.Variable>
  readonly optimizer: AdamW
}

const PREFIXES = ['weight', 'averaged', 'first', 'second'] as const
type Prefix = (typeof PREFIXES)[number]

/** The file of the state. */
export async function writeTrainingState(parts: TrainingParts, progress: Progress<unknown>, identity: RunIdentity): Promise<Uint8Array> {
  const { step, first, second } = await parts.optimizer.state()
  const groups: Readonly<Record<Prefix, ReadonlyMap<string, Tensor>>> = { weight: await readTensors(parts.weights), averaged: await readTensors(parts.averaged), first, second }
  const tensors = new Map(PREFIXES.flatMap((prefix) => [...groups[prefix]].map(([name, tensor]): [string, Tensor] => [`${prefix}:${name}`, tensor])))
  return writeSafetensors(tensors, { identity: JSON.stringify(identity), progress: JSON.stringify(progress), optimizerStep: String(step) })
}

/**
 * Puts a state's numbers into the parts, and tells where the training stands.
 *
 * Throws: "checkpoint-invalid" where the file is no such state, of another run or of other shapes.
 */
export function restoreTrainingState<Curve = EpochRecord>(bytes: Uint8Array, parts: TrainingParts, identity: RunIdentity): Progress<Curve> {
  const { tensors, metadata } = readSafetensors(bytes)
  const { progress, step } = standingOf<Curve>(metadata)
  if (metadata['identity'] !== JSON.stringify(identity)) throw invalid('the saved state is of another recipe, seed or data file')
  const group = (prefix: Prefix): ReadonlyMap<string, Tensor> =>
    new Map([...tensors].filter(([name]) => name.startsWith(`${prefix}:`)).map(([name, tensor]) => [name.slice(prefix.length + 1), tensor]))
  checkNames(group('weight'), parts.weights)
  checkNames(group('averaged'), parts.averaged)
  assignVariables(parts.weights, group('weight'))
  assignVariables(parts.averaged, group('averaged'))
  parts.optimizer.restore({ step, first: group('first'), second: group('second') })
  return progress
}

/** Where the training stood. Throws: "checkpoint-invalid" where the metadata does not say. */
function standingOf<Curve>(metadata: Readonly<Record<string, string>>): { progress: Progress<Curve>; step: number } {
  const step = Number(metadata['optimizerStep'] ?? Number.NaN)
  let progress: unknown
  try {
    progress = JSON.parse(metadata['progress'] ?? '')
  } catch (cause) {
    throw invalid('the file is no saved state of a training', cause)
  }
  if (!Number.isSafeInteger(step) || !isProgress<Curve>(progress)) throw invalid('the file is no saved state of a training')
  return { progress, step }
}

function isProgress<Curve>(value: unknown): value is Progress<Curve> {
  if (typeof value !== 'object' || value === null) return false
  const { epoch, stepInEpoch, lossSum, curves, bestEpoch } = value as Partial<Progress>
  return (
    Number.isSafeInteger(epoch) && Number.isSafeInteger(stepInEpoch) && Number.isFinite(lossSum) && Array.isArray(curves) && (bestEpoch === null || Number.isSafeInteger(bestEpoch))
  )
}

function checkNames(saved: ReadonlyMap<string, Tensor>, variables: ReadonlyMap<string, tf.Variable>): void {
  for (const [name, variable] of variables) {
    if (saved.get(name)?.shape.join() !== variable.shape.join()) throw invalid(`the saved state does not fit ${name}`)
  }
}

function invalid(detail: string, cause?: unknown): Problem {
  return new Problem('checkpoint-invalid', detail, {}, cause)
}
