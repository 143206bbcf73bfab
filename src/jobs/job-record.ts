/** Rows of the job tables in, jobs as the rooms know them out; every change of a job goes through `changeJob`. */
import type { Job, JobDelivery, JobEvent, JobOrder, JobProgress, JobState, ResultReference } from '../domain/job.ts'
import { Problem, type ProblemData } from '../domain/problem.ts'
import type { Executor, Row } from './database.ts'

/** A result object without its bytes, which lie in the file store under the key. */
export interface KeptObject extends ResultReference {
  readonly key: string
}

/** What the queue itself knows of a job. */
export interface JobRecord {
  readonly id: string
  readonly order: JobOrder
  readonly state: JobState
  readonly priority: number
  readonly fingerprint: string
  /** Key in the file store; null for a pull, and once the bytes are no longer needed. */
  readonly payload: string | null
  /** How often the job was replayed. */
  readonly round: number
  readonly createdAt: Date
  readonly results: readonly KeptObject[]
  readonly parentId: string | null
  readonly problem: ProblemData | null
}

export interface JobChange {
  /** The change is made only from one of these. */
  readonly from: readonly JobState[]
  readonly to: JobState
  readonly progress: JobProgress
  readonly at: Date
  readonly isFinal?: boolean
  /** Absent keeps what is there; null removes it. */
  readonly problem?: ProblemData | null
  readonly destination?: string
  readonly columns?: {
    readonly reason?: string
    readonly modelId?: string
    readonly predictionId?: string | null
    readonly results?: readonly KeptObject[]
    readonly round?: number
  }
}

/**
 * The changed job and its event, or null where the job is in none of the states that the change starts from.
 *
 * The row is locked by the update, so that the events of a job are numbered in the order in which they are committed.
 */
export async function changeJob(executor: Executor, id: string, change: JobChange): Promise<JobRecord | null> {
  const { from, to, progress, at, problem, columns = {} } = change
  const { rows } = await executor.executeSql(
    `UPDATE attending.job SET state = $3, step = $4, done = $5, total = $6, updated_at = $7, finished_at = $8,
       problem = CASE WHEN $9 THEN $10::jsonb ELSE problem END, reason = coalesce($11, reason), model_id = coalesce($12, model_id),
       prediction_id = coalesce($13, prediction_id), results = coalesce($14::jsonb, results), round = coalesce($15::integer, round)
     WHERE id = $1 AND state = ANY($2::text[]) RETURNING *`,
    [
      id,
      from,
      to,
      progress.step,
      progress.done,
      progress.total,
      at,
      change.isFinal === true ? at : null,
      problem !== undefined,
      json(problem),
      columns.reason ?? null,
      columns.modelId ?? null,
      columns.predictionId ?? null,
      json(columns.results),
      columns.round ?? null,
    ],
  )
  const [row] = rows
  if (row === undefined) return null
  await addEvent(executor, id, change)
  return toRecord(row)
}

async function addEvent(executor: Executor, id: string, { to, progress, at, problem, destination }: Omit<JobChange, 'from'>): Promise<void> {
  await executor.executeSql('INSERT INTO attending.event (job_id, at, state, step, done, total, destination, problem) VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb)', [
    id,
    at,
    to,
    progress.step,
    progress.done,
    progress.total,
    destination ?? null,
    json(problem),
  ])
}

export interface NewJob {
  readonly id: string
  readonly order: JobOrder
  readonly priority: number
  readonly idempotencyKey: string | null
  readonly fingerprint: string
  readonly payload: string | null
  readonly createdAt: Date
  readonly parentId: string | null
}

/** Whether the row was made: an idempotency key that is taken makes none. */
export async function insertJob(executor: Executor, job: NewJob): Promise<boolean> {
  const { rows } = await executor.executeSql(
    `INSERT INTO attending.job (id, "order", state, priority, idempotency_key, fingerprint, payload, step, created_at, updated_at, model_id, parent_id)
     VALUES ($1, $2::jsonb, 'queued', $3, $4, $5, $6, 'wait', $7, $7, $8, $9) ON CONFLICT (idempotency_key) DO NOTHING RETURNING id`,
    [job.id, json(job.order), job.priority, job.idempotencyKey, job.fingerprint, job.payload, job.createdAt, job.order.modelId, job.parentId],
  )
  if (rows.length === 0) return false
  await addEvent(executor, job.id, { to: 'queued', progress: { step: 'wait', done: 0, total: 0 }, at: job.createdAt })
  return true
}

