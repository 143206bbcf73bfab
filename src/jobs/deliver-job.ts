/** A ticket of a deliver queue in, the job's objects at that destination out; and what becomes of tickets that were given up. */
import { isTransient, type JobState, type ResultObject } from '../domain/job.ts'
import { type ProblemData, toProblemData } from '../domain/problem.ts'
import { endJob, lockJob, removeFiles, updateDelivering } from './finish-job.ts'
import { changeJob, findRecord, type JobRecord, type KeptObject } from './job-record.ts'
import type { QueueContext } from './queue-context.ts'
import type { Ticket } from './work-loop.ts'

/** About eight frames' worth. */
const OBJECTS_AT_A_TIME = 32
const OPEN: readonly JobState[] = ['queued', 'running']

/** Stores the job's objects at one destination. Throws what shall be tried again. */
export async function performDelivery(context: QueueContext, { jobId, destination }: Ticket, signal: AbortSignal): Promise<void> {
  const attempt = destination === undefined ? null : await beginDelivery(context, jobId, destination)
  if (destination === undefined || attempt === null) return
  const job = await findRecord(context.database, jobId)
  try {
    await deliverObjects(context, job, destination, attempt > 1 || job.round > 0, signal)
  } catch (error) {
    const problem = toProblemData(error)
    if (isTransient(problem.code) || signal.aborted) {
      await noteProblem(context, job, destination, problem)
      throw error
    }
    await endDelivery(context, jobId, destination, 'dead', problem)
    return
  }
  await endDelivery(context, jobId, destination, 'done')
}

/** Marks what pg-boss gave up: attempts used up, or a process that died each time. */
export async function buryTicket(context: QueueContext, { jobId, destination }: Ticket): Promise<void> {
  if (destination === undefined) await buryJob(context, jobId)
  else await endDelivery(context, jobId, destination, 'dead')
}

async function buryJob(context: QueueContext, id: string): Promise<void> {
  await context.database.transaction((executor) => endJob(context, executor, id, { from: OPEN, to: 'dead' }))
  context.changed(id)
}

/** Which attempt this is, from 1; null where there is nothing to deliver: a ticket may come again after its work was done. */
async function beginDelivery({ database }: QueueContext, id: string, destination: string): Promise<number | null> {
  const { rows } = await database.executeSql(
    `UPDATE attending.delivery SET attempts = attempts + 1 WHERE job_id = $1 AND destination = $2 AND state = 'waiting'
       AND (SELECT state FROM attending.job WHERE id = $1) = 'delivering' RETURNING attempts`,
    [id, destination],
  )
  return rows[0] === undefined ? null : Number(rows[0]['attempts'])
}

/** The objects of an instance in one request; those of hundreds of frames in several, so that neither side must hold them all. */
async function deliverObjects(context: QueueContext, { results }: JobRecord, destination: string, isRepeated: boolean, signal: AbortSignal): Promise<void> {
  for (let first = 0; first < results.length; first += OBJECTS_AT_A_TIME) {
    const objects = await readObjects(context, results.slice(first, first + OBJECTS_AT_A_TIME))
    await context.work.deliver(destination, objects, signal, isRepeated)
  }
}

function readObjects({ files }: QueueContext, kept: readonly KeptObject[]): Promise<ResultObject[]> {
  return Promise.all(kept.map(async ({ key, ...named }) => ({ ...named, bytes: await files.read(key) })))
}

async function noteProblem(context: QueueContext, job: JobRecord, destination: string, problem: ProblemData): Promise<void> {
  await context.database.transaction(async (executor) => {
    await lockJob(executor, job.id)
    await executor.executeSql('UPDATE attending.delivery SET problem = $3::jsonb WHERE job_id = $1 AND destination = $2', [job.id, destination, JSON.stringify(problem)])
    const { rows } = await executor.executeSql(
      "SELECT count(*)::integer AS total, count(*) FILTER (WHERE state = 'done')::integer AS done FROM attending.delivery WHERE job_id = $1",
      [job.id],
    )
    const progress = { step: 'deliver', done: Number(rows[0]?.['done']), total: Number(rows[0]?.['total']) } as const
    await changeJob(executor, job.id, { from: ['delivering'], to: 'delivering', progress, at: context.now(), destination, problem })
  })
  context.changed(job.id)
}

async function endDelivery(context: QueueContext, id: string, destination: string, state: 'done' | 'dead', problem?: ProblemData): Promise<void> {
  const ended = await context.database.transaction(async (executor) => {
    await lockJob(executor, id)
    // A success forgets the problems of earlier attempts; what is given up keeps its last one.
    const { rows } = await executor.executeSql(
      `UPDATE attending.delivery SET state = $3, problem = CASE WHEN $3 = 'done' THEN NULL ELSE coalesce($4::jsonb, problem) END
       WHERE job_id = $1 AND destination = $2 AND state = 'waiting' RETURNING problem`,
      [id, destination, state, problem === undefined ? null : JSON.stringify(problem)],
    )
    if (rows[0] === undefined) return null
    return updateDelivering(context, executor, id, destination, (rows[0]['problem'] as ProblemData | null) ?? undefined)
  })
  context.changed(id)
  if (ended?.state === 'done') await removeFiles(context, ended)
}
