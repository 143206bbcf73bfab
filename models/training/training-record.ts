/** What a checkpoint says of how it was made: written by the training, read by evaluation and export. */
import { Problem } from '../../src/domain/problem.ts'
import type { Checkpoint } from '../checkpoint.ts'
import type { DataSetFacts } from '../data/data-set.ts'
import type { Normalization } from '../data/pixels.ts'
import type { TrainingSettings } from '../recipes/recipe.ts'
import type { StartingPoint } from '../starting-point/read-starting-point.ts'
import type { MaskFigures } from './mask-figures.ts'
import type { StructureDiagnostics } from './structure-diagnostics.ts'

/** One epoch; the validation figures are of the averaged weights. */
export interface EpochRecord {
  /** From 1. */
  readonly epoch: number
  /** The mean over the epoch's steps: smoothed cross-entropy plus the structure's term and the masks'. */
  readonly trainingLoss: number
  /** Smoothed cross-entropy, the same as in training but without the structure's term; with the masks' where the recipe has one: what selects. */
  readonly validationLoss: number
  readonly validationAccuracy: number
  readonly validationAuc: number
  readonly structure: StructureDiagnostics
  /** How well the supervised community finds what readers marked in the validation images; left out where no mask was looked at. */
  readonly masks?: MaskFigures
}

export interface TrainingRecord {
  readonly recipe: string
  readonly title: string
  readonly seed: number
  readonly settings: TrainingSettings
  /** The training's backend, in words. */
  readonly backend: string
  readonly data: DataSetFacts & { readonly sha256: string; readonly images: { readonly train: number; readonly validation: number; readonly test: number } }
  /** Images of the training split whose masks the memberships were trained towards, and how many of them are not empty; left out where no mask was looked at. */
  readonly masks?: { readonly images: number; readonly marked: number }
  /** Of the training split; the network's input is (pixel in [0, 1] - mean) / deviation. */
  readonly normalization: Normalization
  /** The file of weights that it went on from, what of the network stayed fresh and what of the file was not used. */
  readonly start?: Omit<StartingPoint, 'weights'>
  /** The averaged weights after this epoch, from 1. */
  readonly selectedEpoch: number
  readonly curves: readonly EpochRecord[]
}

/** Throws: "checkpoint-invalid" where a checkpoint carries no record of a training. */
export function trainingRecordOf({ metadata }: Pick<Checkpoint, 'metadata'>): TrainingRecord {
  const text = metadata['training']
  if (text === undefined) throw new Problem('checkpoint-invalid', 'the checkpoint carries no training record', {})
  let record: unknown
  try {
    record = JSON.parse(text)
  } catch (cause) {
    throw new Problem('checkpoint-invalid', 'the training record is no JSON', {}, cause)
  }
  if (!isTrainingRecord(record)) throw new Problem('checkpoint-invalid', 'the training record lacks its data, normalization or recipe', {})
  return record
}

/** Checks what evaluation and export compute with; the rest is shown, not acted on. */
function isTrainingRecord(record: unknown): record is TrainingRecord {
  if (typeof record !== 'object' || record === null) return false
  const { recipe, seed, data, normalization } = record as Partial<TrainingRecord>
  const numbers = (values: unknown): boolean => Array.isArray(values) && values.length > 0 && values.every(Number.isFinite)
  return (
    typeof recipe === 'string' &&
    typeof seed === 'number' &&
    typeof data?.sha256 === 'string' &&
    Array.isArray(data.classes) &&
    numbers(normalization?.mean) &&
    numbers(normalization?.deviation) &&
    normalization?.mean.length === normalization?.deviation.length
  )
}
