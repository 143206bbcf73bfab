/**
 * Bytes of a DICOM file in, its parsed data set out; the guards of the way in stand in the order in which they cost least.
 *
 * dicom-parser does the walking. What it leaves to its caller is done here: the cap on bytes, the whitelist of transfer
 * syntaxes, a bounded inflate, budgets for elements and nesting, and one kind of failure instead of thrown strings.
 */
import { inflateRawSync } from 'node:zlib'
import dicomParser from 'dicom-parser'
import { Problem } from '../domain/problem.ts'
import { findTransferSyntax, type TransferSyntax } from './transfer-syntaxes.ts'

/** A parsed data set or sequence item; read it with the functions of read-attributes.ts. */
export type Dataset = import('dicom-parser').DataSet
export type DatasetElement = import('dicom-parser').Element

export interface DicomFile {
  readonly transferSyntax: TransferSyntax
  /** File meta information, group 0002. */
  readonly meta: Dataset
  readonly dataset: Dataset
}

export interface Part10Limits {
  readonly maxBytes: number
  readonly maxInflatedBytes: number
  readonly maxDepth: number
  readonly maxElements: number
}

const MiB = 1024 * 1024

/** An upload of 64 MiB, a quarter of a gigabyte inflated, 64 nested sequences, a hundred thousand elements: far above any image met, far below what hurts. */
export const PART10_LIMITS: Part10Limits = { maxBytes: 64 * MiB, maxInflatedBytes: 256 * MiB, maxDepth: 64, maxElements: 100_000 }

const PREAMBLE_BYTES = 128
const META_START = PREAMBLE_BYTES + 4
const TRANSFER_SYNTAX_UID = 'x00020010'
const SAMPLES_PER_PIXEL = 'x00280002'
const COLUMNS = 'x00280011'
const BITS_ALLOCATED = 'x00280100'
const PIXEL_DATA = 'x7fe00010'

/** Whether the bytes carry DICM behind a preamble of 128 bytes (PS3.10 7.1). */
export function isPart10(bytes: Uint8Array): boolean {
  return bytes.length >= PREAMBLE_BYTES + 4 && bytes[128] === 0x44 && bytes[129] === 0x49 && bytes[130] === 0x43 && bytes[131] === 0x4d
}

/**
 * The parsed file. Elements point into the bytes, nothing is copied unless the data set is deflated.
 *
 * Throws: "dicom-too-large", "dicom-not-part10", "transfer-syntax-unsupported", "dicom-truncated", "pixel-data-truncated", "dicom-nesting-too-deep".
 */
export function readPart10(bytes: Uint8Array, limits: Part10Limits = PART10_LIMITS): DicomFile {
  if (bytes.length > limits.maxBytes) throw tooLarge(limits.maxBytes)
  if (!isPart10(bytes)) throw notPart10('the bytes "DICM" do not follow a preamble of 128 bytes')
  const { meta, end } = readMeta(bytes)
  const transferSyntax = readTransferSyntax(meta)
  const body = transferSyntax.deflated ? inflate(bytes.subarray(end), limits) : bytes
  const dataset = parseDataset(body, transferSyntax.deflated ? 0 : end, transferSyntax, limits)
  return { transferSyntax, meta, dataset }
}

interface MetaGroup {
  readonly meta: Dataset
  /** Where the data set begins. */
  readonly end: number
}

/** Group 0002, always explicit little endian (PS3.10 7.1). Its end is found by its tags: the group length is often wrong or missing. */
function readMeta(bytes: Uint8Array): MetaGroup {
  const end = findMetaEnd(bytes)
  try {
    const stream = new dicomParser.ByteStream(dicomParser.littleEndianByteArrayParser, bytes, META_START)
    limitReads(stream, PART10_LIMITS)
    const meta = newDataset(stream, bytes)
    dicomParser.parseDicomDataSetExplicit(meta, stream, end)
    return { meta, end }
  } catch (error) {
    throw notPart10('the file meta information (group 0002) cannot be read', error)
  }
}

