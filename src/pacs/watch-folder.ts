/** A folder in, each file that has come to rest in it accepted as an order out. */
import { mkdir, readdir, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Log, toLogFrames } from '../domain/log.ts'
import { Problem } from '../domain/problem.ts'

export interface WatchSettings {
  readonly folder: string
  readonly pollMs: number
  readonly maxFileBytes: number
  /** Makes the file a durable order; accepting the same bytes twice must be accepting them once. */
  readonly accept: (bytes: Uint8Array) => Promise<void>
  readonly log: Log
}

export interface Watch {
  stop(): Promise<void>
}

/** Where files go, beside each other, so that a rename moves them. Nothing is deleted that somebody put there. */
const ACCEPTED = 'accepted'
const REFUSED = 'refused'
/** Writers of other programs use these names until a file is whole. */
const UNFINISHED = /^\.|\.(part|tmp|partial|filepart|crdownload)$/i

interface Seen {
  readonly size: number
  readonly mtimeMs: number
}

/**
 * Watches until stopped. A file is taken once its size and time were the same at two looks: a copy may still be under way.
 *
 * Looks are used rather than notices of the operating system, which network file systems don't send.
 */
export async function watchFolder(settings: WatchSettings): Promise<Watch> {
  for (const name of [ACCEPTED, REFUSED]) await mkdir(join(settings.folder, name), { recursive: true })
  let seen = new Map<string, Seen>()
  let isStopped = false
  let wake = (): void => {}
  const loop = async (): Promise<void> => {
    while (!isStopped) {
      seen = await look(settings, seen)
      if (!isStopped) await new Promise<void>((resolve) => (wake = sleep(settings.pollMs, resolve)))
    }
  }
  const looping = loop()
  return {
    async stop() {
      isStopped = true
      wake()
      await looping
    },
  }
}

/** Ends the sleep early when called. */
function sleep(ms: number, resolve: () => void): () => void {
  const timer = setTimeout(resolve, ms)
  return () => {
    clearTimeout(timer)
    resolve()
  }
}

/** One look: what has come to rest is taken; what was seen is returned for the next. */
async function look(settings: WatchSettings, before: ReadonlyMap<string, Seen>): Promise<Map<string, Seen>> {
  const seen = new Map<string, Seen>()
  try {
    for (const entry of await readdir(settings.folder, { withFileTypes: true })) {
      if (!entry.isFile() || UNFINISHED.test(entry.name)) continue
      const now = await stat(join(settings.folder, entry.name))
      const then = before.get(entry.name)
      if (then?.size === now.size && then.mtimeMs === now.mtimeMs) await take(settings, entry.name, now.size)
      seen.set(entry.name, now)
    }
  } catch (error) {
    settings.log.error({ frames: toLogFrames(error) }, 'a watched folder cannot be read')
  }
  return seen
}

async function take({ folder, maxFileBytes, accept, log }: WatchSettings, name: string, size: number): Promise<void> {
  const path = join(folder, name)
  if (size > maxFileBytes) {
    log.warn({ size }, 'a file of a watched folder is larger than is read')
    await rename(path, join(folder, REFUSED, name))
    return
  }
  try {
    await accept(await readFile(path))
    await rename(path, join(folder, ACCEPTED, name))
  } catch (error) {
    await leave(folder, name, error, log)
  }
}

/** What the file is to blame for moves it aside; what is not is tried again at the next look. */
async function leave(folder: string, name: string, error: unknown, log: Log): Promise<void> {
  const code = error instanceof Problem ? error.code : 'internal'
  const isRefused = ['dicom-not-part10', 'uid-invalid', 'sop-class-unsupported', 'media-type-unsupported'].includes(code)
  log.warn({ code, isRefused }, 'a file of a watched folder was not accepted')
  if (isRefused) await rename(join(folder, name), join(folder, REFUSED, name))
}
