/** One queue of pg-boss in, each of its jobs handed to a function out, a bounded number at a time. */
import type { JobWithMetadata, PgBoss } from 'pg-boss'
import { type Log, toLogFrames } from '../domain/log.ts'
import { toProblemData } from '../domain/problem.ts'

export interface LoopSettings {
  readonly queue: string
  readonly concurrency: number
  /** How long an idle loop waits before it looks again; a call of `wake` cuts it short. */
  readonly pollMs: number
  /** How often a running job tells the database that its process lives. */
  readonly heartbeatMs: number
}

/** What is in a job of pg-boss: which of our jobs, and which destination where it is a delivery. */
export interface Ticket {
  readonly jobId: string
  readonly destination?: string
}

/** Returns where the ticket is settled; what it throws is a reason to try again later. */
export type TicketHandler = (ticket: Ticket, signal: AbortSignal) => Promise<void>

export interface WorkLoop {
  start(): void
  wake(): void
  /** Ends the work on this job, if it is here. */
  abort(jobId: string): void
  /** Takes no more, waits as long as given, then aborts what still runs; that is tried again at the next start. */
  stop(graceMs: number): Promise<void>
}

/** pg-boss' own worker sleeps between batches; this one takes the next job as soon as a place is free. */
export function createWorkLoop(boss: PgBoss, settings: LoopSettings, handle: TicketHandler, log: Log): WorkLoop {
  return new Loop(boss, settings, handle, log)
}

/** How long aborted work may take to notice. */
const ABORT_MS = 2000

interface Running {
  readonly jobId: string
  readonly controller: AbortController
  readonly settled: Promise<void>
}

class Loop implements WorkLoop {
  readonly #boss: PgBoss
  readonly #settings: LoopSettings
  readonly #handle: TicketHandler
  readonly #log: Log
  readonly #running = new Set<Running>()
  #pump: Promise<void> = Promise.resolve()
  #isStopping = false
  #isAwake = false
  #wakeSleeper: () => void = () => {}

  constructor(boss: PgBoss, settings: LoopSettings, handle: TicketHandler, log: Log) {
    this.#boss = boss
    this.#settings = settings
    this.#handle = handle
    this.#log = log
  }

  start(): void {
    this.#pump = this.#run()
  }

  wake(): void {
    this.#isAwake = true
    this.#wakeSleeper()
  }

  abort(jobId: string): void {
    for (const running of this.#running) if (running.jobId === jobId) running.controller.abort()
  }

  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true
    this.wake()
    await this.#pump
    const settled = Promise.all([...this.#running].map((running) => running.settled))
    if (await endsWithin(settled, graceMs)) return
    for (const running of this.#running) running.controller.abort()
    // What does not heed the signal is left behind: its ticket is handed out again.
    await endsWithin(settled, ABORT_MS)
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      this.#isAwake = false
      const taken = await this.#take()
      if (taken === 0 || this.#running.size >= this.#settings.concurrency) await this.#sleep()
    }
  }

  /** How many jobs were taken; a database that is away gives none. */
  async #take(): Promise<number> {
    const free = this.#settings.concurrency - this.#running.size
    if (free <= 0) return 0
    try {
      const jobs = await this.#boss.fetch<Ticket>(this.#settings.queue, { batchSize: free, includeMetadata: true })
      for (const job of jobs) this.#begin(job)
      return jobs.length
    } catch (error) {
      this.#log.error({ queue: this.#settings.queue, frames: toLogFrames(error) }, 'the queue cannot be read')
      return 0
    }
  }

  #begin(job: JobWithMetadata<Ticket>): void {
    const controller = new AbortController()
    const settled = this.#work(job, controller.signal).finally(() => {
      this.#running.delete(running)
      this.wake()
    })
    const running: Running = { jobId: job.data.jobId, controller, settled }
    this.#running.add(running)
  }

  async #work(job: JobWithMetadata<Ticket>, signal: AbortSignal): Promise<void> {
    const { queue, heartbeatMs } = this.#settings
    const attempt = { id: job.id, retryCount: job.retryCount }
    const heartbeat = setInterval(() => void this.#boss.touch(queue, attempt).catch(() => {}), heartbeatMs)
    try {
      const failure = await this.#attempt(job.data, signal)
      if (failure === null) await this.#boss.complete(queue, attempt)
      else await this.#boss.fail(queue, attempt, failure)
    } catch (error) {
      // Neither settled nor lost: its heartbeat ends, and the database hands it out again.
      this.#log.error({ queue, frames: toLogFrames(error) }, 'a job cannot be settled')
    } finally {
      clearInterval(heartbeat)
    }
  }

  /** Why the ticket must be tried again, null where it is settled. */
  async #attempt(ticket: Ticket, signal: AbortSignal): Promise<object | null> {
    try {
      await this.#handle(ticket, signal)
      return null
    } catch (error) {
      const problem = toProblemData(error)
      if (problem.code === 'internal') this.#log.error({ queue: this.#settings.queue, frames: toLogFrames(error) }, 'a job met an unexpected failure')
      return { code: problem.code }
    }
  }

  #sleep(): Promise<void> {
    if (this.#isAwake || this.#isStopping) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#settings.pollMs)
      this.#wakeSleeper = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

async function endsWithin(settled: Promise<unknown>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs)
  })
  const ended = await Promise.race([settled.then(() => true), late])
  clearTimeout(timer)
  return ended
}
