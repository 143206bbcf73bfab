/** A trained checkpoint and its data in, the small record of the run that the table of the seeds is made from out. */
import { createHash } from 'node:crypto'
import { Problem } from '../../src/domain/problem.ts'
import type { ChosenBackend } from '../backend/choose-backend.ts'
import { readCheckpoint } from '../checkpoint.ts'
import type { DataSet } from '../data/data-set.ts'
import { type Evaluation, evaluateCheckpoint } from '../evaluate-checkpoint.ts'
import { trainingRecordOf } from '../training/training-record.ts'

export type Figures = Pick<Evaluation['test'], 'images' | 'auc' | 'accuracy' | 'balancedAccuracy' | 'nll' | 'ece'>

export interface RunRecord {
  readonly recipe: string
  readonly title: string
  readonly seed: number
  readonly dataSet: string
  readonly dataSha256: string
  readonly checkpointSha256: string
  readonly backend: string
  readonly epochs: number
  readonly selectedEpoch: number
  readonly validation: Figures
  readonly test: Figures
  readonly aucInterval: Evaluation['aucInterval']
  readonly accuracyInterval: Evaluation['accuracyInterval']
  readonly temperature: number
  readonly calibrated: Pick<Evaluation['test'], 'nll' | 'ece'>
  /** Of the test split; null for a plain network. */
  readonly withoutStructure: Pick<Figures, 'auc' | 'accuracy'> | null
  readonly structure: Evaluation['structure']
  readonly sampling: Evaluation['sampling']
  /** Each epoch's training loss, validation loss and validation AUC. */
  readonly curves: readonly (readonly [number, number, number])[]
}

/** Throws: "checkpoint-invalid", "shape-mismatch"; "parameter-invalid" where the data is not the training's. */
export async function recordRun(bytes: Uint8Array, data: DataSet, backend: ChosenBackend): Promise<RunRecord> {
  const checkpoint = readCheckpoint(bytes)
  const training = trainingRecordOf(checkpoint)
  if (training.data.sha256 !== data.sha256) throw new Problem('parameter-invalid', 'the data file is not the one that the network was trained on', { parameter: 'data' })
  const evaluation = await evaluateCheckpoint(checkpoint, data, backend)
  const { withoutStructure, calibrated } = evaluation
  return rounded({
    recipe: training.recipe,
    title: training.title,
    seed: training.seed,
    dataSet: data.facts.id,
    dataSha256: data.sha256,
    checkpointSha256: createHash('sha256').update(bytes).digest('hex'),
    backend: training.backend,
    epochs: training.settings.epochs,
    selectedEpoch: training.selectedEpoch,
    validation: figuresOf(evaluation.validation),
    test: figuresOf(evaluation.test),
    aucInterval: evaluation.aucInterval,
    accuracyInterval: evaluation.accuracyInterval,
    temperature: evaluation.temperature,
    calibrated: { nll: calibrated.nll, ece: calibrated.ece },
    withoutStructure: withoutStructure && { auc: withoutStructure.auc, accuracy: withoutStructure.accuracy },
    structure: evaluation.structure,
    sampling: evaluation.sampling,
    curves: training.curves.map(({ trainingLoss, validationLoss, validationAuc }) => [trainingLoss, validationLoss, validationAuc] as const),
  })
}

function figuresOf({ images, auc, accuracy, balancedAccuracy, nll, ece }: Evaluation['test']): Figures {
  return { images, auc, accuracy, balancedAccuracy, nll, ece }
}

/** Five decimals are finer than any difference that is told. */
function rounded<T>(value: T): T {
  return JSON.parse(JSON.stringify(value, (_, item) => (typeof item === 'number' && !Number.isInteger(item) ? Number(item.toFixed(5)) : item)))
}
