/** Requests in, answers of forked engines out: one bounded queue, a deadline for each request, engines that are replaced when they die. */
import type { DicomResults } from '../domain/dicom-result.ts'
import type { ExplanationMap } from '../domain/explanation.ts'
import type { Log } from '../domain/log.ts'
import type { PerturbationEngines, PerturbationMapRequest, PerturbRequest } from '../domain/perturbation.ts'
import type { EngineStats, Engines, Predicted, PredictRequest, RenderedMap, RenderRequest, ResultsRequest } from '../domain/prediction.ts'
import { fromProblemData, Problem, type ProblemData } from '../domain/problem.ts'
import type { InstanceRequest, InstanceResult } from '../routing/instance.ts'
import { type EngineProcess, type EngineProcessSettings, startEngineProcess } from './engine-process.ts'
import type { EngineRequest, EngineResult, FromEngine } from './messages.ts'

/** A job that crashed this many engines is given up: it is then the likely cause. */
const MAX_ATTEMPTS = 2
/** Engines that never became ready this often in a row end the start. */
const MAX_FAILED_STARTS = 3
const FIRST_RESTART_DELAY_MS = 100
const LONGEST_RESTART_DELAY_MS = 5000
const STOP_LIMIT_MS = 2000
/** Before anything was measured: what a request is taken to last, for Retry-After. */
const ASSUMED_JOB_MS = 1000
const LONGEST_RETRY_AFTER_SECONDS = 60

export interface EnginePoolSettings extends EngineProcessSettings {
  readonly engines: number
  /** Requests that may wait; one more is "overloaded". */
  readonly queueLimit: number
  /** From asking to answer, the wait included; an instance of several frames has as long again for each further frame. */
  readonly deadlineMs: number
  readonly log: Log
}

export interface EnginePool extends Engines, PerturbationEngines {
  /**
   * The ids of the models, once every engine has them warm.
   *
   * Throws: what a bundle was refused for; "engine-lost" where the engines can't start.
   */
  ready(): Promise<readonly string[]>
  /** Asks the rules about an instance, predicts it and makes its results, in one engine. Throws what `predict` throws. */
  processInstance(instance: InstanceRequest, signal?: AbortSignal): Promise<InstanceResult>
  /** Takes nothing more, waits for what was taken, at most so long, and ends every engine. */
  drain(limitMs: number): Promise<void>
}

interface Job {
  readonly id: number
  readonly request: EngineRequest
  readonly submittedAtMs: number
  startedAtMs: number
  attempts: number
  /** Whether the caller has its answer, or has gone. */
  isSettled: boolean
  settle(outcome: { result: EngineResult } | { error: unknown }): void
  /** Begins the deadline anew. */
  prolong(): void
  /** Stops the deadline and the listening for an abort. */
  forget(): void
}

interface Slot {
  process: EngineProcess | null
  job: Job | null
  isReady: boolean
  failedStarts: number
  restart: NodeJS.Timeout | null
}

/** A pool whose engines are starting. */
export function createEnginePool(settings: EnginePoolSettings): EnginePool {
  return new Pool(settings)
}

class Pool implements EnginePool {
  readonly #settings: EnginePoolSettings
  readonly #slots: Slot[]
  readonly #queue: Job[] = []
  readonly #started = new Start()
  #isDraining = false
  #whenIdle: (() => void) | null = null
  #restarts = 0
  #lastJobId = 0
  #usualJobMs = ASSUMED_JOB_MS

