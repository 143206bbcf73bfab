/** An order and its bytes in, a job that outlives the process out. */
import { createHash } from 'node:crypto'
import type { JobOrder, SubmitOptions } from '../domain/job.ts'
import { Problem } from '../domain/problem.ts'
import { findByKey, insertJob, type JobRecord, type NewJob } from './job-record.ts'
import { type QueueContext, sendTicket } from './queue-context.ts'

export interface Submitted {
  readonly id: string
  readonly isNew: boolean
}

/**
 * The job that was made, or the one that the idempotency key made before.
 *
 * bytes  null for a pull
 *
 * The bytes are on disk before the row is, and row and ticket are one transaction: a crash leaves a whole job, or a file that the sweep removes.
 * Throws: "parameter-invalid" where the key belongs to another order or other bytes, or names a destination that there is not.
 */
export async function submitJob(context: QueueContext, order: JobOrder, bytes: Uint8Array | null, options: SubmitOptions, parentId: string | null = null): Promise<Submitted> {
  checkDestinations(context, order)
  const fingerprint = fingerprintOf(order, bytes)
  const idempotencyKey = options.idempotencyKey ?? null
  const known = idempotencyKey === null ? null : await findByKey(context.database, idempotencyKey)
  if (known !== null) return toSubmitted(known, fingerprint)
  const id = context.newId()
  if (bytes !== null) await context.files.keep(id, bytes)
  const job = { id, order, priority: checkedPriority(options.priority ?? 0), idempotencyKey, fingerprint, payload: bytes === null ? null : id, createdAt: context.now(), parentId }
  return insert(context, job)
}

async function insert(context: QueueContext, job: NewJob): Promise<Submitted> {
  const queue = await context.database.transaction(async (executor) => {
    const isNew = await insertJob(executor, job)
    return isNew ? sendTicket(context, executor, { ...job, round: 0 }) : null
  })
  if (queue === null) return losesRace(context, job)
  context.changed(job.id)
  context.wake(queue)
  return { id: job.id, isNew: true }
}

/** Another submission with the same key was first by a moment. */
async function losesRace(context: QueueContext, job: NewJob): Promise<Submitted> {
  if (job.payload !== null) await context.files.remove(job.payload)
  const known = job.idempotencyKey === null ? null : await findByKey(context.database, job.idempotencyKey)
  if (known === null) throw new Problem('internal', 'a job was neither made nor found', {})
  return toSubmitted(known, job.fingerprint)
}

function toSubmitted(known: JobRecord, fingerprint: string): Submitted {
  if (known.fingerprint === fingerprint) return { id: known.id, isNew: false }
  throw new Problem('parameter-invalid', 'the idempotency key was used for a different order', { parameter: 'Idempotency-Key' })
}

function fingerprintOf(order: JobOrder, bytes: Uint8Array | null): string {
  const hash = createHash('sha256').update(JSON.stringify(order))
  return (bytes === null ? hash : hash.update(bytes)).digest('hex')
}

function checkDestinations({ destinations }: QueueContext, order: JobOrder): void {
  const unknown = (order.destinations ?? []).filter((name) => !destinations.includes(name))
  if (unknown.length > 0) throw new Problem('parameter-invalid', `destination is none of ${destinations.join(', ')}`, { parameter: 'destination' })
}

function checkedPriority(priority: number): number {
  if (Number.isInteger(priority) && Math.abs(priority) <= 100) return priority
  throw new Problem('parameter-invalid', 'priority is an integer from -100 to 100', { parameter: 'priority' })
}
