/** A database in, the tables of the jobs in it out: what is known of a job, of its deliveries, and how both came about. */
import type { Database } from './database.ts'

/** Any number, the same for every server: it orders those that start at the same time. */
const SCHEMA_LOCK = 7_302_114

const STATEMENTS = [
  'CREATE SCHEMA IF NOT EXISTS attending',
  `CREATE TABLE IF NOT EXISTS attending.job (
    id text PRIMARY KEY,
    "order" jsonb NOT NULL,
    state text NOT NULL,
    priority integer NOT NULL,
    idempotency_key text UNIQUE,
    fingerprint text NOT NULL,
    payload text,
    step text NOT NULL,
    done integer NOT NULL DEFAULT 0,
    total integer NOT NULL DEFAULT 0,
    round integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    finished_at timestamptz,
    model_id text,
    prediction_id text,
    reason text,
    problem jsonb,
    results jsonb NOT NULL DEFAULT '[]',
    parent_id text REFERENCES attending.job (id) ON DELETE SET NULL
  )`,
  'CREATE INDEX IF NOT EXISTS job_by_state ON attending.job (state, created_at)',
  'CREATE INDEX IF NOT EXISTS job_by_parent ON attending.job (parent_id)',
  `CREATE TABLE IF NOT EXISTS attending.delivery (
    job_id text NOT NULL REFERENCES attending.job (id) ON DELETE CASCADE,
    destination text NOT NULL,
    state text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    problem jsonb,
    PRIMARY KEY (job_id, destination)
  )`,
  `CREATE TABLE IF NOT EXISTS attending.event (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id text NOT NULL REFERENCES attending.job (id) ON DELETE CASCADE,
    at timestamptz NOT NULL,
    state text NOT NULL,
    step text NOT NULL,
    done integer NOT NULL,
    total integer NOT NULL,
    destination text,
    problem jsonb
  )`,
  'CREATE INDEX IF NOT EXISTS event_by_job ON attending.event (job_id, sequence)',
]

/** Makes what is missing; safe for several servers at once. */
export async function prepareSchema(database: Database): Promise<void> {
  await database.transaction(async (executor) => {
    await executor.executeSql('SELECT pg_advisory_xact_lock($1)', [SCHEMA_LOCK])
    for (const statement of STATEMENTS) await executor.executeSql(statement)
  })
}
