/** A folder in, this process as its only user out, until the lock is released or the process ends, however it ends. */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Problem } from '../domain/problem.ts'

/** Who holds the folder, for the message that refuses the next one. */
export interface LockHolder {
  readonly processId: number
  readonly host: string
  /** ISO 8601, UTC. */
  readonly since: string
}

export interface FolderLock {
  release(): Promise<void>
}

const LOCK_FILE = 'lock.db'
const HOLDER_FILE = 'lock.json'

/**
 * The folder's lock.
 *
 * folder  exists already
 *
 * The embedded database doesn't guard its own files: two processes on them lose each other's rows. Node has no file lock of its own, so
 * an exclusive SQLite transaction on an empty database holds the kernel's: it ends with the process, also by kill -9, and
 * holds across containers that share the volume.
 * Throws: "settings-invalid", naming the process that has the folder.
 */
export async function lockDataFolder(folder: string, holder: LockHolder): Promise<FolderLock> {
  const database = await takeLock(folder)
  await writeFile(join(folder, HOLDER_FILE), JSON.stringify(holder), { mode: 0o600 })
  return {
    async release() {
      if (!database.isOpen) return
      await rm(join(folder, HOLDER_FILE), { force: true })
      database.close()
    },
  }
}

async function takeLock(folder: string): Promise<DatabaseSync> {
  const database = new DatabaseSync(join(folder, LOCK_FILE))
  try {
    database.exec('BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database.close()
    throw new Problem(
      'settings-invalid',
      `the data folder is in use by ${await describeHolder(folder)}: stop it, or set another ATTENDING_DATA_DIR`,
      { setting: 'ATTENDING_DATA_DIR' },
      error,
    )
  }
}

async function describeHolder(folder: string): Promise<string> {
  try {
    const { processId, host, since } = JSON.parse(await readFile(join(folder, HOLDER_FILE), 'utf8')) as LockHolder
    return `process ${processId} on ${host} since ${since}`
  } catch {
    return 'another process'
  }
}
