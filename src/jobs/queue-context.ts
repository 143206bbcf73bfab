/** What every part of the queue works with, and the names under which pg-boss keeps its tickets. */
import { createHash } from 'node:crypto'
import type { PgBoss } from 'pg-boss'
import type { JobWork } from '../domain/job.ts'
import type { Log } from '../domain/log.ts'
import type { Database, Executor } from './database.ts'
import type { FileStore } from './file-store.ts'
import type { JobRecord } from './job-record.ts'
import type { Ticket } from './work-loop.ts'

export const PREDICT_QUEUE = 'predict'
export const PULL_QUEUE = 'pull'
/** Tickets whose attempts are used up, also those whose process died each time. */
export const DEAD_QUEUE = 'dead'

/** One queue a destination: one that is away holds up no other. */
export const deliverQueue = (destination: string): string => `deliver-${destination}`

export interface QueueContext {
  readonly database: Database
  readonly boss: PgBoss
  /** Payloads by job id, result objects by job id and kind. */
  readonly files: FileStore
  readonly work: JobWork
  readonly destinations: readonly string[]
  readonly now: () => Date
  /** 32 hexadecimal digits, unguessable. */
  readonly newId: () => string
  readonly log: Log
  /** Called once a change of the job is committed. */
  readonly changed: (jobId: string) => void
  /** Called once tickets of the queue are committed. */
  readonly wake: (queue: string) => void
}

/** Puts a ticket for the job, or for one of its deliveries, into its queue, in the same transaction as the change that calls for it. */
export async function sendTicket(context: QueueContext, executor: Executor, job: Pick<JobRecord, 'id' | 'order' | 'priority' | 'round'>, destination?: string): Promise<string> {
  const queue = destination === undefined ? (job.order.kind === 'pull' ? PULL_QUEUE : PREDICT_QUEUE) : deliverQueue(destination)
  const ticket: Ticket = destination === undefined ? { jobId: job.id } : { jobId: job.id, destination }
  // Equal for equal work, so that sending twice is sending once.
  await context.boss.send(queue, ticket, { id: ticketId(queue, job), priority: job.priority, db: executor })
  return queue
}

/** The ticket's id in pg-boss. */
export function ticketId(queue: string, job: Pick<JobRecord, 'id' | 'round'>): string {
  return toUuid(queue, job.id, String(job.round))
}

function toUuid(...parts: readonly string[]): string {
  const hex = createHash('sha256').update(JSON.stringify(parts)).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), `5${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-')
}