/** Throws "job-unknown". */
export async function findRecord(executor: Executor, id: string): Promise<JobRecord> {
  const { rows } = await executor.executeSql('SELECT * FROM attending.job WHERE id = $1', [id])
  const [row] = rows
  if (row === undefined) throw jobUnknown()
  return toRecord(row)
}

export async function findByKey(executor: Executor, idempotencyKey: string): Promise<JobRecord | null> {
  const { rows } = await executor.executeSql('SELECT * FROM attending.job WHERE idempotency_key = $1', [idempotencyKey])
  return rows[0] === undefined ? null : toRecord(rows[0])
}

const DELIVERIES = `(SELECT coalesce(json_agg(json_build_object('destination', destination, 'state', state, 'attempts', attempts, 'problem', problem) ORDER BY destination), '[]')
  FROM attending.delivery WHERE job_id = job.id) AS deliveries`

/** Throws "job-unknown". */
export async function findJob(executor: Executor, id: string): Promise<Job> {
  const { rows } = await executor.executeSql(`SELECT job.*, ${DELIVERIES} FROM attending.job AS job WHERE id = $1`, [id])
  const [row] = rows
  if (row === undefined) throw jobUnknown()
  return toJob(row)
}

/** Newest first. */
export async function listJobs(executor: Executor, state: JobState | null, limit: number): Promise<readonly Job[]> {
  const { rows } = await executor.executeSql(`SELECT job.*, ${DELIVERIES} FROM attending.job AS job WHERE $1::text IS NULL OR state = $1 ORDER BY created_at DESC, id LIMIT $2`, [
    state,
    limit,
  ])
  return rows.map(toJob)
}

export async function listEvents(executor: Executor, id: string, after: number): Promise<readonly JobEvent[]> {
  const { rows } = await executor.executeSql('SELECT * FROM attending.event WHERE job_id = $1 AND sequence > $2 ORDER BY sequence', [id, after])
  return rows.map((row) => ({
    sequence: Number(row['sequence']),
    jobId: String(row['job_id']),
    at: toTime(row['at']),
    state: row['state'] as JobState,
    progress: toProgress(row),
    destination: row['destination'] as string | null,
    problem: row['problem'] as ProblemData | null,
  }))
}

/** How many attempts ended with a failure of this code since the job was accepted or replayed: both write an event of a job that waits with no failure. */
export async function countMet(executor: Executor, id: string, code: ProblemData['code']): Promise<number> {
  const { rows } = await executor.executeSql(
    `SELECT count(*)::integer AS met FROM attending.event WHERE job_id = $1 AND problem->>'code' = $2
       AND sequence > (SELECT coalesce(max(sequence), 0) FROM attending.event WHERE job_id = $1 AND state = 'queued' AND problem IS NULL)`,
    [id, code],
  )
  return Number(rows[0]?.['met'])
}

function jobUnknown(): Problem {
  return new Problem('job-unknown', 'no job of this server has this id', {})
}

function toRecord(row: Row): JobRecord {
  return {
    id: String(row['id']),
    order: row['order'] as JobOrder,
    state: row['state'] as JobState,
    priority: Number(row['priority']),
    fingerprint: String(row['fingerprint']),
    payload: row['payload'] as string | null,
    round: Number(row['round']),
    createdAt: row['created_at'] as Date,
    results: row['results'] as readonly KeptObject[],
    parentId: row['parent_id'] as string | null,
    problem: row['problem'] as ProblemData | null,
  }
}

function toJob(row: Row): Job {
  const order = row['order'] as JobOrder
  return {
    id: String(row['id']),
    kind: order.kind,
    door: order.kind === 'pull' ? 'pull' : order.door,
    state: row['state'] as JobState,
    priority: Number(row['priority']),
    progress: toProgress(row),
    createdAt: toTime(row['created_at']),
    updatedAt: toTime(row['updated_at']),
    finishedAt: row['finished_at'] === null ? null : toTime(row['finished_at']),
    modelId: row['model_id'] as string | null,
    predictionId: row['prediction_id'] as string | null,
    reason: row['reason'] as string | null,
    problem: row['problem'] as ProblemData | null,
    resultKinds: (row['results'] as readonly KeptObject[]).map(({ kind }) => kind),
    deliveries: row['deliveries'] as readonly JobDelivery[],
    parentId: row['parent_id'] as string | null,
  }
}

function toProgress(row: Row): JobProgress {
  return { step: row['step'] as JobProgress['step'], done: Number(row['done']), total: Number(row['total']) }
}

function toTime(value: unknown): string {
  return (value as Date).toISOString()
}

function json(value: unknown): string | null {
  return value === undefined || value === null ? null : JSON.stringify(value)
}
