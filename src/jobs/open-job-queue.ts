/** A database, a folder and the work to be done in, the durable queue out. */
import { EventEmitter, once } from 'node:events'
import { PgBoss } from 'pg-boss'
import {
  FINAL_JOB_STATES,
  type InstanceOrder,
  type Job,
  type JobCounts,
  type JobEvent,
  type JobFilter,
  type JobState,
  type Jobs,
  type JobWork,
  type PullOrder,
  type ResultReference,
  type Submission,
  type SubmitOptions,
} from '../domain/job.ts'
import { type Log, toLogFrames } from '../domain/log.ts'
import { cancelJob, replayJob } from './change-course.ts'
import type { Database } from './database.ts'
import { buryTicket, performDelivery } from './deliver-job.ts'
import { openFileStore } from './file-store.ts'
import { findJob, type KeptObject, listEvents, listJobs } from './job-record.ts'
import { performInstance, performPull } from './perform-job.ts'
import { DEAD_QUEUE, deliverQueue, PREDICT_QUEUE, PULL_QUEUE, type QueueContext } from './queue-context.ts'
import { prepareSchema } from './schema.ts'
import { type Submitted, submitJob } from './submit-job.ts'
import { sweepJobs } from './sweep-jobs.ts'
import { createWorkLoop, type TicketHandler, type WorkLoop } from './work-loop.ts'

/** How often and how long a failing step is tried: the n-th wait is about `delaySeconds` · 2ⁿ, with jitter, and never above the maximum; 0 is at once. */
export interface RetrySettings {
  readonly limit: number
  readonly delaySeconds: number
  readonly maxDelaySeconds: number
}

export interface DestinationSettings {
  /** Letters, digits, '-' and '_'; part of the name of a queue. */
  readonly name: string
  readonly concurrency: number
  readonly retry: RetrySettings
}

export interface JobQueueSettings {
  readonly database: Database
  /** Payloads and undelivered results; servers that share the database share it. */
  readonly folder: string
  readonly work: JobWork
  readonly destinations: readonly DestinationSettings[]
  /** Instances handed to the engines at a time. */
  readonly predictConcurrency: number
  readonly predictRetry: RetrySettings
  /** How long finished jobs are kept. */
  readonly retentionMs: number
  /** How long an idle loop waits before it looks for what another server accepted. */
  readonly pollMs: number
  /** After this long without a sign of life a job is taken from the process that has it; 10 at least. */
  readonly heartbeatSeconds: number
  readonly now: () => Date
  /** 32 hexadecimal digits, unguessable. */
  readonly newId: () => string
  readonly log: Log
}

export interface JobQueue extends Jobs {
  /** Begins to work. Until then orders are accepted only. */
  start(): void
  /** Orders that wait, without a look at any other: asked for each that is accepted. */
  countQueued(): Promise<number>
  /** Lets the key of a job that was skipped or cancelled make a new one. */
  releaseKey(idempotencyKey: string): Promise<void>
  /** Of a pull: the objects that its instances were delivered as. Throws "job-unknown". */
  listOutputs(id: string): Promise<readonly ResultReference[]>
  /** Removes what is over its time; how many jobs that were. */
  sweep(): Promise<number>
  /** Throws where the database can't be reached. */
  ping(): Promise<void>
  /** Takes no more work, waits as long as given for what runs, and leaves the rest to the next start. The database stays open. */
  close(graceMs: number): Promise<void>
}

/** How long a ticket may run: a step that hangs longer is handed out again. */
const EXPIRE_SECONDS = 1800
/** Of a prediction: the engines end each frame that hangs, and hundreds of frames that do not are to be done in one go. */
const PREDICT_EXPIRE_SECONDS = 6 * 3600
/** pg-boss would drop tickets that wait longer; an accepted order is kept. */
const WAIT_SECONDS = 10 * 365 * 86_400
const SETTLED_SECONDS = 3600

