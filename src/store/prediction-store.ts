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
/** Whose image it was, sealed: what no other file of a prediction holds. */
const ORIGIN_FILE = 'origin.bin'

export interface PredictionFolderSettings {
  /** Made where missing, readable by this user alone. One process has it to itself. */
  readonly folder: string
  readonly retentionMs: number
  /** Bytes of all kept predictions; past that the oldest expire before their time. */
  readonly maxBytes: number
  readonly now: () => Date
}

export interface PredictionFolder extends PredictionStore {
  /** Removes what is over its time, leaving an empty file as its tombstone. Returns how many predictions it removed. */
  sweep(): Promise<number>
}

/** One folder a prediction, written beside its place and then renamed, so that a reader never meets half of one. */
export async function openPredictionFolder(settings: PredictionFolderSettings): Promise<PredictionFolder> {
  const store = new Folder(settings)
  await store.open()
  return store
}

interface Kept {
  readonly createdAtMs: number
  readonly bytes: number
}

class Folder implements PredictionFolder {
  readonly #live: string
  readonly #unfinished: string
  readonly #tombstones: string
  readonly #settings: PredictionFolderSettings
  /** By id, the oldest first. */
  readonly #kept = new Map<string, Kept>()
  #keptBytes = 0

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
    const found: (readonly [id: string, kept: Kept])[] = []
    for (const id of await readdir(this.#live)) {
      const answer = await this.#readAnswer(id)
      if (answer === null) await rm(join(this.#live, id), { recursive: true, force: true })
      else found.push([id, { createdAtMs: Date.parse(answer.createdAt), bytes: await sizeOfFolder(join(this.#live, id)) }])
    }
    for (const [id, kept] of found.toSorted(([, a], [, b]) => a.createdAtMs - b.createdAtMs)) this.#remember(id, kept)
    await this.#makeRoom()
  }

  async keep({ answer, artifacts, origin }: KeptPrediction): Promise<void> {
    const id = checkedId(answer.id)
    const folder = join(this.#unfinished, id)
    await mkdir(folder, { mode: 0o700 })
    const packed = packArrays(artifacts)
    const text = JSON.stringify(answer)
    await writePrivate(join(folder, 'answer.json'), text)
    await writePrivate(join(folder, 'artifacts.json'), packed.json)
    await writePrivate(join(folder, 'arrays.bin'), packed.bytes)
    if (origin !== null) await writePrivate(join(folder, ORIGIN_FILE), origin)
    await rename(folder, join(this.#live, id))
    const bytes = Buffer.byteLength(text) + Buffer.byteLength(packed.json) + packed.bytes.length + (origin?.length ?? 0)
    this.#remember(id, { createdAtMs: Date.parse(answer.createdAt), bytes })
    await this.#makeRoom()
  }

  #remember(id: string, kept: Kept): void {
    this.#kept.set(id, kept)
    this.#keptBytes += kept.bytes
  }

  /** The newest stays, however large it is: its asker is about to look at it. */
  async #makeRoom(): Promise<void> {
    for (const id of this.#kept.keys()) {
      if (this.#keptBytes <= this.#settings.maxBytes || this.#kept.size === 1) return
      await this.#bury(id)
    }
  }

  async findAnswer(id: string): Promise<PredictionAnswer> {
    checkedId(id)
    const answer = await this.#readAnswer(id)
    if (answer === null) throw await this.#absent(id)
    if (this.#isOver(Date.parse(answer.createdAt))) throw expired()
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

  async findOrigin(id: string): Promise<Uint8Array | null> {
    await this.findAnswer(id)
    return readOrNull(join(this.#live, id, ORIGIN_FILE))
  }

  async sweep(): Promise<number> {
    await this.#sweepTombstones()
    const over = [...this.#kept].filter(([, { createdAtMs }]) => this.#isOver(createdAtMs))
    for (const [id] of over) await this.#bury(id)
    return over.length
  }

  /** The tombstone stands before the prediction goes, so that its id is known at every moment. */
  async #bury(id: string): Promise<void> {
    this.#keptBytes -= this.#kept.get(id)?.bytes ?? 0
    this.#kept.delete(id)
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

  #isOver(createdAtMs: number): boolean {
    return createdAtMs + this.#settings.retentionMs <= this.#settings.now().getTime()
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
  return new Problem('prediction-expired', 'the prediction was kept for a limited time, which is over', {})
}

async function sizeOfFolder(folder: string): Promise<number> {
  let bytes = 0
  for (const name of await readdir(folder)) bytes += (await stat(join(folder, name))).size
  return bytes
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
