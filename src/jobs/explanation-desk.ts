/** Orders for maps of many forward passes in, jobs in memory out: a bounded queue whose jobs ask the engines slice by slice. */
import { setTimeout as pause } from 'node:timers/promises'
import {
  type ExplanationJob,
  type ExplanationJobs,
  type ExplanationOrder,
  type ExplanationState,
  type ExplanationSubmission,
  FINAL_EXPLANATION_STATES,
} from '../domain/explanation-job.ts'
import type { PredictionStore } from '../domain/kept-prediction.ts'
import type { Log } from '../domain/log.ts'
import { toLogFrames } from '../domain/log.ts'
import { type PerturbationEngines, type PerturbationOrder, passesOf, slicesOf } from '../domain/perturbation.ts'
import { Problem, type ProblemCode, toProblemData } from '../domain/problem.ts'

/** Before a slice is asked for again. */
const PAUSE_MS = 250
/** Of a slice whose engine was lost or whose deadline passed in the queue; the engines' own second try of a lost one comes on top. */
const MOST_ATTEMPTS = 2
/** A failure that may have nothing to do with the slice. */
const WORTH_ANOTHER_TRY: readonly ProblemCode[] = ['engine-lost', 'deadline-exceeded']
/** Finished jobs, with their maps; past that the oldest go. */
const MOST_FINISHED = 256
/** What a waiting job is taken to last, for Retry-After. */
const ASSUMED_JOB_SECONDS = 30

export interface ExplanationDeskSettings {
  readonly engines: PerturbationEngines
  readonly store: Pick<PredictionStore, 'findAnswer' | 'findArtifacts'>
  /** Jobs at work at the same time; each has one slice with the engines. */
  readonly atOnce: number
  /** Jobs that may wait; one more is "overloaded". */
  readonly queueLimit: number
  /** Of one job, from its first slice on. */
  readonly deadlineMs: number
  readonly now: () => Date
  readonly newId: () => string
  readonly log: Log
  /** Once it is aborted, nothing is taken and what runs fails. */
  readonly stopping: AbortSignal
}

export interface ExplanationDesk extends ExplanationJobs {
  /** Forgets the jobs of predictions that are no longer kept, ending those at work. Returns how many. */
  sweep(): Promise<number>
}

export function openExplanationDesk(settings: ExplanationDeskSettings): ExplanationDesk {
  return new Desk(settings)
}

interface Entry {
  job: ExplanationJob
  readonly ending: AbortController
}

class Desk implements ExplanationDesk {
  readonly #settings: ExplanationDeskSettings
  /** By id, in the order in which they came. */
  readonly #entries = new Map<string, Entry>()
  #running = 0

