/** Durable work: an order that was accepted, what became of it, and the objects that it delivers. */
import type { ProblemData } from './problem.ts'

/** A DICOM object ready to be stored. Its UID follows from source, model and kind: a second delivery is the same object. */
export interface ResultObject {
  /** 'sr', 'sc', 'seg', 'pm' and the like. */
  readonly kind: string
  readonly studyInstanceUid: string
  readonly seriesInstanceUid: string
  readonly sopClassUid: string
  readonly sopInstanceUid: string
  /** A Part 10 file, explicit VR little endian. */
  readonly bytes: Uint8Array
}

/** Where a delivered object is found. */
export type ResultReference = Omit<ResultObject, 'bytes'>

/** One received instance, to be predicted and its results delivered. */
export interface InstanceOrder {
  readonly kind: 'instance'
  /** Which door it came through: 'stow', 'c-store', 'folder', 'http', 'pull', 'ups'. */
  readonly door: string
  /** The peer's name in the settings, such as a calling AE title; null where there is none. */
  readonly peer: string | null
  /** null leaves the choice to the routing rules. */
  readonly modelId: string | null
  /** Names of destinations; null leaves the choice to the routing rules. */
  readonly destinations: readonly string[] | null
}

/** Instances to be fetched from a configured archive, each of which becomes an order of its own. */
export interface PullOrder {
  readonly kind: 'pull'
  /** Name of the archive in the settings. */
  readonly archive: string
  readonly studyInstanceUid: string
  readonly seriesInstanceUid: string | null
  readonly sopInstanceUid: string | null
  readonly modelId: string | null
  readonly destinations: readonly string[] | null
}

export type JobOrder = InstanceOrder | PullOrder

/**
 * 'queued' waits, also for its next attempt. 'running' predicts, or fetches. 'delivering' has results that some destination lacks.
 * 'failed' can't be done whatever is retried; 'dead' has used up its attempts. Both can be replayed.
 */
export type JobState = 'queued' | 'running' | 'delivering' | 'done' | 'skipped' | 'failed' | 'dead' | 'cancelled'

export const FINAL_JOB_STATES: readonly JobState[] = ['done', 'skipped', 'failed', 'dead', 'cancelled']

export interface JobProgress {
  readonly step: 'wait' | 'predict' | 'fetch' | 'deliver' | 'end'
  /** Destinations served, or orders of a pull that came to an end. */
  readonly done: number
  readonly total: number
}

export interface JobDelivery {
  readonly destination: string
  readonly state: 'waiting' | 'done' | 'dead' | 'cancelled'
  readonly attempts: number
  readonly problem: ProblemData | null
}

/** A job as its owner may see it: no UID, no attribute of the image. Times are ISO 8601, UTC. */
export interface Job {
  readonly id: string
  readonly kind: JobOrder['kind']
  /** The door of an instance; 'pull' for a pull. */
  readonly door: string
  readonly state: JobState
  /** Higher goes first. */
  readonly priority: number
  readonly progress: JobProgress
  readonly createdAt: string
  readonly updatedAt: string
  readonly finishedAt: string | null
  readonly modelId: string | null
  readonly predictionId: string | null
  /** Why a job was skipped; null otherwise. */
  readonly reason: string | null
  readonly problem: ProblemData | null
  readonly resultKinds: readonly string[]
  readonly deliveries: readonly JobDelivery[]
  /** The pull that this job came from. */
  readonly parentId: string | null
}

export interface JobEvent {
  /** Ascending within the whole queue; the place to go on from. */
  readonly sequence: number
  readonly jobId: string
  readonly at: string
  readonly state: JobState
  readonly progress: JobProgress
  /** Present where a destination or a problem is what changed. */
  readonly destination: string | null
  readonly problem: ProblemData | null
}

export interface SubmitOptions {
  /** Equal keys give one job: the second submission returns the first one's. */
  readonly idempotencyKey?: string
  /** -100 to 100, 0 by default; higher goes first. */
  readonly priority?: number
}

export interface Submission {
  readonly job: Job
  /** Whether this call made the job. */
  readonly isNew: boolean
}

export interface JobFilter {
  readonly state?: JobState
  /** At most this many, newest first. */
  readonly limit: number
}

export interface JobCounts {
  readonly states: Readonly<Record<JobState, number>>
  /** Seconds since the oldest job that waits was accepted; 0 where none waits. */
  readonly oldestQueuedSeconds: number
}

/** The durable queue as the rooms beside it know it. An accepted job outlives the process. */
export interface Jobs {
  /** Throws "parameter-invalid" where the idempotency key belongs to a different order. Once it returns, the order is never lost. */
  submitInstance(order: InstanceOrder, bytes: Uint8Array, options?: SubmitOptions): Promise<Submission>
  submitPull(order: PullOrder, options?: SubmitOptions): Promise<Submission>
  /** Throws "job-unknown". */
  find(id: string): Promise<Job>
  list(filter: JobFilter): Promise<readonly Job[]>
  /** Throws "job-unknown", "job-finished". What was delivered already stays delivered. */
  cancel(id: string): Promise<Job>
  /** A failed or dead job, taken up again where it stopped. Throws "job-unknown", "job-finished" for any other state. */
  replay(id: string): Promise<Job>
  /** Events from `after` on, until the job comes to its end or the signal fires. Throws "job-unknown". */
  follow(id: string, after: number, signal: AbortSignal): AsyncIterable<JobEvent>
  counts(): Promise<JobCounts>
}

/** What became of an instance. */
export type InstanceOutcome =
  | { readonly kind: 'skipped'; readonly reason: string }
  | {
      readonly kind: 'results'
      readonly modelId: string
      readonly predictionId: string | null
      readonly objects: readonly ResultObject[]
      readonly destinations: readonly string[]
    }

/** What the queue calls to do the work; `main` joins it from engines, results and pacs. Every part may run twice for one job and must then come to the same. */
export interface JobWork {
  /** Throws a Problem; which ones are tried again is `isWorthAnother`. */
  perform(order: InstanceOrder, bytes: Uint8Array, job: { readonly id: string; readonly createdAt: Date }, signal: AbortSignal): Promise<InstanceOutcome>
  /** Each fetched instance's bytes. */
  retrieve(order: PullOrder, signal: AbortSignal): AsyncIterable<Uint8Array>
  /**
   * Returns once every object lies at the destination. Objects come in order, and not necessarily all of a job at once.
   *
   * isRepeated  an earlier attempt may have stored some of them: its process may have died before it could say so
   */
  deliver(destination: string, objects: readonly ResultObject[], signal: AbortSignal, isRepeated: boolean): Promise<void>
}

/** Whether trying again later may help, told by the code: a peer that was away, an engine that was busy or lost, an unexpected failure. */
export function isTransient(code: ProblemData['code']): boolean {
  return ['model-not-ready', 'overloaded', 'deadline-exceeded', 'pacs-unreachable', 'engine-lost', 'internal'].includes(code)
}

/**
 * How often in all an instance is tried whose compressed frame took too long. A busy machine is one reason, a codestream without end the other: the file
 * that is no good must come to its end as failed.
 */
export const CODEC_TRIES = 4

/** Whether to try again after a failure of this code that was met so often, this time included, since the job was taken up. */
export function isWorthAnother(code: ProblemData['code'], timesMet: number): boolean {
  return isTransient(code) || (code === 'codec-timeout' && timesMet < CODEC_TRIES)
}
