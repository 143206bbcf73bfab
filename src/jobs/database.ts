/** One SQL dialect over two databases: PGlite inside this process, or a PostgreSQL server. */
import { PGlite, types as pgliteTypes } from '@electric-sql/pglite'
import pg from 'pg'
import type { ConstructorOptions } from 'pg-boss'
import { fromPglite } from 'pg-boss'

export type Row = Readonly<Record<string, unknown>>

/** Where a statement runs: alone, or inside a transaction. Also what pg-boss takes as its `db`. */
export interface Executor {
  /** One statement with its values, or several without. */
  executeSql(text: string, values?: unknown[]): Promise<{ rows: Row[] }>
}

export interface Database extends Executor {
  readonly kind: 'pglite' | 'postgres'
  /** Commits what `run` did, or none of it. Within, only the given executor may be used: PGlite has one connection. */
  transaction<T>(run: (executor: Executor) => Promise<T>): Promise<T>
  /** How pg-boss reaches the same database. */
  bossOptions(): Pick<ConstructorOptions, 'db' | 'backend' | 'connectionString' | 'max'>
  close(): Promise<void>
}

/**
 * PostgreSQL inside this process, its files in the folder. The folder must be locked by the caller.
 *
 * What was committed survives a kill of the process, not a power cut: the files are not synced at each commit.
 */
export async function openPglite(folder: string): Promise<Database> {
  // 64-bit integers as strings, as pg gives them: equal code on both databases
  const parsers = { [pgliteTypes.INT8]: (text: string) => text }
  const pglite = await PGlite.create({ dataDir: folder, parsers })
  const db = fromPglite(pglite)
  return {
    kind: 'pglite',
    executeSql: (text, values) => db.executeSql(text, values),
    transaction: (run) => pglite.transaction((tx) => run({ executeSql: async (text, values) => tx.query<Row>(text, values) })),
    bossOptions: () => ({ db, backend: 'pglite' }),
    close: () => pglite.close(),
  }
}

/** A PostgreSQL server, by its connection string. */
export async function openPostgres(connectionString: string, maxConnections: number): Promise<Database> {
  const pool = new pg.Pool({ connectionString, max: maxConnections, application_name: 'attending' })
  // A connection that breaks while idle is replaced by the pool; the statement that needs one reports.
  pool.on('error', () => {})
  await pool.query('SELECT 1')
  return {
    kind: 'postgres',
    executeSql: (text, values) => pool.query(text, values),
    transaction: (run) => inTransaction(pool, run),
    bossOptions: () => ({ connectionString, max: maxConnections }),
    close: () => pool.end(),
  }
}

async function inTransaction<T>(pool: pg.Pool, run: (executor: Executor) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    const result = await run({ executeSql: (text, values) => client.query(text, values) })
    await client.query('COMMIT')
    client.release()
    return result
  } catch (error) {
    await client.query('ROLLBACK').then(
      () => client.release(),
      (broken: Error) => client.release(broken),
    )
    throw error
  }
}
