/** A ticket of the predict or the pull queue in, its job brought as far as delivery out. */
import { createHash } from 'node:crypto'
import { type InstanceOrder, type InstanceOutcome, isWorthAnother, type JobState, type PullOrder, type ResultObject } from '../domain/job.ts'
import { toProblemData } from '../domain/problem.ts'
import { endJob, lockJob, removeFiles, updateParent } from './finish-job.ts'
import { changeJob, countMet, type JobRecord, type KeptObject } from './job-record.ts'
import { deliverQueue, type QueueContext, sendTicket } from './queue-context.ts'
import { type Submitted, submitJob } from './submit-job.ts'
import type { Ticket } from './work-loop.ts'

/** A ticket may come twice, after a crash or a lost heartbeat: what is past these states has been done. */
const OPEN: readonly JobState[] = ['queued', 'running']

/** Predicts one instance and hands its results to the deliveries. Throws what shall be tried again. */
export async function performInstance(context: QueueContext, { jobId }: Ticket, signal: AbortSignal): Promise<void> {
  const job = await beginJob(context, jobId, 'predict')
  if (job === null || job.order.kind !== 'instance' || job.payload === null) return
  const { order, payload } = job
  await settle(context, job, signal, async () => {
    const outcome = await perform(context, job, order, payload, signal)
    if (outcome.kind === 'skipped') await skip(context, job, outcome.reason)
    else await beginDeliveries(context, job, outcome)
  })
}

/** Fetches what a pull asks for; each instance becomes a job of its own. Throws what shall be tried again. */
export async function performPull(context: QueueContext, { jobId }: Ticket, signal: AbortSignal): Promise<void> {
  const job = await beginJob(context, jobId, 'fetch')
  if (job === null || job.order.kind !== 'pull') return
  const { order } = job
  await settle(context, job, signal, async () => {
    let fetched = 0
    for await (const bytes of context.work.retrieve(order, signal)) {
      await submitFetched(context, job, order, bytes)
      fetched += 1
      await report(context, job.id, fetched)
    }
    await endFetching(context, job.id, fetched)
  })
}

async function beginJob(context: QueueContext, id: string, step: 'predict' | 'fetch'): Promise<JobRecord | null> {
  const job = await context.database.transaction((executor) =>
    changeJob(executor, id, { from: OPEN, to: 'running', progress: { step, done: 0, total: 0 }, at: context.now(), problem: null }),
  )
  context.changed(id)
  return job
}

/** Runs the step; a Problem that no further attempt can mend is the job's end, any other is thrown once more. */
async function settle(context: QueueContext, job: JobRecord, signal: AbortSignal, step: () => Promise<void>): Promise<void> {
  try {
    await step()
  } catch (error) {
    const problem = toProblemData(error)
    if (problem.code === 'image-out-of-scope') {
      await skip(context, job, problem.detail)
      return
    }
    const isOver = await context.database.transaction(async (executor) => {
      const timesMet = 1 + (await countMet(executor, job.id, problem.code))
      const isLast = !signal.aborted && !isWorthAnother(problem.code, timesMet)
      if (isLast) await endJob(context, executor, job.id, { from: OPEN, to: 'failed', problem })
      else await changeJob(executor, job.id, { from: ['running'], to: 'queued', progress: { step: 'wait', done: 0, total: 0 }, at: context.now(), problem })
      return isLast
    })
    context.changed(job.id)
    if (!isOver) throw error
  }
}

async function perform(context: QueueContext, job: JobRecord, order: InstanceOrder, payload: string, signal: AbortSignal): Promise<InstanceOutcome> {
  const bytes = await context.files.read(payload)
  return context.work.perform(order, bytes, { id: job.id, createdAt: job.createdAt }, signal)
}

async function skip(context: QueueContext, job: JobRecord, reason: string): Promise<void> {
  const ended = await context.database.transaction((executor) => endJob(context, executor, job.id, { from: OPEN, to: 'skipped', reason }))
  context.changed(job.id)
  if (ended !== null) await removeFiles(context, ended)
}

async function beginDeliveries(context: QueueContext, job: JobRecord, outcome: Extract<InstanceOutcome, { kind: 'results' }>): Promise<void> {
  const results = await keepObjects(context, job.id, outcome.objects)
  const destinations = outcome.objects.length === 0 ? [] : [...new Set(outcome.destinations)]
  const columns = { results, modelId: outcome.modelId, predictionId: outcome.predictionId }
  const ended = await context.database.transaction(async (executor) => {
    const progress = { step: 'deliver', done: 0, total: destinations.length } as const
    const changed = await changeJob(executor, job.id, { from: OPEN, to: 'delivering', progress, at: context.now(), columns })
    if (changed === null) return null
    for (const destination of destinations) {
      await executor.executeSql("INSERT INTO attending.delivery (job_id, destination, state) VALUES ($1, $2, 'waiting') ON CONFLICT DO NOTHING", [job.id, destination])
      await sendTicket(context, executor, changed, destination)
    }
    return destinations.length === 0 ? endJob(context, executor, job.id, { from: ['delivering'], to: 'done' }) : null
  })
  context.changed(job.id)
  for (const destination of destinations) context.wake(deliverQueue(destination))
  if (ended !== null) await removeFiles(context, ended)
}

/** The objects in the file store, under keys that a second attempt writes again. */
async function keepObjects(context: QueueContext, jobId: string, objects: readonly ResultObject[]): Promise<KeptObject[]> {
  const keyOf = (index: number): string => `${jobId}-${index}`
  await context.files.keepAll(new Map(objects.map(({ bytes }, index) => [keyOf(index), bytes])))
  return objects.map(({ kind, studyInstanceUid, seriesInstanceUid, sopClassUid, sopInstanceUid }, index) => ({
    kind,
    studyInstanceUid,
    seriesInstanceUid,
    sopClassUid,
    sopInstanceUid,
    key: keyOf(index),
  }))
}

/** The same instance of the same pull is one job, however often the pull is tried. */
async function submitFetched(context: QueueContext, parent: JobRecord, order: PullOrder, bytes: Uint8Array): Promise<Submitted> {
  const digest = createHash('sha256').update(bytes).digest('hex')
  const child: InstanceOrder = { kind: 'instance', door: 'pull', peer: order.archive, modelId: order.modelId, destinations: order.destinations }
  return submitJob(context, child, bytes, { idempotencyKey: `${parent.id}/${digest}`, priority: parent.priority }, parent.id)
}

async function report(context: QueueContext, id: string, fetched: number): Promise<void> {
  await context.database.transaction((executor) =>
    changeJob(executor, id, { from: ['running'], to: 'running', progress: { step: 'fetch', done: fetched, total: 0 }, at: context.now() }),
  )
  context.changed(id)
}

async function endFetching(context: QueueContext, id: string, fetched: number): Promise<void> {
  await context.database.transaction(async (executor) => {
    await lockJob(executor, id)
    const progress = { step: 'deliver', done: 0, total: fetched } as const
    const changed = await changeJob(executor, id, { from: ['running'], to: 'delivering', progress, at: context.now() })
    if (changed !== null) await updateParent(context, executor, id)
  })
  context.changed(id)
}
