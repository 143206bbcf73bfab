/** The corpus' INDEX.tsv and reference.json, and what each of its upper-case reasons is called here. */
import { readFileSync } from 'node:fs'
import type { ProblemCode } from '../../src/domain/problem.ts'
import { corpusFile } from '../support/corpus.ts'

/** One to one. docs/dicom-conformance.md prints this table. */
export const REASONS = {
  NOT_PART10: 'dicom-not-part10',
  TRUNCATED: 'dicom-truncated',
  UNSUPPORTED_TRANSFER_SYNTAX: 'transfer-syntax-unsupported',
  UNSUPPORTED_BITS: 'bits-unsupported',
  UNSUPPORTED_SOP_CLASS: 'sop-class-unsupported',
  NO_PIXEL_DATA: 'pixel-data-missing',
  PIXEL_DATA_TRUNCATED: 'pixel-data-truncated',
  BAD_DIMENSIONS: 'dimensions-invalid',
  IMAGE_TOO_LARGE: 'image-too-large',
  TOO_MANY_FRAMES: 'frames-too-many',
  BAD_NUMBER_OF_FRAMES: 'number-of-frames-invalid',
  FRAME_COUNT_MISMATCH: 'frame-count-mismatch',
  DIMENSION_MISMATCH: 'codestream-mismatch',
  INCONSISTENT_ATTRIBUTES: 'attributes-inconsistent',
  MISSING_ATTRIBUTES: 'attribute-missing',
  BAD_UID: 'uid-invalid',
  BAD_RESCALE: 'rescale-invalid',
  CODEC_ERROR: 'codec-failed',
  TOO_DEEP: 'dicom-nesting-too-deep',
  TOO_LARGE: 'dicom-too-large',
} as const satisfies Record<string, ProblemCode>

export interface CorpusFile {
  readonly name: string
  readonly transferSyntaxUid: string
  readonly photometric: string
  readonly bits: string
  readonly frames: string
  /** As written in the index: "decodes", "reject: REASON or REASON", "either: ...". */
  readonly expected: string
}

export interface Reference {
  readonly tolerance: number
  readonly decodedPhotometric?: string
  readonly dtype?: string
  readonly shape?: readonly number[]
  readonly sha256?: string
  readonly min?: number
  readonly max?: number
  readonly mean?: number
  readonly samples?: readonly (readonly [number, number])[]
  readonly display?: Readonly<Record<string, DisplayReference>>
}

export interface DisplayReference {
  readonly tool?: string
  readonly sha256: string
  readonly mean: number
  readonly channels?: number
  readonly samples?: readonly (readonly [number, number])[]
}

export function readIndex(): CorpusFile[] {
  const [head = '', ...lines] = readFileSync(corpusFile('INDEX.tsv'), 'utf8').trimEnd().split('\n')
  const columns = head.split('\t')
  return lines.map((line) => {
    const cells = line.split('\t')
    const cell = (name: string): string => cells[columns.indexOf(name)] ?? ''
    return {
      name: cell('file'),
      transferSyntaxUid: cell('transfer_syntax'),
      photometric: cell('photometric'),
      bits: cell('bits_alloc/stored/high'),
      frames: cell('frames'),
      expected: cell('expected'),
    }
  })
}

export const readReferences = (): Readonly<Record<string, Reference>> => JSON.parse(readFileSync(corpusFile('reference.json'), 'utf8'))

export const readCorpusBytes = (name: string): Uint8Array => new Uint8Array(readFileSync(corpusFile(name)))

/** The codes with which a file may be refused. */
export function refusalsOf({ expected }: CorpusFile): ProblemCode[] {
  return Object.entries(REASONS).flatMap(([reason, code]) => (new RegExp(`(?<![A-Z_0-9])${reason}(?![A-Z_0-9])`).test(expected) ? [code] : []))
}

/** Whether the index lets a file be decoded. */
export const mayDecode = ({ expected }: CorpusFile): boolean => !expected.startsWith('reject') || /\bdecodes\b/.test(expected)
