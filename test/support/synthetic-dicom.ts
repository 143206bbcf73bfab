/**
 * Attributes in, a DICOM file out, byte by byte: no library stands between a test and what it wants to be wrong.
 *
 * Keys are PS3.6 keywords; values are strings, numbers (US, SS, UL or FD as the dictionary says), bytes, or arrays of items.
 */
import { deflateRawSync } from 'node:zlib'
import { KEYWORDS, type Keyword } from '../../src/dicom/keywords.ts'

export type SyntheticValue = string | number | readonly number[] | Uint8Array | readonly SyntheticDataset[]
export type SyntheticDataset = { readonly [K in Keyword]?: SyntheticValue | undefined }

/** An element that no keyword names: private, of a curve or an overlay, or in a value representation of a test's choice. An item's elements may be more of them. */
export interface SyntheticElement {
  /** Eight upper-case hexadecimal digits. */
  readonly tag: string
  readonly vr: string
  readonly value: Exclude<SyntheticValue, readonly SyntheticDataset[]> | readonly (readonly SyntheticElement[])[]
}

export interface Encapsulated {
  readonly offsets: readonly number[]
  readonly fragments: readonly Uint8Array[]
}

export interface SyntheticFile {
  readonly transferSyntaxUid?: string
  readonly dataset: SyntheticDataset
  readonly others?: readonly SyntheticElement[]
  /** Replaces a native PixelData. */
  readonly encapsulated?: Encapsulated
  /** VR of PixelData, OW where nothing is said. */
  readonly pixelVr?: 'OB' | 'OW'
  readonly preamble?: Uint8Array
}

export const IMPLICIT = '1.2.840.10008.1.2'
export const EXPLICIT = '1.2.840.10008.1.2.1'
export const DEFLATED = '1.2.840.10008.1.2.1.99'
export const BIG_ENDIAN = '1.2.840.10008.1.2.2'

interface Encoding {
  readonly explicitVr: boolean
  readonly bigEndian: boolean
  readonly pixelVr: 'OB' | 'OW'
}

/** What an image must have, for a test to change: 2 x 3 pixels of 16 bits, no window. */
export const IMAGE: SyntheticDataset = {
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.7',
  SOPInstanceUID: '1.2.3.4',
  Modality: 'OT',
  StudyInstanceUID: '1.2.3.1',
  SeriesInstanceUID: '1.2.3.2',
  SamplesPerPixel: 1,
  PhotometricInterpretation: 'MONOCHROME2',
  Rows: 2,
  Columns: 3,
  BitsAllocated: 16,
  BitsStored: 16,
  HighBit: 15,
  PixelRepresentation: 0,
}

export function buildPart10({ transferSyntaxUid = EXPLICIT, dataset, others = [], encapsulated, pixelVr = 'OW', preamble = new Uint8Array(128) }: SyntheticFile): Uint8Array {
  const encoding: Encoding = { explicitVr: transferSyntaxUid !== IMPLICIT, bigEndian: transferSyntaxUid === BIG_ENDIAN, pixelVr }
  const meta = encodeElement('00020010', 'UI', transferSyntaxUid, { explicitVr: true, bigEndian: false, pixelVr })
  const pixels = encapsulated === undefined ? Buffer.alloc(0) : encodeEncapsulated(encapsulated)
  const body = Buffer.concat([encodeElements([...toElements(dataset), ...others], encoding), pixels])
  const encoded = transferSyntaxUid === DEFLATED ? deflateRawSync(body) : body
  return new Uint8Array(Buffer.concat([preamble, Buffer.from('DICM'), meta, encoded]))
}

/** A file of 16-bit values in row order, and whatever attributes a test adds. */
export function buildGray16(values: ArrayLike<number>, columns: number, more: SyntheticDataset = {}, file: Omit<SyntheticFile, 'dataset'> = {}): Uint8Array {
  const isBigEndian = file.transferSyntaxUid === BIG_ENDIAN
  const dataset = { ...IMAGE, Rows: values.length / columns, Columns: columns, PixelData: words(Array.from(values), isBigEndian), ...more }
  return buildPart10({ ...file, dataset })
}

/** Words of 16 bits; negative values as two's complement. */
export function words(values: readonly number[], bigEndian = false): Uint8Array {
  const bytes = Buffer.alloc(values.length * 2)
  values.forEach((value, i) => {
    if (bigEndian) bytes.writeUInt16BE(value & 0xffff, 2 * i)
    else bytes.writeUInt16LE(value & 0xffff, 2 * i)
  })
  return new Uint8Array(bytes)
}

function toElements(dataset: SyntheticDataset): SyntheticElement[] {
  const entries = Object.entries(dataset) as [Keyword, SyntheticValue | undefined][]
  return entries.flatMap(([keyword, value]) => {
    if (value === undefined) return []
    const isItems = Array.isArray(value) && value.some((item) => typeof item === 'object')
    const own = isItems ? (value as readonly SyntheticDataset[]).map(toElements) : (value as Exclude<SyntheticValue, readonly SyntheticDataset[]>)
    return [{ tag: KEYWORDS[keyword].slice(0, 8), vr: KEYWORDS[keyword].slice(9), value: own }]
  })
}

