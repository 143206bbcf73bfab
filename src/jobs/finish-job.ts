/** A job whose part has ended in, the job brought to its end where nothing is left to do, and the pull that waits for it. */
import type { JobState } from '../domain/job.ts'
import type { ProblemData } from '../domain/problem.ts'
import type { Executor } from './database.ts'
import { changeJob, type JobRecord } from './job-record.ts'
import type { QueueContext } from './queue-context.ts'

export interface JobEnd {
  readonly from: readonly JobState[]
  readonly to: 'done' | 'skipped' | 'failed' | 'dead' | 'cancelled'
  readonly reason?: string
  readonly problem?: ProblemData
  readonly destination?: string
  readonly done?: number
  readonly total?: number
}

/** The job at its end, or null where it had come to one before. */
export async function endJob(context: QueueContext, executor: Executor, id: string, end: JobEnd): Promise<JobRecord | null> {
  const { from, to, reason, problem, destination, done = 0, total = 0 } = end
  const job = await changeJob(executor, id, {
    from,
    to,
    progress: { step: 'end', done, total },
    at: context.now(),
    isFinal: true,
    // What is done has outlived the problems of its earlier attempts.
    ...(problem === undefined ? (to === 'done' ? { problem: null } : {}) : { problem }),
    ...(destination === undefined ? {} : { destination }),
    columns: reason === undefined ? {} : { reason },
  })
  if (job !== null && job.parentId !== null) await updateParent(context, executor, job.parentId)
  return job
}

/** Brings a delivering job forward after one of its deliveries has ended; null where it had ended before. */
export async function updateDelivering(context: QueueContext, executor: Executor, id: string, destination: string, problem?: ProblemData): Promise<JobRecord | null> {
  const { rows } = await executor.executeSql('SELECT state FROM attending.delivery WHERE job_id = $1', [id])
  const count = (state: string): number => rows.filter((row) => row['state'] === state).length
  const progress = { done: count('done'), total: rows.length }
  const from: readonly JobState[] = ['delivering']
  const problemColumn = problem === undefined ? {} : { problem }
  if (count('waiting') === 0) {
    return endJob(context, executor, id, { from, to: count('dead') > 0 ? 'dead' : 'done', destination, ...progress, ...problemColumn })
  }
  return changeJob(executor, id, { from, to: 'delivering', progress: { step: 'deliver', ...progress }, at: context.now(), destination, ...problemColumn })
}

/** Locks the job's row until the transaction ends, so that two parts of it can't both take themselves for the last. */
export async function lockJob(executor: Executor, id: string): Promise<void> {
  await executor.executeSql('SELECT id FROM attending.job WHERE id = $1 FOR UPDATE', [id])
}

/** A pull ends with the last of its orders: dead where one of them is, else failed where one of them is, else done. */
export async function updateParent(context: QueueContext, executor: Executor, id: string): Promise<void> {
  await lockJob(executor, id)
  const { rows } = await executor.executeSql(
    'SELECT state, count(*)::integer AS jobs, count(finished_at)::integer AS finished FROM attending.job WHERE parent_id = $1 GROUP BY state',
    [id],
  )
  const total = sum(rows.map((row) => Number(row['jobs'])))
  const done = sum(rows.map((row) => Number(row['finished'])))
  const from: readonly JobState[] = ['delivering']
  if (done < total) {
    await changeJob(executor, id, { from, to: 'delivering', progress: { step: 'deliver', done, total }, at: context.now() })
    return
  }
  const has = (state: string): boolean => rows.some((row) => row['state'] === state)
  await endJob(context, executor, id, { from, to: has('dead') ? 'dead' : has('failed') ? 'failed' : 'done', done, total })
}

/** The files that no later step needs. A failed or dead job keeps its own for a replay. */
export async function removeFiles(context: QueueContext, job: Pick<JobRecord, 'payload' | 'results'>): Promise<void> {
  const keys = [...(job.payload === null ? [] : [job.payload]), ...job.results.map(({ key }) => key)]
  await Promise.all(keys.map((key) => context.files.remove(key)))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
