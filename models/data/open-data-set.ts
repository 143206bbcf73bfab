/** A file's path in, its data set out: a table of images by its ending .csv, every other file as an .npz archive. */
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { Problem } from '../../src/domain/problem.ts'
import type { DataSet } from './data-set.ts'
import { NO_CACHE, openImageCache } from './image-cache.ts'
import { readDataSet } from './read-data-set.ts'
import { type InputShape, readImageFolder } from './read-image-folder.ts'

export interface OpenOptions {
  /** SHA-256 of .npz files that nobody published. */
  readonly allowed: readonly string[]
  /** Of a table: the folder that its paths start from; null is the table's own. */
  readonly folder: string | null
  /** Of a table: the classes' order; null is the training split's names, sorted. */
  readonly classes: readonly string[] | null
  /** Of a table: where decoded images are kept for the next run; null keeps none. */
  readonly cacheFolder: string | null
  /** Of a table: what its images are fitted into. An archive has its own size. */
  readonly input: InputShape
}

/** Whether a path names a table of images. */
export function isTable(file: string): boolean {
  return file.toLowerCase().endsWith('.csv')
}

/** Throws: "file-unreadable", "data-set-unknown". */
export async function openDataSet(file: string, options: OpenOptions): Promise<DataSet> {
  const bytes = readOrThrow(file)
  const { folder, classes, cacheFolder, input } = options
  if (isTable(file)) {
    const cache = cacheFolder === null ? NO_CACHE : openImageCache(cacheFolder)
    return readImageFolder(bytes, { folder: folder ?? dirname(file), input, classes, cache })
  }
  return readDataSet(bytes, { allowed: options.allowed })
}

function readOrThrow(file: string): Uint8Array {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new Problem('file-unreadable', 'the data file cannot be read', {}, cause)
  }
}