  constructor(settings: ExplanationDeskSettings) {
    this.#settings = settings
    settings.stopping.addEventListener('abort', () => this.#endAll(), { once: true })
  }

  submit(order: ExplanationOrder): ExplanationSubmission {
    const { stopping, queueLimit, atOnce, newId, now } = this.#settings
    if (stopping.aborted) throw stoppingProblem()
    const known = this.#equalTo(order)
    if (known !== undefined) return { job: known, isNew: false }
    const waiting = this.#waiting().length
    if (this.#running >= atOnce && waiting >= queueLimit) {
      throw new Problem('overloaded', `${waiting} explanations wait already`, { retryAfterSeconds: ASSUMED_JOB_SECONDS })
    }
    const total = passesOf(order.method, order.model)
    const job: ExplanationJob = { id: newId(), order, state: 'queued', progress: { done: 0, total }, createdAt: now().toISOString(), finishedAt: null, problem: null, map: null }
    const entry: Entry = { job, ending: new AbortController() }
    this.#entries.set(job.id, entry)
    this.#startNext()
    return { job: entry.job, isNew: true }
  }

  find(predictionId: string, id: string): ExplanationJob {
    return this.#entryOf(predictionId, id).job
  }

  list(predictionId: string): readonly ExplanationJob[] {
    return [...this.#entries.values()].map(({ job }) => job).filter(({ order }) => order.predictionId === predictionId)
  }

  cancel(predictionId: string, id: string): ExplanationJob {
    const entry = this.#entryOf(predictionId, id)
    if (isFinal(entry.job)) throw new Problem('job-finished', 'the explanation has come to its end', {})
    this.#finish(entry, { state: 'cancelled' })
    entry.ending.abort()
    return entry.job
  }

  counts(): Readonly<Record<ExplanationState, number>> {
    const counts = { queued: 0, running: 0, done: 0, failed: 0, cancelled: 0 }
    for (const { job } of this.#entries.values()) counts[job.state]++
    return counts
  }

  async sweep(): Promise<number> {
    let removed = 0
    for (const [id, entry] of [...this.#entries]) {
      if (await this.#isKept(entry.job.order.predictionId)) continue
      if (!isFinal(entry.job)) this.#end(entry, new Problem('prediction-expired', 'the prediction was kept for a limited time, which is over', {}))
      this.#entries.delete(id)
      removed++
    }
    return removed
  }

  #isKept(predictionId: string): Promise<boolean> {
    return this.#settings.store.findAnswer(predictionId).then(
      () => true,
      (error: unknown) => !(error instanceof Problem && (error.code === 'prediction-expired' || error.code === 'prediction-unknown')),
    )
  }

  #entryOf(predictionId: string, id: string): Entry {
    const entry = this.#entries.get(id)
    if (entry === undefined || entry.job.order.predictionId !== predictionId) throw new Problem('job-unknown', 'the prediction has no explanation of this id', {})
    return entry
  }

  #equalTo(order: ExplanationOrder): ExplanationJob | undefined {
    const key = JSON.stringify(order)
    return [...this.#entries.values()].map(({ job }) => job).find((job) => job.state !== 'failed' && job.state !== 'cancelled' && JSON.stringify(job.order) === key)
  }

  #waiting(): readonly Entry[] {
    return [...this.#entries.values()].filter(({ job }) => job.state === 'queued')
  }

  #startNext(): void {
    for (const entry of this.#waiting().slice(0, this.#settings.atOnce - this.#running)) {
      this.#running++
      entry.job = { ...entry.job, state: 'running' }
      void this.#run(entry).finally(() => {
        this.#running--
        this.#startNext()
      })
    }
  }

  /** Never rejects: whatever goes wrong is the job's problem. */
  async #run(entry: Entry): Promise<void> {
    const { deadlineMs } = this.#settings
    const deadline = setTimeout(() => entry.ending.abort(new Problem('deadline-exceeded', `not done within ${deadlineMs} ms`, { limitMs: deadlineMs })), deadlineMs)
    try {
      const map = await this.#work(entry)
      this.#finish(entry, { state: 'done', map })
    } catch (error) {
      this.#fail(entry, error)
    } finally {
      clearTimeout(deadline)
    }
  }

  async #work(entry: Entry): Promise<ExplanationJob['map']> {
    const { engines } = this.#settings
    const { signal } = entry.ending
    const { model, method } = entry.job.order
    const order = await this.#toPerturbation(entry.job.order)
    const probabilities = new Float64Array(passesOf(method, model))
    for (const { start, count } of slicesOf(method, model)) {
      signal.throwIfAborted()
      probabilities.set(await patiently(() => engines.perturb({ kind: 'perturb', order, start, count }, signal), signal), start)
      signal.throwIfAborted()
      entry.job = { ...entry.job, progress: { ...entry.job.progress, done: start + count } }
    }
    const map = await patiently(() => engines.buildPerturbationMap({ kind: 'perturbation-map', order, probabilities }, signal), signal)
    signal.throwIfAborted()
    return map
  }

  /** The input is read when the work begins: jobs that wait hold none. Throws: "prediction-expired", "prediction-unknown". */
  async #toPerturbation({ predictionId, model, method, explainedClass, networkSeed }: ExplanationOrder): Promise<PerturbationOrder> {
    const { networkInput } = await this.#settings.store.findArtifacts(predictionId)
    if (networkInput === undefined) throw withoutInput()
    return { modelId: model.id, method, pixels: networkInput, classIndex: explainedClass.index, networkSeed }
  }

  #fail(entry: Entry, error: unknown): void {
    // Cancelled while a slice was away: said already.
    if (isFinal(entry.job)) return
    const problem = toProblemData(error)
    if (!(error instanceof Problem)) this.#settings.log.error({ explanation: entry.job.id, frames: toLogFrames(error) }, 'explanation failed')
    this.#finish(entry, { state: 'failed', problem })
  }

  #finish(entry: Entry, outcome: Pick<ExplanationJob, 'state'> & Partial<ExplanationJob>): void {
    entry.job = { ...entry.job, ...outcome, finishedAt: this.#settings.now().toISOString() }
    const { id, order, state, progress, problem } = entry.job
    this.#settings.log.info({ explanation: id, model: order.model.id, method: order.method.kind, state, passes: progress.done, code: problem?.code ?? null }, 'explanation ended')
    const finished = [...this.#entries.values()].filter(({ job }) => isFinal(job))
    for (const { job } of finished.slice(0, Math.max(0, finished.length - MOST_FINISHED))) this.#entries.delete(job.id)
  }

  #endAll(): void {
    for (const entry of this.#entries.values()) if (!isFinal(entry.job)) this.#end(entry, stoppingProblem())
  }

  /** At once: the slice that is away comes back unread. */
  #end(entry: Entry, problem: Problem): void {
    this.#finish(entry, { state: 'failed', problem: toProblemData(problem) })
    entry.ending.abort()
  }
}

/** A full queue is waited for; what may succeed the next time is asked for once more. */
async function patiently<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let failures = 0; ; ) {
    try {
      return await ask()
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof Problem)) throw error
      const mayTryAgain = error.code === 'overloaded' || (WORTH_ANOTHER_TRY.includes(error.code) && ++failures < MOST_ATTEMPTS)
      if (!mayTryAgain) throw error
    }
    await pause(PAUSE_MS, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

function isFinal({ state }: ExplanationJob): boolean {
  return FINAL_EXPLANATION_STATES.includes(state)
}

function stoppingProblem(): Problem {
  return new Problem('model-not-ready', 'the server is stopping', {})
}

function withoutInput(): Problem {
  return new Problem('prediction-expired', 'the prediction was kept before what the network saw was: send the image again', {})
}
