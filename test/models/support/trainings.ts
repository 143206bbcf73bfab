/** Trainings of a test, each in a place of its own. */
import { join } from 'node:path'
import type { Checkpoint } from '../../../models/checkpoint.ts'
import { openRunStore } from '../../../models/training/run-store.ts'
import { runTraining, type TrainingJob } from '../../../models/training/run-training.ts'

/** A job that is neither resumed nor stopped and tells nobody, kept under its name in the folder. */
export function trainingJob(folder: string, name: string, given: Pick<TrainingJob, 'recipe' | 'data' | 'seed' | 'backend'> & Partial<TrainingJob>): TrainingJob {
  return { store: openRunStore(join(folder, name)), resume: false, report: () => {}, shouldStop: () => false, ...given }
}

/** The checkpoint of a training that runs to its end. */
export async function trained(job: TrainingJob): Promise<Checkpoint> {
  const outcome = await runTraining(job)
  if (outcome.kind !== 'finished') throw new Error('the training was interrupted')
  return outcome.checkpoint
}
