/** The rows of a table and a folder in, each row's file out; nothing outside the folder is ever opened. */
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join, sep } from 'node:path'
import { Problem } from '../../src/domain/problem.ts'
import { readInstanceUid } from '../../src/imaging/read-instance-uid.ts'
import { SPLIT_NAMES } from './data-set.ts'
import type { ImageRow, ImageTable } from './read-image-table.ts'

export interface ImageFile extends ImageRow {
  readonly file: string
}

/**
 * The files, split by split in the order of the table.
 *
 * Throws: "file-unreadable" naming the line: a file or instance that is not there, a path that leads out of the folder, an instance that two files carry.
 */
export function findImageFiles(table: ImageTable, folder: string): readonly ImageFile[] {
  const root = realpathOrThrow(folder)
  const rows = SPLIT_NAMES.flatMap((split) => table.rows[split])
  const fileOf = table.by === 'file' ? fileBelow(root) : fileOfInstance(root, new Set(rows.map(({ image }) => image)))
  return rows.map((row) => ({ ...row, file: fileOf(row) }))
}

function realpathOrThrow(folder: string): string {
  try {
    return realpathSync(folder)
  } catch (cause) {
    throw unreadable('the folder of images is not there', cause)
  }
}

function fileBelow(root: string): (row: ImageRow) => string {
  return ({ line, image }) => {
    let file: string
    try {
      file = realpathSync(join(root, image))
    } catch (cause) {
      throw unreadable(`the image of line ${line} of the table is not there`, cause)
    }
    if (!file.startsWith(root + sep)) throw unreadable(`the image of line ${line} of the table lies outside the folder of images`)
    if (!statSync(file).isFile()) throw unreadable(`the image of line ${line} of the table is no file`)
    return file
  }
}

function fileOfInstance(root: string, wanted: ReadonlySet<string>): (row: ImageRow) => string {
  const files = new Map<string, string[]>()
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = join(entry.parentPath, entry.name)
    const uid = instanceUidOf(file)
    if (uid !== null && wanted.has(uid)) files.set(uid, [...(files.get(uid) ?? []), file])
  }
  return ({ line, image }) => {
    const [file, second] = files.get(image) ?? []
    if (file === undefined) throw unreadable(`the instance of line ${line} of the table is in no file of the folder`)
    if (second !== undefined) throw unreadable(`the instance of line ${line} of the table is in two files of the folder`)
    return file
  }
}

/** Files that are broken or no DICOM carry no instance: one that a row needs is then named as missing. */
function instanceUidOf(file: string): string | null {
  try {
    return readInstanceUid(readFileSync(file))
  } catch (error) {
    if (error instanceof Problem) return null
    throw error
  }
}

function unreadable(detail: string, cause?: unknown): Problem {
  return new Problem('file-unreadable', detail, {}, cause)
}
