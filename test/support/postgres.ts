/** A PostgreSQL of its own for the tests that need one: a temporary cluster on loopback, run by a user without rights. Debian's package brings the programs. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { freePort } from './free-port.ts'

const PROGRAMS = '/usr/lib/postgresql'

function findPrograms(): string | null {
  const versions = existsSync(PROGRAMS) ? readdirSync(PROGRAMS) : []
  return versions.map((version) => join(PROGRAMS, version, 'bin')).find((folder) => existsSync(join(folder, 'initdb'))) ?? null
}

const programs = findPrograms()
export const hasPostgres = programs !== null

export interface TestPostgres {
  /** A new, empty database. */
  createDatabase(name: string): Promise<string>
  stop(): Promise<void>
}

/** PostgreSQL refuses to run as root: `nobody` runs it then. */
function userOf(): { uid?: number; gid?: number } {
  return process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
}

export async function startPostgres(): Promise<TestPostgres> {
  if (programs === null) throw new Error('PostgreSQL is not installed')
  const folder = mkdtempSync(join(tmpdir(), 'attending-postgres-'))
  const user = userOf()
  if (user.uid !== undefined && user.gid !== undefined) chownSync(folder, user.uid, user.gid)
  const data = join(folder, 'data')
  const made = spawnSync(join(programs, 'initdb'), ['-D', data, '-U', 'attending', '-A', 'trust', '-E', 'UTF8', '--no-sync'], { cwd: folder, encoding: 'utf8', ...user })
  if (made.status !== 0) throw new Error(made.stderr)
  const port = await freePort()
  const server = spawn(join(programs, 'postgres'), ['-D', data, '-p', String(port), '-k', folder, '-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off'], {
    cwd: folder,
    stdio: 'ignore',
    ...user,
  })
  const url = (database: string): string => `postgres://attending@127.0.0.1:${port}/${database}`
  await untilReady(url('postgres'), server)
  return {
    async createDatabase(name) {
      await runSql(url('postgres'), `CREATE DATABASE ${name}`)
      return url(name)
    },
    async stop() {
      // Immediate shutdown: the cluster is thrown away.
      server.kill('SIGQUIT')
      if (server.exitCode === null && server.signalCode === null) await once(server, 'exit')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function runSql(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

async function untilReady(url: string, server: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (server.exitCode !== null) throw new Error(`PostgreSQL ended with ${server.exitCode}`)
    try {
      await runSql(url, 'SELECT 1')
      return
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  throw new Error('PostgreSQL did not start')
}
