/** A checkpoint and a data set in, its figures on the test split out, with the temperature fitted on the validation split. */
import * as tf from '@tensorflow/tfjs'
import { Problem } from '../src/domain/problem.ts'
import type { Tensor } from '../src/tensor/tensor.ts'
import type { ChosenBackend } from './backend/choose-backend.ts'
import type { Checkpoint } from './checkpoint.ts'
import type { DataSet, SplitName } from './data/data-set.ts'
import { evaluateSampling, type SamplingEvaluation } from './evaluate-sampling.ts'
import { accuracyOf, bootstrapAuc, confusionMatrix, fitTemperature, type Interval, type Metrics, metricsOf, probabilitiesOf, recallOf, wilsonInterval } from './metrics.ts'
import { networkLogits } from './training/network-logits.ts'
import { diagnoseStructure, type StructureDiagnostics } from './training/structure-diagnostics.ts'
import { trainingRecordOf } from './training/training-record.ts'
import { toTfTensors } from './variables.ts'

export interface SplitMetrics extends Metrics {
  readonly split: SplitName
}

export interface ClassRecall {
  readonly name: string
  readonly images: number
  /** Share of the class' images that were found: sensitivity; of two classes the other one's specificity. */
  readonly recall: number
  /** 95 %, Wilson's score interval. */
  readonly interval: Interval
}

export interface Evaluation {
  /** The test split alone: nothing was chosen on it. */
  readonly test: SplitMetrics
  readonly accuracyInterval: Interval
  /** 95 %, percentiles of 1,000 resamples of the images within each class. */
  readonly aucInterval: Interval
  readonly confusion: readonly (readonly number[])[]
  readonly classes: readonly ClassRecall[]
  readonly validation: SplitMetrics
  /** Fitted on the validation split. */
  readonly temperature: number
  /** The test split's figures with logits divided by the temperature. */
  readonly calibrated: SplitMetrics
  /** The same weights with the structure taken out, on the test split; null for a plain network. */
  readonly withoutStructure: SplitMetrics | null
  /** On images of the validation split. */
  readonly structure: StructureDiagnostics
  /** Of an SBM network, on the test split; null for every other. */
  readonly sampling: SamplingEvaluation | null
}

/** How the logits of a split come about: from TF.js here, from a bundle elsewhere. */
export type LogitsOf = (split: SplitName) => Promise<Tensor>

/**
 * The figures of a checkpoint.
 *
 * seen  is shown the logits of each split, for curves
 *
 * Throws: "checkpoint-invalid" without a training record, "shape-mismatch" where the data does not fit the network.
 */
export async function evaluateCheckpoint(
  checkpoint: Checkpoint,
  data: DataSet,
  { primitives }: Pick<ChosenBackend, 'primitives'>,
  seen: (split: SplitName, logits: Tensor) => void = () => {},
): Promise<Evaluation> {
  const { config } = checkpoint
  const record = trainingRecordOf(checkpoint)
  checkFit(checkpoint, data)
  const { normalization } = record
  const weights = toTfTensors(checkpoint.weights)
  try {
    const logitsOf: LogitsOf = async (split) => {
      const logits = await networkLogits(config, weights, { data, split, normalization }, { primitives })
      seen(split, logits)
      return logits
    }
    const evaluation = await evaluateLogits(logitsOf, data)
    if (config.structuredLayers.length === 0) return { ...evaluation, withoutStructure: null, structure: [], sampling: null }
    const removed = await networkLogits(config, weights, { data, split: 'test', normalization }, { primitives, structure: 'removed' })
    const structure = await diagnoseStructure(config, weights, { data, split: 'validation', normalization }, primitives)
    const sampling = config.sbm === null ? null : await evaluateSampling(config, weights, { data, split: 'test', normalization }, primitives)
    return { ...evaluation, withoutStructure: { split: 'test', ...metricsOf(removed, data.splits.test.labels) }, structure, sampling }
  } finally {
    tf.dispose([...weights.values()])
  }
}

/** The figures that need nothing but logits. */
export async function evaluateLogits(logitsOf: LogitsOf, data: DataSet): Promise<Omit<Evaluation, 'withoutStructure' | 'structure' | 'sampling'>> {
  const { validation, test } = data.splits
  const validationLogits = await logitsOf('validation')
  const testLogits = await logitsOf('test')
  const temperature = fitTemperature(validationLogits, validation.labels)
  const probabilities = probabilitiesOf(testLogits)
  const confusion = confusionMatrix(probabilities, test.labels)
  const cooled = { shape: testLogits.shape, data: testLogits.data.map((logit) => logit / temperature) }
  return {
    test: { split: 'test', ...metricsOf(testLogits, test.labels) },
    accuracyInterval: wilsonInterval(Math.round(accuracyOf(confusion) * test.count), test.count),
    aucInterval: bootstrapAuc(probabilities, test.labels, { resamples: 1000, seed: 0 }),
    confusion,
    classes: classRecalls(confusion, data.facts.classes),
    validation: { split: 'validation', ...metricsOf(validationLogits, validation.labels) },
    temperature,
    calibrated: { split: 'test', ...metricsOf(cooled, test.labels) },
  }
}

function classRecalls(confusion: readonly (readonly number[])[], names: readonly string[]): ClassRecall[] {
  return recallOf(confusion).map((recall, i) => {
    const row = confusion[i] ?? []
    const images = row.reduce((sum, count) => sum + count, 0)
    return { name: names[i] ?? `class ${i}`, images, recall, interval: wilsonInterval(row[i] ?? 0, images) }
  })
}

function checkFit({ config }: Checkpoint, data: DataSet): void {
  const expected = [config.channels, config.imageSize, config.imageSize, config.classes]
  const actual = [data.channels, data.height, data.width, data.facts.classes.length]
  if (expected.join() !== actual.join()) throw new Problem('shape-mismatch', 'channels, height, width or classes of the data do not fit the checkpoint', { expected, actual })
}
