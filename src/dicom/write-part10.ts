/** A dataset in, a DICOM file out: explicit VR little endian behind a zero preamble and a meta group of our own. */
import { data, log } from 'dcmjs'
import { Problem } from '../domain/problem.ts'
import { buildUid } from './build-uid.ts'
import { checkValue } from './check-value.ts'
import type { NewDataset, NewInstance } from './dataset.ts'
import { KEYWORDS, type Keyword } from './keywords.ts'

// dcmjs would print values of attributes.
log.setLevel('silent')
log.getLogger('validation.dcmjs').setLevel('silent')

const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1'
const IMPLEMENTATION_CLASS_UID = buildUid('attending', 'implementation')
const IMPLEMENTATION_VERSION_NAME = 'ATTENDING'

/** Representations whose length has 32 bits (PS3.5 table 7.1-1). */
const LONG = ['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']
/** Padded with a zero byte; all else with a space (PS3.5 section 6.2). */
const ZERO_PADDED = ['OB', 'UI', 'UN']
/** Values that stand in the file as they stand in memory. */
const BULK = ['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'UN']

/** An element as another object held it, little endian, never a sequence: identity is copied, not decoded. */
export interface CopiedElement {
  /** Eight upper-case hexadecimal digits, group then element. */
  readonly tag: string
  readonly vr: string
  readonly bytes: Uint8Array
}

export interface WriteOptions {
  /** Written as they are, where the dataset itself does not have the attribute. Their text is in the dataset's SpecificCharacterSet. */
  readonly copied?: readonly CopiedElement[]
}

interface Element {
  readonly vr: string
  readonly Value: readonly unknown[]
}

/** One element of the outermost level: for dcmjs to write, or bytes. */
type Entry = { readonly tag: string; readonly element: Element } | CopiedElement

/** What the representation of a few attributes hangs on. */
interface Context {
  readonly bitsAllocated: number
  readonly isSigned: boolean
  readonly isUtf8: boolean
}

/**
 * The file's bytes.
 *
 * dataset  keywords and values; its SOPClassUID and SOPInstanceUID name the file too
 *
 * Text beyond ASCII needs SpecificCharacterSet ISO_IR 192.
 * Throws: "result-invalid" where a value is not legal for its representation.
 */
export function writePart10(dataset: NewInstance, options: WriteOptions = {}): Uint8Array<ArrayBuffer> {
  const meta = encodeEntries(metaEntries(dataset))
  const groupLength = encodeEntries([{ tag: '00020000', element: { vr: 'UL', Value: [meta.byteLength] } }])
  return join([Buffer.alloc(128), Buffer.from('DICM'), groupLength, meta, encodeEntries(datasetEntries(dataset, options.copied ?? []))])
}

/** (0002,0001) to the end of the meta group. */
function metaEntries(dataset: NewInstance): Entry[] {
  checkValue('SOPClassUID', 'UI', dataset.SOPClassUID)
  checkValue('SOPInstanceUID', 'UI', dataset.SOPInstanceUID)
  const uid = (tag: string, value: string): Entry => ({ tag, element: { vr: 'UI', Value: [value] } })
  return [
    { tag: '00020001', vr: 'OB', bytes: Uint8Array.of(0, 1) },
    uid('00020002', dataset.SOPClassUID),
    uid('00020003', dataset.SOPInstanceUID),
    uid('00020010', EXPLICIT_LITTLE_ENDIAN),
    uid('00020012', IMPLEMENTATION_CLASS_UID),
    { tag: '00020013', element: { vr: 'SH', Value: [IMPLEMENTATION_VERSION_NAME] } },
  ]
}

/** The dataset and what is copied beside it, by ascending tag. */
function datasetEntries(dataset: NewDataset, copied: readonly CopiedElement[]): Entry[] {
  const context = contextOf(dataset)
  const own = elementsOf(dataset).map(({ keyword, tag, declared, value }): Entry => {
    const vr = representationOf(declared, context)
    return BULK.includes(vr) ? { tag, vr, bytes: bytesOf(value) } : { tag, element: toElement(keyword, vr, value, context) }
  })
  const tags = new Set(own.map(({ tag }) => tag))
  return [...own, ...copied.filter(({ tag }) => !tags.has(tag))].sort((a, b) => (a.tag < b.tag ? -1 : 1))
}

function contextOf(dataset: NewDataset): Context {
  return {
    bitsAllocated: Number(dataset.BitsAllocated ?? 8),
    isSigned: dataset.PixelRepresentation === 1,
    isUtf8: [dataset.SpecificCharacterSet].flat().includes('ISO_IR 192'),
  }
}

interface KeywordElement {
  readonly keyword: Keyword
  readonly tag: string
  readonly declared: string
  readonly value: unknown
}

/** The attributes that are there, with their entry of the dictionary. */
function elementsOf(dataset: NewDataset): KeywordElement[] {
  return Object.entries(dataset).flatMap(([name, value]) => {
    if (value === undefined) return []
    const keyword = name as Keyword
    const [tag, declared] = KEYWORDS[keyword]?.split(' ') ?? []
    if (tag === undefined || declared === undefined) throw new Problem('result-invalid', `${name} is no keyword`, {})
    return [{ keyword, tag, declared, value }]
  })
}

function representationOf(declared: string, { bitsAllocated, isSigned }: Context): string {
  if (declared === 'ox') return bitsAllocated > 8 ? 'OW' : 'OB'
  if (declared === 'xs') return isSigned ? 'SS' : 'US'
  return declared === 'lt' ? 'OW' : declared
}

/** A value in dcmjs' form. */
function toElement(keyword: Keyword, vr: string, value: unknown, context: Context): Element {
  if (value === null) return { vr, Value: [] }
  if (vr === 'SQ') return { vr, Value: (value as readonly NewDataset[]).map((item) => toItem(item, context)) }
  if (BULK.includes(vr)) return { vr, Value: [Uint8Array.from(bytesOf(value)).buffer] }
  return { vr, Value: [value].flat().map((one) => toSingleValue(keyword, vr, one as string | number | bigint, context)) }
}

function toItem(item: NewDataset, context: Context): Readonly<Record<string, Element>> {
  return Object.fromEntries(elementsOf(item).map(({ keyword, tag, declared, value }) => [tag, toElement(keyword, representationOf(declared, context), value, context)]))
}

function toSingleValue(keyword: Keyword, vr: string, value: string | number | bigint, { isUtf8 }: Context): string | number | bigint {
  if (vr === 'AT') return Number.parseInt(KEYWORDS[value as Keyword].slice(0, 8), 16)
  const written = typeof value !== 'number' ? value : vr === 'DS' ? toDecimalText(value) : vr === 'IS' ? String(value) : value
  checkValue(keyword, vr, written)
  if (typeof written === 'string' && !isUtf8 && /[^\0-\x7f]/.test(written)) throw new Problem('result-invalid', `${keyword} needs a character set`, {})
  return written
}

/** A number as DS text: at most 16 characters, ten significant digits where there are more. */
function toDecimalText(value: number): string {
  for (let digits = 10; digits > 1; digits--) {
    const short = String(Number(value.toPrecision(digits)))
    const text = short.length <= 16 ? short : value.toExponential(digits - 1)
    if (text.length <= 16) return text
  }
  return String(value)
}

/** Runs of plain elements are dcmjs' work; bulk data and copied bytes are laid between them as they are. */
function encodeEntries(entries: readonly Entry[]): Uint8Array {
  const chunks: Uint8Array[] = []
  let run: [string, Element][] = []
  for (const entry of entries) {
    if ('element' in entry) run.push([entry.tag, entry.element])
    else {
      chunks.push(encodeRun(run), encodeBytes(entry))
      run = []
    }
  }
  return join([...chunks, encodeRun(run)])
}

function encodeRun(run: readonly [string, Element][]): Uint8Array {
  if (run.length === 0) return new Uint8Array(0)
  const stream = new data.WriteBufferStream(1024, true)
  data.DicomMessage.write(Object.fromEntries(run), stream, EXPLICIT_LITTLE_ENDIAN, { allowInvalidVRLength: false })
  return new Uint8Array(stream.getBuffer(0, stream.size))
}

/** One element whose bytes stand as they are, padded to an even length (PS3.5 section 7.1.2). */
function encodeBytes({ tag, vr, bytes }: CopiedElement): Uint8Array {
  const length = bytes.byteLength + (bytes.byteLength % 2)
  const isLong = LONG.includes(vr)
  if (!isLong && length > 0xffff) throw new Problem('result-invalid', `a copied ${vr} element is longer than its representation allows`, {})
  const header = Buffer.alloc(isLong ? 12 : 8)
  header.writeUInt16LE(Number.parseInt(tag.slice(0, 4), 16), 0)
  header.writeUInt16LE(Number.parseInt(tag.slice(4), 16), 2)
  header.write(vr, 4, 'latin1')
  if (isLong) header.writeUInt32LE(length, 8)
  else header.writeUInt16LE(length, 6)
  return join([header, bytes, Buffer.alloc(length - bytes.byteLength, ZERO_PADDED.includes(vr) ? 0 : 0x20)])
}

/** The memory of a typed array, none for null. The platforms that Node runs on are little endian, as the file is. */
function bytesOf(value: unknown): Uint8Array {
  return ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(0)
}

/** One array that owns its memory, so that it crosses process boundaries without the rest of a pool. */
function join(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0))
  let offset = 0
  for (const chunk of chunks) {
    out.set(chunk, offset)
    offset += chunk.byteLength
  }
  return out
}
