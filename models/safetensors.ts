/**
 * Named tensors in, one safetensors file out, and back.
 *
 * Source: the safetensors format, https://github.com/huggingface/safetensors: an unsigned 64-bit little-endian length, a JSON header of
 * that length ({name: {dtype, shape, data_offsets}}, strings under __metadata__), then the data, offsets from its first byte.
 */
import { Problem } from '../src/domain/problem.ts'
import { sizeOf, type Tensor, tensorOf } from '../src/tensor/tensor.ts'

export interface Safetensors {
  readonly tensors: Map<string, Tensor>
  readonly metadata: Record<string, string>
}

/** Bytes; the limit of the reference implementation. */
const MAX_HEADER_BYTES = 100_000_000
const LENGTH_BYTES = 8
const METADATA_KEY = '__metadata__'

interface HeaderEntry {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}

/** How each kind of number becomes float32; others are refused. */
const DTYPES: Readonly<Record<string, { readonly bytes: number; readonly read: (view: DataView, offset: number) => number }>> = {
  F64: { bytes: 8, read: (view, offset) => view.getFloat64(offset, true) },
  F32: { bytes: 4, read: (view, offset) => view.getFloat32(offset, true) },
  F16: { bytes: 2, read: (view, offset) => halfToNumber(view.getUint16(offset, true)) },
  BF16: { bytes: 2, read: (view, offset) => bfloatToNumber(view.getUint16(offset, true)) },
}

/**
 * The tensors of a file, as float32, and its metadata.
 *
 * Throws: "checkpoint-invalid" for a header that is no JSON of the format, for ranges outside the file, overlapping or with holes, for a
 * length that is not the shape's, for a number format other than F64, F32, F16, BF16.
 */
export function readSafetensors(bytes: Uint8Array): Safetensors {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const dataStart = LENGTH_BYTES + headerLength(view)
  const header = parseHeader(bytes.subarray(LENGTH_BYTES, dataStart))
  const { [METADATA_KEY]: metadata = {}, ...rest } = header
  const entries = Object.entries(rest).map(([name, entry]): [string, HeaderEntry] => [name, parseEntry(name, entry)])
  checkCoverage(entries, bytes.byteLength - dataStart)
  const tensors = new Map(entries.map(([name, entry]) => [name, readTensor(view, dataStart, entry)]))
  return { tensors, metadata: parseMetadata(metadata) }
}

/** A file of float32 tensors, in the order of their names; equal content gives equal bytes. */
export function writeSafetensors(tensors: ReadonlyMap<string, Tensor>, metadata: Readonly<Record<string, string>>): Uint8Array {
  const ordered = [...tensors].sort(([a], [b]) => (a < b ? -1 : 1))
  const header: Record<string, unknown> = Object.create(null) // no prototype, so that any name is a plain key
  if (Object.keys(metadata).length > 0) header[METADATA_KEY] = Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)))
  let end = 0
  for (const [name, { shape, data }] of ordered) {
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + 4 * data.length] }
    end += 4 * data.length
  }
  const json = new TextEncoder().encode(JSON.stringify(header))
  const paddedLength = Math.ceil(json.length / 8) * 8 // so that the data is aligned

  const file = new Uint8Array(LENGTH_BYTES + paddedLength + end).fill(0x20, LENGTH_BYTES, LENGTH_BYTES + paddedLength)
  const view = new DataView(file.buffer)
  view.setBigUint64(0, BigInt(paddedLength), true)
  file.set(json, LENGTH_BYTES)
  let offset = LENGTH_BYTES + paddedLength
  for (const [, { data }] of ordered) {
    for (const value of data) {
      view.setFloat32(offset, value, true)
      offset += 4
    }
  }
  return file
}

function headerLength(view: DataView): number {
  if (view.byteLength < LENGTH_BYTES) throw invalid('the file is shorter than its header length')
  const length = view.getBigUint64(0, true)
  if (length > MAX_HEADER_BYTES || length > view.byteLength - LENGTH_BYTES) throw invalid('the header reaches past the end of the file')
  return Number(length)
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw invalid('the header is no JSON', cause)
  }
  if (!isRecord(header)) throw invalid('the header is no JSON object')
  return header
}

function parseEntry(name: string, entry: unknown): HeaderEntry {
  const { dtype, shape, data_offsets: offsets } = isRecord(entry) ? entry : {}
  if (typeof dtype !== 'string' || !isCounts(shape) || !isCounts(offsets) || offsets.length !== 2) throw invalid(`the header's entry of ${name} is not of the format`)
  const kind = Object.hasOwn(DTYPES, dtype) ? DTYPES[dtype] : undefined
  if (kind === undefined) throw invalid(`${name} holds numbers of kind ${dtype}; F64, F32, F16 and BF16 can be read`)
  const [begin = 0, end = 0] = offsets
  if (end - begin !== sizeOf(shape) * kind.bytes) throw invalid(`the range of ${name} is not as long as its shape asks`)
  return { dtype, shape, begin, end }
}

/** Every byte of the data belongs to exactly one tensor, as the format demands. */
function checkCoverage(entries: readonly (readonly [string, HeaderEntry])[], dataBytes: number): void {
  let reached = 0
  for (const [name, { begin, end }] of [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== reached) throw invalid(`the range of ${name} overlaps another or leaves a hole`)
    reached = end
  }
  if (reached !== dataBytes) throw invalid(`the tensors hold ${reached} bytes, the file ${dataBytes}`)
}

function readTensor(view: DataView, dataStart: number, { dtype, shape, begin }: HeaderEntry): Tensor {
  const kind = DTYPES[dtype]
  if (kind === undefined) throw invalid(`numbers of kind ${dtype}`)
  const start = dataStart + begin
  const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => kind.read(view, start + i * kind.bytes))
  return tensorOf(data, shape)
}

function parseMetadata(metadata: unknown): Record<string, string> {
  if (!isRecord(metadata)) throw invalid('__metadata__ is no object')
  const strings = Object.entries(metadata).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  if (strings.length !== Object.keys(metadata).length) throw invalid('__metadata__ holds something that is no string')
  return Object.fromEntries(strings)
}

/** IEEE 754 binary16. */
function halfToNumber(bits: number): number {
  const sign = bits >>> 15 === 0 ? 1 : -1
  const exponent = (bits >>> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** bfloat16: the upper half of a float32. */
function bfloatToNumber(bits: number): number {
  const view = new DataView(new ArrayBuffer(4))
  view.setUint32(0, bits << 16)
  return view.getFloat32(0)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0)
}

function invalid(detail: string, cause?: unknown): Problem {
  return new Problem('checkpoint-invalid', detail, {}, cause)
}
