/** The text of a table of images in, its rows by split out: which image, which class, which patient; checked before any image is opened. */
import { Problem } from '../../src/domain/problem.ts'
import type { SplitName } from './data-set.ts'
import { type CsvRow, readCsv } from './read-csv.ts'

export interface ImageRow {
  /** Of the table, from 1; messages name a row by it. */
  readonly line: number
  /** A path below the images' folder, or a SOP Instance UID. */
  readonly image: string
  /** From 1. */
  readonly frame: number
  /** An index of `classes`. */
  readonly label: number
  readonly split: SplitName
}

export interface ImageTable {
  /** How a row names its image. */
  readonly by: 'file' | 'instance'
  readonly classes: readonly string[]
  /** In the order of the table, split by split: train, validation, test. */
  readonly rows: Readonly<Record<SplitName, readonly ImageRow[]>>
}

/** Labels are bytes. */
const MOST_CLASSES = 256

const SPLITS: Readonly<Record<string, SplitName>> = { train: 'train', training: 'train', val: 'validation', valid: 'validation', validation: 'validation', test: 'test' }

interface Draft extends Omit<ImageRow, 'label'> {
  readonly className: string
  readonly patient: string
}

/**
 * The table: columns `image` (a path) or `instance` (a SOP Instance UID), `class`, `split`, `patient`, and `frame` where files have more than one.
 *
 * classes  their order, which is that of the network's outputs; null takes the names of the training split, sorted by code points
 *
 * Throws: "file-unreadable" naming the line: a missing column or cell, an unknown split, an image twice, a class that is not among the classes,
 * a patient in two splits (the lines are told, not the patient), a split without images.
 */
export function readImageTable(text: string, classes: readonly string[] | null): ImageTable {
  const { columns, rows } = readCsv(text)
  const by = wayOf(columns)
  const missing = ['class', 'split', 'patient'].find((column) => !columns.includes(column))
  if (missing !== undefined) throw unreadable(`the table has no column "${missing}"; it needs image (or instance), class, split and patient`)
  const drafts = rows.map((row) => draftOf(row, by))
  checkImages(drafts)
  checkPatients(drafts)
  const names = classes ?? [...new Set(drafts.filter(({ split }) => split === 'train').map(({ className }) => className))].sort()
  if (names.length < 2 || names.length > MOST_CLASSES) throw unreadable(`the training split has ${names.length} classes; 2 to ${MOST_CLASSES} can be learned`)
  const labeled = drafts.map((draft) => labeledRow(draft, names))
  return { by, classes: names, rows: { train: rowsOf(labeled, 'train'), validation: rowsOf(labeled, 'validation'), test: rowsOf(labeled, 'test') } }
}

function wayOf(columns: readonly string[]): ImageTable['by'] {
  const [hasFile, hasInstance] = [columns.includes('image'), columns.includes('instance')]
  if (hasFile === hasInstance) throw unreadable('the table names its images by one column: image (a path) or instance (a SOP Instance UID)')
  return hasFile ? 'file' : 'instance'
}

function draftOf({ line, cells }: CsvRow, by: ImageTable['by']): Draft {
  const cell = (column: string): string => {
    const value = cells.get(column) ?? ''
    if (value === '') throw unreadable(`line ${line} of the table has no ${column}`)
    return value
  }
  const splitName = cell('split').toLowerCase()
  const split = Object.hasOwn(SPLITS, splitName) ? SPLITS[splitName] : undefined
  if (split === undefined) throw unreadable(`line ${line} of the table names a split that is none of train, validation (val) and test`)
  return { line, image: cell(by === 'file' ? 'image' : 'instance'), frame: frameOf(line, cells.get('frame')), className: cell('class'), patient: cell('patient'), split }
}

function frameOf(line: number, text: string | undefined): number {
  if (text === undefined || text === '') return 1
  const frame = Number(text)
  if (!Number.isSafeInteger(frame) || frame < 1) throw unreadable(`line ${line} of the table has a frame that is no whole number from 1 on`)
  return frame
}

function checkImages(drafts: readonly Draft[]): void {
  const seen = new Map<string, number>()
  for (const { line, image, frame } of drafts) {
    const key = JSON.stringify([image, frame])
    const before = seen.get(key)
    if (before !== undefined) throw unreadable(`lines ${before} and ${line} of the table name the same image`)
    seen.set(key, line)
  }
}

/** A patient whose images lie in two splits would be learned by heart and then tested on. */
function checkPatients(drafts: readonly Draft[]): void {
  const seen = new Map<string, Draft>()
  for (const draft of drafts) {
    const before = seen.get(draft.patient)
    if (before !== undefined && before.split !== draft.split) {
      throw unreadable(`lines ${before.line} (${before.split}) and ${draft.line} (${draft.split}) of the table are of one patient: a patient belongs to one split`)
    }
    seen.set(draft.patient, before ?? draft)
  }
}

function labeledRow({ line, image, frame, split, className }: Draft, classes: readonly string[]): ImageRow {
  const label = classes.indexOf(className)
  if (label < 0) throw unreadable(`line ${line} of the table has a class that is none of the ${classes.length} classes (${classes.join(', ')})`)
  return { line, image, frame, split, label }
}

function rowsOf(rows: readonly ImageRow[], split: SplitName): readonly ImageRow[] {
  const chosen = rows.filter((row) => row.split === split)
  if (chosen.length === 0) throw unreadable(`the table has no row of the split ${split}`)
  return chosen
}

function unreadable(detail: string): Problem {
  return new Problem('file-unreadable', detail, {})
}
