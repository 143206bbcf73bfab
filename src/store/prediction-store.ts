/** Kept predictions in, files of the data folder out, and back until their retention time is over. */
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PredictionAnswer } from '../domain/answer.ts'
import type { KeptPrediction, PredictionArtifacts, PredictionStore } from '../domain/kept-prediction.ts'
import { Problem } from '../domain/problem.ts'
import { packArrays, unpackArrays } from './pack-arrays.ts'

/** 128 random bits: an id is also what lets its holder read the prediction. Nothing else may become part of a path. */
const ID = /^[0-9a-f]{32}$/
/** How long an expired id is told from one that never was, in multiples of the retention time. */
const TOMBSTONE_RETENTIONS = 30

export interface PredictionFolderSettings {
  /** Made where missing, readable by this user alone. */
  readonly folder: string
  readonly retentionMs: number
  readonly now: () => Date
}

export interface PredictionFolder extends PredictionStore {
  /** Removes what is over its time, leaving an empty file as its tombstone, and what can't be read. Returns how many predictions it removed. */
  sweep(): Promise<number>
}

/** One folder a prediction, written beside its place and then renamed, so that a reader never meets half of one. */
export async function openPredictionFolder(settings: PredictionFolderSettings): Promise<PredictionFolder> {
  const store = new Folder(settings)
  await store.open()
  return store
}

class Folder implements PredictionFolder {
  readonly #live: string
  readonly #unfinished: string
  readonly #tombstones: string
  readonly #settings: PredictionFolderSettings

  constructor(settings: PredictionFolderSettings) {
    this.#settings = settings
    this.#live = join(settings.folder, 'live')
    this.#unfinished = join(settings.folder, 'unfinished')
    this.#tombstones = join(settings.folder, 'expired')
  }

  async open(): Promise<void> {
    // What a crash left half written has no reader.
    await rm(this.#unfinished, { recursive: true, force: true })
    for (const folder of [this.#live, this.#unfinished, this.#tombstones]) await mkdir(folder, { recursive: true, mode: 0o700 })
  }

  async keep({ answer, artifacts }: KeptPrediction): Promise<void> {
    const id = checkedId(answer.id)
    const folder = join(this.#unfinished, id)
    await mkdir(folder, { mode: 0o700 })
    const packed = packArrays(artifacts)
    await writePrivate(join(folder, 'answer.json'), JSON.stringify(answer))
    await writePrivate(join(folder, 'artifacts.json'), packed.json)
    await writePrivate(join(folder, 'arrays.bin'), packed.bytes)
    await rename(folder, join(this.#live, id))
  }

  async findAnswer(id: string): Promise<PredictionAnswer> {
    checkedId(id)
    const answer = await this.#readAnswer(id)
    if (answer === null) throw await this.#absent(id)
    if (this.#isOver(answer.createdAt)) throw expired()
    return answer
  }

  async findArtifacts(id: string): Promise<PredictionArtifacts> {
    await this.findAnswer(id)
    const folder = join(this.#live, id)
    const [json, bytes] = await Promise.all([readOrNull(join(folder, 'artifacts.json')), readOrNull(join(folder, 'arrays.bin'))])
    // The sweep may have come in between.
    if (json === null || bytes === null) throw await this.#absent(id)
    return unpackArrays({ json: json.toString('utf8'), bytes }) as PredictionArtifacts
  }

  async sweep(): Promise<number> {
    await this.#sweepTombstones()
    let removed = 0
    for (const id of await readdir(this.#live)) {
      const answer = await this.#readAnswer(id)
      if (answer !== null && !this.#isOver(answer.createdAt)) continue
      if (answer === null) await rm(join(this.#live, id), { recursive: true, force: true })
      else await this.#bury(id)
      removed++
    }
    return removed
  }

  /** The tombstone stands before the prediction goes, so that its id is known at every moment. */
  async #bury(id: string): Promise<void> {
    const tombstone = join(this.#tombstones, id)
    await writePrivate(tombstone, '')
    const now = this.#settings.now()
    await utimes(tombstone, now, now)
    await rm(join(this.#live, id), { recursive: true, force: true })
  }

  async #sweepTombstones(): Promise<void> {
    const oldestMs = this.#settings.now().getTime() - TOMBSTONE_RETENTIONS * this.#settings.retentionMs
    for (const id of await readdir(this.#tombstones)) {
      const tombstone = join(this.#tombstones, id)
      if ((await stat(tombstone)).mtimeMs < oldestMs) await rm(tombstone, { force: true })
    }
  }

  /** Null where there is none, and where a power cut left it empty or cut: files are not forced to the disk, which would cost more than a prediction. */
  async #readAnswer(id: string): Promise<PredictionAnswer | null> {
    const bytes = await readOrNull(join(this.#live, id, 'answer.json'))
    if (bytes === null) return null
    try {
      return JSON.parse(bytes.toString('utf8')) as PredictionAnswer
    } catch {
      return null
    }
  }

  async #absent(id: string): Promise<Problem> {
    return (await readOrNull(join(this.#tombstones, id))) === null ? unknown() : expired()
  }

  #isOver(createdAt: string): boolean {
    return Date.parse(createdAt) + this.#settings.retentionMs <= this.#settings.now().getTime()
  }
}

function checkedId(id: string): string {
  if (!ID.test(id)) throw unknown()
  return id
}

function unknown(): Problem {
  return new Problem('prediction-unknown', 'there is no prediction of this id', {})
}

function expired(): Problem {
  return new Problem('prediction-expired', 'the prediction was kept for its retention time, which is over', {})
}

async function writePrivate(file: string, content: string | Uint8Array): Promise<void> {
  await writeFile(file, content, { mode: 0o600 })
}

async function readOrNull(file: string): Promise<Buffer | null> {
  try {
    return await readFile(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