/** The first position whose tag is not of group 0002, or whose element does not fit into the file. */
function findMetaEnd(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = META_START
  while (at + 12 <= bytes.length && view.getUint16(at, true) === 0x0002) {
    const vr = String.fromCharCode(view.getUint8(at + 4), view.getUint8(at + 5))
    const next = LONG_VRS.has(vr) ? at + 12 + view.getUint32(at + 8, true) : at + 8 + view.getUint16(at + 6, true)
    if (next > bytes.length) break
    at = next
  }
  return at
}

/** Value representations whose length has 32 bits and stands behind two reserved bytes (PS3.5 7.1.2), as far as group 0002 may hold them. */
const LONG_VRS = new Set(['OB', 'UN', 'UT', 'SQ'])

function readTransferSyntax(meta: Dataset): TransferSyntax {
  const uid = meta.elements[TRANSFER_SYNTAX_UID] === undefined ? undefined : meta.string(TRANSFER_SYNTAX_UID)
  if (uid === undefined) throw notPart10('the file meta information names no TransferSyntaxUID')
  const syntax = findTransferSyntax(uid)
  if (syntax !== undefined) return syntax
  const shown = /^[0-9.]{1,64}$/.test(uid) ? uid : 'not a UID'
  throw new Problem('transfer-syntax-unsupported', `transfer syntax ${shown} is not read`, { transferSyntaxUid: shown })
}

/** The whole inflated data set; a bomb is stopped at the limit, before it costs more. */
function inflate(deflated: Uint8Array, limits: Part10Limits): Uint8Array {
  const maxOutputLength = Math.min(limits.maxInflatedBytes, 8 * deflated.length + 16 * MiB)
  try {
    return inflateRawSync(deflated, { maxOutputLength })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxOutputLength, error)
    throw truncated('the deflated data set cannot be inflated', error)
  }
}

type Encoding = Pick<TransferSyntax, 'explicitVr' | 'bigEndian'>

function parseDataset(bytes: Uint8Array, start: number, syntax: Encoding, limits: Part10Limits): Dataset {
  if (start >= bytes.length) throw truncated('the file ends before its data set')
  const stream = new dicomParser.ByteStream(syntax.bigEndian ? dicomParser.bigEndianByteArrayParser : dicomParser.littleEndianByteArrayParser, bytes, start)
  limitReads(stream, limits)
  widenLengths(stream)
  const dataset = newDataset(stream, bytes)
  try {
    if (syntax.explicitVr) dicomParser.parseDicomDataSetExplicit(dataset, stream, bytes.length)
    else dicomParser.parseDicomDataSetImplicit(dataset, stream, bytes.length)
    // dicom-parser notices an element that ends outside the bytes in explicit data sets only
    if (stream.position > bytes.length) throw new Error('buffer overrun')
  } catch (error) {
    if (error instanceof Problem) throw error
    if (error instanceof RangeError) throw tooDeep(limits, error)
    checkLastRow(dataset)
    throw truncated('the data set ends inside an element or holds an element that cannot be read', error)
  }
  // a sequence left open at its end is let pass, pixels are not
  if (dataset.warnings.some((warning) => warning.includes('pixel data'))) throw truncated('the encapsulated pixel data is not closed by its sequence delimiter')
  checkDepth(dataset, limits)
  return dataset
}

/**
 * Tells a file that ends inside the last row of its native pixels from one that ends anywhere else: the first lost its end to whoever wrote it,
 * the second to a broken transfer.
 */
function checkLastRow(dataset: Dataset): void {
  const pixels = dataset.elements[PIXEL_DATA]
  if (pixels === undefined) return
  const expectedBytes = pixels.length
  const actualBytes = dataset.byteArray.length - pixels.dataOffset
  const rowBytes = [COLUMNS, SAMPLES_PER_PIXEL, BITS_ALLOCATED].reduce((product, tag) => product * shortOf(dataset, tag), 1) / 8
  if (expectedBytes <= actualBytes || expectedBytes - actualBytes > rowBytes) return
  throw new Problem('pixel-data-truncated', `PixelData ends ${expectedBytes - actualBytes} bytes early, inside its last row`, { expectedBytes, actualBytes })
}