/** The queue, its tables made and its orphans taken up; `start` sets it to work. */
export async function openJobQueue(settings: JobQueueSettings): Promise<JobQueue> {
  const { database, destinations } = settings
  await prepareSchema(database)
  const boss = new PgBoss({
    ...database.bossOptions(),
    schema: 'attending_queue',
    schedule: false,
    registerInstance: false,
    superviseIntervalSeconds: 5,
    monitorIntervalSeconds: 5,
  })
  boss.on('error', (error) => settings.log.error({ frames: toLogFrames(error) }, 'the queue reports a failure'))
  await boss.start()
  await createQueues(boss, settings)
  if (database.kind === 'pglite') await returnOrphans(boss, destinations)
  const files = await openFileStore(settings.folder)
  return new Queue(boss, files, settings)
}

async function createQueues(boss: PgBoss, { destinations, predictRetry, heartbeatSeconds }: JobQueueSettings): Promise<void> {
  const common = { expireInSeconds: EXPIRE_SECONDS, retentionSeconds: WAIT_SECONDS, deleteAfterSeconds: SETTLED_SECONDS, heartbeatSeconds }
  const retry = ({ limit, delaySeconds, maxDelaySeconds }: RetrySettings): object =>
    // pg-boss takes a backoff from nothing for one from a second.
    delaySeconds === 0
      ? { retryLimit: limit, retryDelay: 0, retryBackoff: false }
      : { retryLimit: limit, retryDelay: delaySeconds, retryBackoff: true, retryDelayMax: maxDelaySeconds }
  const ensure = async (name: string, options: object): Promise<void> => {
    await boss.createQueue(name, options)
    await boss.updateQueue(name, options)
  }
  await ensure(DEAD_QUEUE, { ...common, retryLimit: 1000, retryDelay: 5 })
  await ensure(PREDICT_QUEUE, { ...common, ...retry(predictRetry), expireInSeconds: PREDICT_EXPIRE_SECONDS, deadLetter: DEAD_QUEUE })
  await ensure(PULL_QUEUE, { ...common, ...retry(predictRetry), deadLetter: DEAD_QUEUE })
  for (const destination of destinations) await ensure(deliverQueue(destination.name), { ...common, ...retry(destination.retry), deadLetter: DEAD_QUEUE })
}

/** The folder is locked, so whatever runs by its books belonged to a process that died: no need to wait for its heartbeat to end. */
async function returnOrphans(boss: PgBoss, destinations: readonly DestinationSettings[]): Promise<void> {
  for (const name of [PREDICT_QUEUE, PULL_QUEUE, DEAD_QUEUE, ...destinations.map((destination) => deliverQueue(destination.name))]) {
    const active = (await boss.findJobs(name)).filter(({ state }) => state === 'active').map(({ id }) => id)
    if (active.length > 0) await boss.fail(name, active, { code: 'engine-lost' })
  }
}

class Queue implements JobQueue {
  readonly #boss: PgBoss
  readonly #settings: JobQueueSettings
  readonly #context: QueueContext
  readonly #loops: ReadonlyMap<string, WorkLoop>
  readonly #changes = new EventEmitter().setMaxListeners(0)

