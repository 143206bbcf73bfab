/** Bytes in, a file of the data folder out, synced to disk before the key is handed back; and the way back. */
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Problem } from '../domain/problem.ts'

/** A key is one of our own ids, with a suffix for a file that belongs to it; nothing else becomes part of a path. */
const KEY = /^[0-9a-f]{32}(-[a-z0-9]{1,40})?$/

/** Open files are a limited good: an object of hundreds of frames has as many results. */
const FILES_AT_A_TIME = 16

export interface FileStore {
  /** Replaces what the key held. Once it returns the bytes are on disk, readable by this user alone. */
  keep(key: string, bytes: Uint8Array): Promise<void>
  /** The same of several keys, which wait for the disk together. */
  keepAll(files: ReadonlyMap<string, Uint8Array>): Promise<void>
  /** Throws "internal" where the key holds nothing. */
  read(key: string): Promise<Uint8Array>
  remove(key: string): Promise<void>
  /** Keys not written since the given time. */
  keysBefore(time: Date): Promise<readonly string[]>
}

/** Files of one folder, made where missing. Servers that share a queue share this folder. */
export async function openFileStore(folder: string): Promise<FileStore> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const pathOf = (key: string): string => {
    if (!KEY.test(key)) throw new Problem('internal', 'a key of the file store is malformed', {})
    return join(folder, key)
  }
  const keepAll = async (files: ReadonlyMap<string, Uint8Array>): Promise<void> => {
    for (const chunk of chunksOf([...files], FILES_AT_A_TIME)) await Promise.all(chunk.map(([key, bytes]) => replaceFile(pathOf(key), bytes)))
    await syncFolder(folder)
  }
  return {
    keep: (key, bytes) => keepAll(new Map([[key, bytes]])),
    keepAll,
    async read(key) {
      try {
        return await readFile(pathOf(key))
      } catch (error) {
        throw new Problem('internal', 'kept bytes are missing', {}, error)
      }
    },
    remove: (key) => rm(pathOf(key), { force: true }),
    async keysBefore(time) {
      const names = await readdir(folder)
      const old = await Promise.all(names.map(async (name) => ((await writtenAt(join(folder, name))) < time.getTime() ? [name] : [])))
      return old.flat().filter((name) => KEY.test(name))
    },
  }
}

async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  await writeSynced(`${path}.part`, bytes)
  await rename(`${path}.part`, path)
}

function chunksOf<T>(values: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, index) => values.slice(index * size, (index + 1) * size))
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'w', 0o600)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** A rename lasts once its folder is on disk. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function writtenAt(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs
  } catch {
    // Removed in between: no longer ours to judge.
    return Number.POSITIVE_INFINITY
  }
}
