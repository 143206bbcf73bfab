/** A job and its owner's wish in, the job cancelled or taken up again out. */
import { FINAL_JOB_STATES, type JobState } from '../domain/job.ts'
import { Problem } from '../domain/problem.ts'
import type { Executor } from './database.ts'
import { endJob, removeFiles } from './finish-job.ts'
import { changeJob, findRecord, type JobRecord } from './job-record.ts'
import { type QueueContext, sendTicket } from './queue-context.ts'

const ALIVE: readonly JobState[] = ['queued', 'running', 'delivering']
const REPLAYABLE: readonly JobState[] = ['failed', 'dead']

/**
 * Ends the job and, for a pull, the orders that came from it. What was delivered stays delivered.
 *
 * returns  ids of the jobs that were ended
 *
 * Throws: "job-unknown", "job-finished".
 */
export async function cancelJob(context: QueueContext, id: string): Promise<readonly string[]> {
  const job = await findRecord(context.database, id)
  if (FINAL_JOB_STATES.includes(job.state)) throw finished(job)
  const children = await childIds(context.database, id, ALIVE)
  const ended = (await Promise.all([id, ...children].map((each) => cancelOne(context, each)))).flat()
  if (!ended.includes(id)) throw finished(await findRecord(context.database, id))
  return ended
}

async function cancelOne(context: QueueContext, id: string): Promise<string[]> {
  const ended = await context.database.transaction(async (executor) => {
    const job = await endJob(context, executor, id, { from: ALIVE, to: 'cancelled' })
    if (job !== null) await executor.executeSql("UPDATE attending.delivery SET state = 'cancelled' WHERE job_id = $1 AND state = 'waiting'", [id])
    return job
  })
  if (ended === null) return []
  context.changed(id)
  await removeFiles(context, ended)
  return [id]
}

/**
 * Takes a failed or dead job up where it stopped, with all its attempts anew: at its dead deliveries, else from its beginning.
 *
 * Throws: "job-unknown", "job-finished" for a job in any other state.
 */
export async function replayJob(context: QueueContext, id: string): Promise<void> {
  const job = await findRecord(context.database, id)
  if (!REPLAYABLE.includes(job.state)) throw new Problem('job-finished', `a job that is ${job.state} can't be replayed`, {})
  for (const child of await childIds(context.database, id, REPLAYABLE)) await replayOne(context, child)
  await replayOne(context, id)
}

async function replayOne(context: QueueContext, id: string): Promise<void> {
  const queues = await context.database.transaction(async (executor) => {
    const { rows } = await executor.executeSql("SELECT destination FROM attending.delivery WHERE job_id = $1 AND state = 'dead' ORDER BY destination", [id])
    const dead = rows.map((row) => String(row['destination']))
    return dead.length === 0 ? restart(context, executor, id) : redeliver(context, executor, id, dead)
  })
  context.changed(id)
  for (const queue of queues) context.wake(queue)
}

async function restart(context: QueueContext, executor: Executor, id: string): Promise<string[]> {
  const job = await nextRound(context, executor, id, 'queued', 'wait', 0, 0)
  return job === null ? [] : [await sendTicket(context, executor, job)]
}

async function redeliver(context: QueueContext, executor: Executor, id: string, dead: readonly string[]): Promise<string[]> {
  const { rows } = await executor.executeSql('SELECT count(*)::integer AS total FROM attending.delivery WHERE job_id = $1', [id])
  const total = Number(rows[0]?.['total'])
  const job = await nextRound(context, executor, id, 'delivering', 'deliver', total - dead.length, total)
  if (job === null) return []
  await executor.executeSql("UPDATE attending.delivery SET state = 'waiting', attempts = 0 WHERE job_id = $1 AND state = 'dead'", [id])
  const queues: string[] = []
  for (const destination of dead) queues.push(await sendTicket(context, executor, job, destination))
  return queues
}

async function nextRound(context: QueueContext, executor: Executor, id: string, to: JobState, step: 'wait' | 'deliver', done: number, total: number): Promise<JobRecord | null> {
  const { round } = await findRecord(executor, id)
  return changeJob(executor, id, { from: REPLAYABLE, to, progress: { step, done, total }, at: context.now(), columns: { round: round + 1 } })
}

async function childIds(executor: Executor, parentId: string, states: readonly JobState[]): Promise<string[]> {
  const { rows } = await executor.executeSql('SELECT id FROM attending.job WHERE parent_id = $1 AND state = ANY($2::text[])', [parentId, states])
  return rows.map((row) => String(row['id']))
}

function finished({ state }: JobRecord): Problem {
  return new Problem('job-finished', `the job is ${state}`, {})
}