/** In the order of their tags. */
function encodeElements(elements: readonly SyntheticElement[], encoding: Encoding): Buffer {
  const sorted = elements.toSorted((a, b) => (a.tag < b.tag ? -1 : 1))
  return Buffer.concat(sorted.map(({ tag, vr, value }) => encodeElement(tag, vr, value, encoding)))
}

/** The dictionary's choices between two representations, made for an unsigned image. */
const SPELLED_OUT: Readonly<Record<string, string>> = { xs: 'US', lt: 'OW', ox: 'OW', up: 'UL' }

function encodeElement(tag: string, vrs: string, value: SyntheticElement['value'], encoding: Encoding): Buffer {
  const vr = tag === '7FE00010' ? encoding.pixelVr : (SPELLED_OUT[vrs] ?? vrs)
  const bytes = pad(encodeValue(vr, value, encoding), vr)
  const { explicitVr, bigEndian } = encoding
  const isLong = ['OB', 'OW', 'OF', 'OD', 'OL', 'OV', 'SQ', 'UT', 'UN', 'UC', 'UR', 'SV', 'UV'].includes(vr)
  const head = Buffer.alloc(explicitVr && isLong ? 12 : 8)
  writeWord(head, Number.parseInt(tag.slice(0, 4), 16), 0, bigEndian)
  writeWord(head, Number.parseInt(tag.slice(4), 16), 2, bigEndian)
  if (explicitVr) head.write(vr, 4, 'latin1')
  if (explicitVr && !isLong) writeWord(head, bytes.length, 6, bigEndian)
  else if (bigEndian) head.writeUInt32BE(bytes.length, head.length - 4)
  else head.writeUInt32LE(bytes.length, head.length - 4)
  return Buffer.concat([head, bytes])
}

function encodeValue(vr: string, value: SyntheticElement['value'], encoding: Encoding): Buffer {
  if (typeof value === 'string') return Buffer.from(value, 'latin1')
  if (value instanceof Uint8Array) return Buffer.from(value)
  if (typeof value === 'number') return encodeNumbers(vr, [value], encoding)
  if (vr === 'SQ') return Buffer.concat((value as readonly (readonly SyntheticElement[])[]).map((item) => encodeItem(item, encoding)))
  return encodeNumbers(vr, value as readonly number[], encoding)
}

function encodeNumbers(vr: string, values: readonly number[], { bigEndian }: Encoding): Buffer {
  if (vr !== 'UL') return Buffer.from(words(values, bigEndian))
  const bytes = Buffer.alloc(values.length * 4)
  values.forEach((value, i) => {
    if (bigEndian) bytes.writeUInt32BE(value, 4 * i)
    else bytes.writeUInt32LE(value, 4 * i)
  })
  return bytes
}

function encodeItem(item: readonly SyntheticElement[], encoding: Encoding): Buffer {
  const body = encodeElements(item, encoding)
  const head = Buffer.alloc(8)
  writeWord(head, 0xfffe, 0, encoding.bigEndian)
  writeWord(head, 0xe000, 2, encoding.bigEndian)
  if (encoding.bigEndian) head.writeUInt32BE(body.length, 4)
  else head.writeUInt32LE(body.length, 4)
  return Buffer.concat([head, body])
}

/** PixelData of undefined length: the table of offsets, the fragments, the delimiter (PS3.5 A.4). */
function encodeEncapsulated({ offsets, fragments }: Encapsulated): Buffer {
  const table = Buffer.alloc(offsets.length * 4)
  offsets.forEach((offset, i) => {
    table.writeUInt32LE(offset, 4 * i)
  })
  const item = (bytes: Uint8Array): Buffer => {
    const head = Buffer.from([0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0])
    head.writeUInt32LE(bytes.length, 4)
    return Buffer.concat([head, bytes])
  }
  const head = Buffer.from([0xe0, 0x7f, 0x10, 0x00, 0x4f, 0x42, 0, 0, 0xff, 0xff, 0xff, 0xff])
  return Buffer.concat([head, item(table), ...fragments.map((fragment) => item(pad(Buffer.from(fragment), 'OB'))), Buffer.from([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0])])
}

/** Even length: UIDs and bytes with NUL, text with a space (PS3.5 6.2). */
function pad(bytes: Buffer, vr: string): Buffer {
  if (bytes.length % 2 === 0) return bytes
  return Buffer.concat([bytes, Buffer.from([['UI', 'OB', 'OW', 'UN'].includes(vr) ? 0 : 0x20])])
}

function writeWord(buffer: Buffer, value: number, at: number, bigEndian: boolean): void {
  if (bigEndian) buffer.writeUInt16BE(value, at)
  else buffer.writeUInt16LE(value, at)
}