  constructor(settings: EnginePoolSettings) {
    this.#settings = settings
    this.#slots = Array.from({ length: settings.engines }, () => ({ process: null, job: null, isReady: false, failedStarts: 0, restart: null }))
    for (const slot of this.#slots) this.#start(slot)
  }

  ready(): Promise<readonly string[]> {
    return this.#started.promise
  }

  async predict(request: PredictRequest, signal?: AbortSignal): Promise<Predicted> {
    const { result, queueMs } = await this.#submit(request, signal)
    const { prediction, origin } = result as Predicted
    return { prediction: { ...prediction, timingMs: { ...prediction.timingMs, queue: queueMs } }, origin }
  }

  render(request: RenderRequest, signal?: AbortSignal): Promise<RenderedMap> {
    return this.#ask(request, signal)
  }

  makeResults(request: ResultsRequest, signal?: AbortSignal): Promise<DicomResults> {
    return this.#ask(request, signal)
  }

  processInstance(instance: InstanceRequest, signal?: AbortSignal): Promise<InstanceResult> {
    return this.#ask({ kind: 'instance', instance }, signal)
  }

  perturb(request: PerturbRequest, signal?: AbortSignal): Promise<Float64Array> {
    return this.#ask(request, signal)
  }

  buildPerturbationMap(request: PerturbationMapRequest, signal?: AbortSignal): Promise<ExplanationMap> {
    return this.#ask(request, signal)
  }

  refuseIfFull(): void {
    if (this.#isDraining) throw stopping()
    if (this.#queue.length >= this.#settings.queueLimit && this.#idleSlot() === undefined) throw this.#overloaded()
  }

  stats(): EngineStats {
    return {
      engines: this.#slots.length,
      ready: this.#slots.filter((slot) => slot.isReady).length,
      busy: this.#slots.filter((slot) => slot.job !== null).length,
      queued: this.#queue.length,
      queueLimit: this.#settings.queueLimit,
      restarts: this.#restarts,
    }
  }

  async drain(limitMs: number): Promise<void> {
    this.#isDraining = true
    await this.#idleWithin(limitMs)
    for (const job of this.#queue.splice(0)) job.settle({ error: stopping() })
    await Promise.all(this.#slots.map((slot) => this.#stop(slot)))
  }

  /** What a request of this kind is answered with, by the engine's own word. */
  async #ask<R extends EngineResult>(request: EngineRequest, signal?: AbortSignal): Promise<R> {
    const { result } = await this.#submit(request, signal)
    return result as R
  }

  #submit(request: EngineRequest, signal?: AbortSignal): Promise<{ result: EngineResult; queueMs: number }> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      this.refuseIfFull()
      const job = this.#createJob(request, signal, (outcome) => {
        if ('error' in outcome) reject(outcome.error)
        else resolve({ result: outcome.result, queueMs: job.startedAtMs - job.submittedAtMs })
      })
      this.#queue.push(job)
      this.#dispatch()
    })
  }

  #createJob(request: EngineRequest, signal: AbortSignal | undefined, answer: (outcome: { result: EngineResult } | { error: unknown }) => void): Job {
    const expire = (): NodeJS.Timeout => setTimeout(() => this.#expire(job), this.#settings.deadlineMs)
    let deadline = expire()
    const onAbort = (): void => this.#abandon(job, signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    const job: Job = {
      id: ++this.#lastJobId,
      request,
      submittedAtMs: performance.now(),
      startedAtMs: 0,
      attempts: 0,
      isSettled: false,
      settle: (outcome) => {
        if (job.isSettled) return
        job.isSettled = true
        answer(outcome)
      },
      prolong: () => {
        clearTimeout(deadline)
        deadline = expire()
      },
      forget: () => {
        clearTimeout(deadline)
        signal?.removeEventListener('abort', onAbort)
      },
    }
    return job
  }

  #dispatch(): void {
    for (let slot = this.#idleSlot(); slot !== undefined && this.#queue.length > 0; slot = this.#idleSlot()) {
      const job = this.#queue.shift()
      if (job === undefined) return
      slot.job = job
      job.attempts++
      job.startedAtMs = performance.now()
      slot.process?.send({ kind: 'job', jobId: job.id, request: job.request })
    }
    if (this.#isIdle()) this.#whenIdle?.()
  }

  #idleSlot(): Slot | undefined {
    return this.#slots.find((slot) => slot.isReady && slot.job === null)
  }

  #isIdle(): boolean {
    return this.#queue.length === 0 && this.#slots.every((slot) => slot.job === null)
  }

  #idleWithin(limitMs: number): Promise<void> {
    if (this.#isIdle()) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limitMs)
      this.#whenIdle = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** Over its time: a waiting job leaves the queue, a running one takes its engine with it, since native code can't be stopped otherwise. */
  #expire(job: Job): void {
    job.forget()
    job.settle({ error: new Problem('deadline-exceeded', `no answer within ${this.#settings.deadlineMs} ms`, { limitMs: this.#settings.deadlineMs }) })
    const slot = this.#slots.find((candidate) => candidate.job === job)
    if (slot === undefined) {
      this.#leaveQueue(job)
      return
    }
    this.#settings.log.warn({ engine: slot.process?.pid ?? 0, limitMs: this.#settings.deadlineMs }, 'engine killed at its deadline')
    slot.process?.kill()
  }

  /** The caller has gone: a waiting job is dropped; a running one ends unread, and its deadline still holds. */
  #abandon(job: Job, reason: unknown): void {
    job.settle({ error: reason })
    if (this.#slots.some((slot) => slot.job === job)) return
    job.forget()
    this.#leaveQueue(job)
  }

  #leaveQueue(job: Job): void {
    const index = this.#queue.indexOf(job)
    if (index >= 0) this.#queue.splice(index, 1)
    this.#dispatch()
  }

  #start(slot: Slot): void {
    slot.restart = null
    const engine = startEngineProcess(this.#settings, {
      onMessage: (message) => this.#receive(slot, message),
      onExit: (lastWords) => this.#onExit(slot, lastWords),
    })
    slot.process = engine
  }

  #receive(slot: Slot, message: FromEngine): void {
    switch (message.kind) {
      case 'ready':
        this.#onReady(slot, message.models)
        break
      case 'refused':
        this.#onRefused(slot, message)
        break
      case 'advanced':
        this.#advance(slot, message.jobId)
        break
      case 'done':
        this.#finish(slot, message.jobId, { result: message.result })
        break
      case 'failed':
        if (message.frames !== null) this.#settings.log.error({ code: message.problem.code, frames: message.frames }, 'engine job failed')
        this.#finish(slot, message.jobId, { error: fromProblemData(message.problem) })
        break
    }
  }

  #onReady(slot: Slot, models: readonly string[]): void {
    slot.isReady = true
    slot.failedStarts = 0
    if (this.#slots.every((each) => each.isReady)) this.#started.resolve(models)
    this.#dispatch()
  }

  /** A bundle that one engine refuses, every engine refuses: there is no use in trying again at once. */
  #onRefused(slot: Slot, { problem, frames }: { problem: ProblemData; frames: string | null }): void {
    this.#settings.log.error({ code: problem.code, ...(frames === null ? {} : { frames }) }, 'engine could not start')
    this.#started.reject(fromProblemData(problem))
    slot.failedStarts = MAX_FAILED_STARTS
    slot.process?.kill()
  }

  /** A frame is done, the next one has its own time. Where the engine is being killed already, its exit ends the new deadline. */
  #advance({ job }: Slot, jobId: number): void {
    if (job?.id === jobId) job.prolong()
  }

  #finish(slot: Slot, jobId: number, outcome: { result: EngineResult } | { error: unknown }): void {
    const job = slot.job
    if (job === null || job.id !== jobId) return
    slot.job = null
    job.forget()
    this.#usualJobMs += (performance.now() - job.startedAtMs - this.#usualJobMs) / 8
    job.settle(outcome)
    this.#dispatch()
  }

  #onExit(slot: Slot, lastWords: string): void {
    const job = slot.job
    const wasReady = slot.isReady
    Object.assign(slot, { process: null, job: null, isReady: false })
    if (!wasReady) this.#countFailedStart(slot, lastWords)
    if (job !== null) this.#afterCrash(job)
    if (!this.#isDraining) this.#restart(slot)
    this.#dispatch()
  }

  #countFailedStart(slot: Slot, lastWords: string): void {
    slot.failedStarts++
    if (this.#isDraining) return
    this.#settings.log.error({ failedStarts: slot.failedStarts, lastWords }, 'engine ended before it was ready')
    if (slot.failedStarts >= MAX_FAILED_STARTS) this.#started.reject(new Problem('engine-lost', 'the engines end before they are ready', {}))
  }

  /** One more try, ahead of those that wait; a job that has already had it is given up. */
  #afterCrash(job: Job): void {
    if (job.isSettled || this.#isDraining || job.attempts >= MAX_ATTEMPTS) {
      job.forget()
      job.settle({ error: new Problem('engine-lost', `the engine ended ${job.attempts} times during this request`, {}) })
      return
    }
    this.#queue.unshift(job)
  }

  #restart(slot: Slot): void {
    this.#restarts++
    const delayMs = slot.failedStarts === 0 ? 0 : Math.min(LONGEST_RESTART_DELAY_MS, FIRST_RESTART_DELAY_MS * 2 ** slot.failedStarts)
    slot.restart = setTimeout(() => this.#start(slot), delayMs)
  }

  async #stop(slot: Slot): Promise<void> {
    if (slot.restart !== null) clearTimeout(slot.restart)
    if (slot.job !== null) slot.process?.kill()
    await slot.process?.stop(STOP_LIMIT_MS)
  }

  #overloaded(): Problem {
    const waitMs = ((this.#queue.length + 1) * this.#usualJobMs) / this.#slots.length
    const retryAfterSeconds = Math.min(LONGEST_RETRY_AFTER_SECONDS, Math.max(1, Math.ceil(waitMs / 1000)))
    return new Problem('overloaded', `${this.#queue.length} requests wait already`, { retryAfterSeconds })
  }
}

/** The outcome of the pool's first start, settled once. */
class Start {
  readonly promise: Promise<readonly string[]>
  resolve: (models: readonly string[]) => void = () => undefined
  reject: (error: unknown) => void = () => undefined

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // A pool whose readiness nobody awaits must not end the process.
    this.promise.catch(() => undefined)
  }
}

function stopping(): Problem {
  return new Problem('model-not-ready', 'the server is stopping', {})
}
