/** A job of the queue in, the job as the API shows it out. */
import type { Job, JobDelivery, JobEvent } from '../domain/job.ts'
import { Problem, type ProblemData } from '../domain/problem.ts'
import { toProblemParts } from './problem-json.ts'

/** A problem that a job met, as the answer of a request would tell it. */
export interface JobProblem {
  readonly type: string
  readonly title: string
  readonly code: string
  readonly detail: string
}

export interface JobAnswer extends Omit<Job, 'problem' | 'deliveries'> {
  readonly problem: JobProblem | null
  readonly deliveries: readonly (Omit<JobDelivery, 'problem'> & { readonly problem: JobProblem | null })[]
  readonly href: { readonly self: string; readonly events: string; readonly prediction: string | null }
}

export function toJobAnswer(job: Job): JobAnswer {
  const self = `/v1/jobs/${job.id}`
  return {
    ...job,
    problem: toJobProblem(job.problem),
    deliveries: job.deliveries.map((delivery) => ({ ...delivery, problem: toJobProblem(delivery.problem) })),
    href: { self, events: `${self}/events`, prediction: job.predictionId === null ? null : `/v1/predictions/${job.predictionId}` },
  }
}

export interface JobEventAnswer extends Omit<JobEvent, 'problem'> {
  readonly problem: JobProblem | null
}

export function toEventAnswer(event: JobEvent): JobEventAnswer {
  return { ...event, problem: toJobProblem(event.problem) }
}

export function toJobProblem(data: ProblemData | null): JobProblem | null {
  if (data === null) return null
  const { type, title, code, detail } = toProblemParts(new Problem(data.code, data.detail, data.facts))
  // A fault's own words point at the log of a request, and a job has none.
  return { type, title, code, detail: code === 'internal' ? 'an unexpected failure; the log of the server tells where' : detail }
}