/** A word of a data set of which nothing is certain, 0 where there is none: its own end may be what the file lacks. */
function shortOf(dataset: Dataset, tag: string): number {
  const element = dataset.elements[tag]
  if (element?.length !== 2 || element.dataOffset + 2 > dataset.byteArray.length) return 0
  return dataset.uint16(tag) ?? 0
}

/** Lets the stream read as many words as the allowed elements could need; each element needs two words for its tag alone. */
function limitReads(stream: import('dicom-parser').ByteStream, limits: Part10Limits): void {
  const read = stream.readUint16.bind(stream)
  let left = limits.maxElements * 4
  stream.readUint16 = () => {
    if (--left < 0) throw new Problem('dicom-too-large', `the data set holds more than ${limits.maxElements} elements`, { limitBytes: limits.maxBytes })
    return read()
  }
}

/** Representations of 64-bit values, younger than dicom-parser, whose length has 32 bits (PS3.5 table 7.1-1): read as other bytes, since nothing is asked of them but bytes. */
const WIDE_VRS = new Set(['OV', 'SV', 'UV'])

function widenLengths(stream: import('dicom-parser').ByteStream): void {
  const read = stream.readFixedString.bind(stream)
  stream.readFixedString = (length) => {
    const text = read(length)
    return WIDE_VRS.has(text) ? 'OB' : text
  }
}

/** An empty data set over the stream's bytes. The constructor exists in the package and is missing in its types. */
function newDataset(stream: import('dicom-parser').ByteStream, bytes: Uint8Array): Dataset {
  const { DataSet } = dicomParser as unknown as { DataSet: new (parser: unknown, bytes: Uint8Array, elements: object) => Dataset }
  const dataset = new DataSet(stream.byteArrayParser, bytes, {})
  dataset.warnings = stream.warnings
  return dataset
}

/** Walks the items level by level, so that this guard cannot itself run out of stack. */
function checkDepth(root: Dataset, limits: Part10Limits): void {
  let level: Dataset[] = [root]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limits.maxDepth) throw tooDeep(limits)
    level = level.flatMap(itemsBelow)
  }
}

function itemsBelow(dataset: Dataset): Dataset[] {
  const items: Dataset[] = []
  for (const element of Object.values(dataset.elements)) {
    for (const item of element.items ?? []) if (item.dataSet !== undefined) items.push(item.dataSet)
  }
  return items
}

/**
 * The items of a sequence that a converter has labelled UN, whose content is then implicit little endian (PS3.5 6.2.2 note 2).
 *
 * Throws: "dicom-truncated", "dicom-nesting-too-deep".
 */
export function readUnknownSequence(dataset: Dataset, element: DatasetElement): Dataset[] {
  const bytes = dataset.byteArray.subarray(element.dataOffset, element.dataOffset + element.length)
  const items: Dataset[] = []
  for (let position = 0; position + 8 <= bytes.length; ) {
    const header = new DataView(bytes.buffer, bytes.byteOffset + position, 8)
    const length = header.getUint32(4, true)
    const isItem = header.getUint16(0, true) === 0xfffe && header.getUint16(2, true) === 0xe000
    if (!isItem || length > bytes.length - position - 8) throw truncated('a sequence of unknown value representation cannot be read')
    items.push(parseDataset(bytes.subarray(position + 8, position + 8 + length), 0, implicitLittleEndian, PART10_LIMITS))
    position += 8 + length
  }
  return items
}

const implicitLittleEndian: Encoding = { explicitVr: false, bigEndian: false }

const notPart10 = (detail: string, cause?: unknown): Problem => new Problem('dicom-not-part10', detail, {}, cause)
const truncated = (detail: string, cause?: unknown): Problem => new Problem('dicom-truncated', detail, {}, cause)
const tooLarge = (limitBytes: number, cause?: unknown): Problem => new Problem('dicom-too-large', `the file holds more than ${limitBytes} bytes`, { limitBytes }, cause)
const tooDeep = (limits: Part10Limits, cause?: unknown): Problem =>
  new Problem('dicom-nesting-too-deep', `sequences are nested deeper than ${limits.maxDepth}`, { limitDepth: limits.maxDepth }, cause)