  constructor(boss: PgBoss, files: QueueContext['files'], settings: JobQueueSettings) {
    this.#boss = boss
    this.#settings = settings
    const { database, work, now, newId, log } = settings
    this.#context = {
      database,
      boss,
      files,
      work,
      destinations: settings.destinations.map(({ name }) => name),
      now,
      newId,
      log,
      changed: (jobId) => this.#changes.emit(jobId),
      wake: (queue) => this.#loops.get(queue)?.wake(),
    }
    this.#loops = new Map(this.#createLoops().map(({ queue, loop }) => [queue, loop]))
  }

  #createLoops(): { queue: string; loop: WorkLoop }[] {
    const { destinations, predictConcurrency, pollMs, heartbeatSeconds, log } = this.#settings
    const make = (queue: string, concurrency: number, handle: TicketHandler): { queue: string; loop: WorkLoop } => ({
      queue,
      loop: createWorkLoop(this.#boss, { queue, concurrency, pollMs, heartbeatMs: (heartbeatSeconds * 1000) / 4 }, handle, log),
    })
    return [
      make(PREDICT_QUEUE, predictConcurrency, (ticket, signal) => performInstance(this.#context, ticket, signal)),
      make(PULL_QUEUE, 1, (ticket, signal) => performPull(this.#context, ticket, signal)),
      make(DEAD_QUEUE, 1, (ticket) => buryTicket(this.#context, ticket)),
      ...destinations.map(({ name, concurrency }) => make(deliverQueue(name), concurrency, (ticket, signal) => performDelivery(this.#context, ticket, signal))),
    ]
  }

  start(): void {
    for (const loop of this.#loops.values()) loop.start()
  }

  async submitInstance(order: InstanceOrder, bytes: Uint8Array, options: SubmitOptions = {}): Promise<Submission> {
    return this.#toSubmission(await submitJob(this.#context, order, bytes, options))
  }

  async submitPull(order: PullOrder, options: SubmitOptions = {}): Promise<Submission> {
    return this.#toSubmission(await submitJob(this.#context, order, null, options))
  }

  async #toSubmission({ id, isNew }: Submitted): Promise<Submission> {
    return { job: await this.find(id), isNew }
  }

  find(id: string): Promise<Job> {
    return findJob(this.#context.database, id)
  }

  list({ state, limit }: JobFilter): Promise<readonly Job[]> {
    return listJobs(this.#context.database, state ?? null, limit)
  }

  async cancel(id: string): Promise<Job> {
    for (const ended of await cancelJob(this.#context, id)) {
      for (const loop of this.#loops.values()) loop.abort(ended)
    }
    return this.find(id)
  }

  async replay(id: string): Promise<Job> {
    await replayJob(this.#context, id)
    return this.find(id)
  }

  async *follow(id: string, after: number, signal: AbortSignal): AsyncIterable<JobEvent> {
    let place = after
    while (!signal.aborted) {
      const change = this.#nextChange(id, signal)
      // Before its events: a job that ends after they were read has one more.
      const { state } = await this.find(id)
      const events = await listEvents(this.#context.database, id, place)
      for (const event of events) {
        yield event
        place = event.sequence
      }
      if (FINAL_JOB_STATES.includes(state)) return
      if (events.length === 0) await change
    }
  }

  /** Resolves at the next change made here, or when it is time to look for one made elsewhere. */
  async #nextChange(id: string, signal: AbortSignal): Promise<void> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(this.#settings.pollMs)])
    await once(this.#changes, id, { signal: limit }).catch(() => {})
  }

  async counts(): Promise<JobCounts> {
    const { rows } = await this.#context.database.executeSql('SELECT state, count(*)::integer AS jobs, min(created_at) AS oldest FROM attending.job GROUP BY state')
    const count = (state: JobState): number => Number(rows.find((row) => row['state'] === state)?.['jobs'] ?? 0)
    const oldest = rows.find((row) => row['state'] === 'queued')?.['oldest'] as Date | undefined
    const states: readonly JobState[] = ['queued', 'running', 'delivering', ...FINAL_JOB_STATES]
    return {
      states: Object.fromEntries(states.map((state) => [state, count(state)])) as Record<JobState, number>,
      oldestQueuedSeconds: oldest === undefined ? 0 : Math.max(0, (this.#context.now().getTime() - oldest.getTime()) / 1000),
    }
  }

  async countQueued(): Promise<number> {
    const { rows } = await this.#context.database.executeSql("SELECT count(*)::integer AS jobs FROM attending.job WHERE state = 'queued'")
    return Number(rows[0]?.['jobs'])
  }

  async listOutputs(id: string): Promise<readonly ResultReference[]> {
    await this.find(id)
    const { rows } = await this.#context.database.executeSql("SELECT results FROM attending.job WHERE parent_id = $1 AND state = 'done' ORDER BY created_at, id", [id])
    return rows.flatMap((row) => (row['results'] as readonly KeptObject[]).map(({ key: _, ...reference }) => reference))
  }

  async releaseKey(idempotencyKey: string): Promise<void> {
    await this.#context.database.executeSql("UPDATE attending.job SET idempotency_key = NULL WHERE idempotency_key = $1 AND state IN ('skipped', 'cancelled')", [idempotencyKey])
  }

  sweep(): Promise<number> {
    return sweepJobs(this.#context, this.#settings.retentionMs)
  }

  async ping(): Promise<void> {
    await this.#context.database.executeSql('SELECT 1')
  }

  async close(graceMs: number): Promise<void> {
    await Promise.all([...this.#loops.values()].map((loop) => loop.stop(graceMs)))
    await this.#boss.stop({ graceful: false, close: this.#context.database.kind === 'postgres' })
  }
}
