/** Maps that take many forward passes, as work that is ordered, looked at and cancelled. In memory: it ends with the process, and with the prediction that it explains. */
import type { ExplanationMap } from './explanation.ts'
import type { Manifest } from './manifest.ts'
import type { PerturbationMethod } from './perturbation.ts'
import type { ProblemData } from './problem.ts'

export type ExplanationState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled'

export const FINAL_EXPLANATION_STATES: readonly ExplanationState[] = ['done', 'failed', 'cancelled']

export interface ExplanationOrder {
  /** Of a kept prediction, whose network input is explained. */
  readonly predictionId: string
  readonly model: Pick<Manifest, 'id' | 'patchGrid' | 'prefixTokens'>
  readonly method: PerturbationMethod
  readonly explainedClass: { readonly index: number; readonly name: string }
  /** Of the network's own masks in that prediction, where it draws any. */
  readonly networkSeed: number
}

/** Times are ISO 8601, UTC. */
export interface ExplanationJob {
  readonly id: string
  readonly order: ExplanationOrder
  readonly state: ExplanationState
  /** Forward passes; `done` never falls. */
  readonly progress: { readonly done: number; readonly total: number }
  readonly createdAt: string
  readonly finishedAt: string | null
  /** Why it failed; null otherwise. */
  readonly problem: ProblemData | null
  /** null until it is done. */
  readonly map: ExplanationMap | null
}

export interface ExplanationSubmission {
  readonly job: ExplanationJob
  /** Whether this call made the job: an equal order that was not cancelled and has not failed is answered with its job. */
  readonly isNew: boolean
}

export interface ExplanationJobs {
  /** Throws "overloaded" where as many wait as may, "model-not-ready" while the server stops. */
  submit(order: ExplanationOrder): ExplanationSubmission
  /** Throws "job-unknown", also for a job of another prediction. */
  find(predictionId: string, id: string): ExplanationJob
  /** Of one prediction, in the order in which they came. */
  list(predictionId: string): readonly ExplanationJob[]
  /** Stops before the next slice. Throws "job-unknown", "job-finished". */
  cancel(predictionId: string, id: string): ExplanationJob
  counts(): Readonly<Record<ExplanationState, number>>
}
