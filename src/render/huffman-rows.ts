/** Rows of a picture in, a zlib stream of their differences out: Huffman codes and runs of zeros, a strip of rows at a time, so that everything stays in the processor's cache. */
import { codeLengths, codesOf } from './huffman-codes.ts'
import { type Kernels, openKernels } from './open-kernels.ts'

/** [height, length] bytes, `pixelBytes` of them a pixel. */
export interface Rows {
  readonly pixels: Uint8Array
  readonly height: number
  readonly length: number
  readonly pixelBytes: number
}

/** Bytes of a strip: one block of the stream with codes of its own. */
const STRIP_BYTES = 262_144
/** So long may a code be that four of them and 7 bits fit into 64 bits. */
const LONGEST_CODE = 14
/** The byte values, the end of a block, and 29 groups of lengths of copies (RFC 1951, 3.2.5). */
const SYMBOLS = 286
const END_OF_BLOCK = 256
const LONGEST_COPY = 258
/** The first length of each group; where the next is further, extra bits say which. */
const GROUP_STARTS = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258] as const
/** Tables that the kernel counts in. */
const COUNT_TABLES = 8
/** Bytes behind a region that the kernels may write over. */
const SLACK = 16

/** Deflate with a window of 32,768 bytes, fastest (RFC 1950, 2.2). */
const HEADER = Uint8Array.of(0x78, 0x01)
/** Order of the lengths of the code that the codes' lengths are written in (RFC 1951, 3.2.7). */
const LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15] as const

/** Where a strip and what is made of it lie in the kernels' memory. */
interface Layout {
  readonly filtered: number
  readonly counts: number
  readonly lengthCounts: number
  readonly codes: number
  readonly lengthCodes: number
  readonly output: number
  readonly bytes: number
}

/** Any unzip gives the rows with the filter Sub in front. The same rows give the same bytes. */
export function huffmanRows({ pixels, height, length, pixelBytes }: Rows): Uint8Array {
  const { functions, memoryOf } = openKernels()
  const stripRows = Math.max(1, Math.floor(STRIP_BYTES / (length + 1)))
  const layout = layOut(stripRows, length)
  const memory = new Uint8Array(memoryOf(layout.bytes))
  const parts: Uint8Array[] = [HEADER]
  let checksum = 1
  functions.startBits()
  for (let y = 0; y < height; y += stripRows) {
    const rows = Math.min(stripRows, height - y)
    memory.set(pixels.subarray(y * length, (y + rows) * length))
    functions.subtractLeft(0, layout.filtered, length, rows, pixelBytes)
    checksum = functions.adler32(layout.filtered, rows * (length + 1), checksum)
    functions.writeTo(layout.output)
    writeBlock(functions, memory, layout, rows * (length + 1), y + rows >= height)
    parts.push(memory.slice(layout.output, functions.written()))
  }
  return Buffer.concat([...parts, Uint8Array.of(checksum >>> 24, checksum >>> 16, checksum >>> 8, checksum)])
}

function layOut(stripRows: number, length: number): Layout {
  const aligned = (at: number): number => Math.ceil(at / SLACK) * SLACK
  const filtered = aligned(stripRows * length + SLACK)
  const filteredBytes = stripRows * (length + 1)
  const counts = aligned(filtered + filteredBytes + SLACK)
  const lengthCounts = counts + COUNT_TABLES * 256 * 4
  const codes = lengthCounts + (LONGEST_COPY + 1) * 4
  const lengthCodes = codes + 256 * 4
  const output = lengthCodes + (LONGEST_COPY + 1) * 4
  return { filtered, counts, lengthCounts, codes, lengthCodes, output, bytes: output + Math.ceil((filteredBytes * LONGEST_CODE) / 8) + 1024 }
}

/** One block with dynamic codes (RFC 1951, 3.2.7); the last one ends on a whole byte. */
function writeBlock(functions: Kernels, memory: Uint8Array, layout: Layout, bytes: number, isLast: boolean): void {
  const lengths = codeLengths(countSymbols(functions, memory, layout, bytes), LONGEST_CODE)
  const codes = codesOf(lengths)
  const packed = codes.map((code, symbol) => code | ((lengths[symbol] ?? 0) << 24))
  new Uint32Array(memory.buffer, layout.codes, 256).set(packed.subarray(0, 256))
  new Uint32Array(memory.buffer, layout.lengthCodes, LONGEST_COPY + 1).set(copyCodes(packed))
  functions.putBits(isLast ? 1 : 0, 1)
  writeLengths(functions, lengths)
  functions.putCodes(layout.filtered, bytes, layout.codes, layout.lengthCodes)
  functions.putBits(codes[END_OF_BLOCK] ?? 0, lengths[END_OF_BLOCK] ?? 0)
  if (isLast) functions.finishBits()
}

function countSymbols(functions: Kernels, memory: Uint8Array, { filtered, counts, lengthCounts }: Layout, bytes: number): Uint32Array {
  const tables = new Uint32Array(memory.buffer, counts, COUNT_TABLES * 256)
  const copies = new Uint32Array(memory.buffer, lengthCounts, LONGEST_COPY + 1)
  tables.fill(0)
  copies.fill(0)
  functions.countBytes(filtered, bytes, counts, lengthCounts)
  const symbols = new Uint32Array(SYMBOLS)
  for (let i = 0; i < tables.length; i++) symbols[i % 256] = (symbols[i % 256] ?? 0) + (tables[i] ?? 0)
  symbols[END_OF_BLOCK] = 1
  GROUPS.forEach(({ group }, copy) => {
    symbols[257 + group] = (symbols[257 + group] ?? 0) + (copies[copy] ?? 0)
  })
  return symbols
}

/** [length of a copy]: its group, and the bits that say which length of the group it is. Lengths below 3 are no copies, and none is counted. */
const GROUPS = Array.from({ length: LONGEST_COPY + 1 }, (_, copy) => {
  const group = Math.max(
    0,
    GROUP_STARTS.findLastIndex((start) => start <= copy),
  )
  const start = GROUP_STARTS[group] ?? LONGEST_COPY
  const next = GROUP_STARTS[group + 1] ?? start + 1
  return { group, extra: Math.max(0, copy - start), extraBits: Math.ceil(Math.log2(next - start)) }
})

/** [length of a copy]: its group's code, the extra bits, and a 0: the first of two codes of distances, of the byte before. */
function copyCodes(packed: Uint32Array): Uint32Array {
  return Uint32Array.from(GROUPS, ({ group, extra, extraBits }) => {
    const code = packed[257 + group] ?? 0
    const length = code >>> 24
    return (code & 0xffffff) | (extra << length) | ((length + extraBits + 1) << 24)
  })
}

/** The codes' lengths, 4 bits each; two codes for distances, of which the first alone is used, since some readers want a complete set. */
function writeLengths({ putBits }: Kernels, lengths: Uint8Array): void {
  putBits(2, 2) // dynamic codes
  putBits(SYMBOLS - 257, 5)
  putBits(2 - 1, 5)
  putBits(LENGTH_ORDER.length - 4, 4)
  for (const length of LENGTH_ORDER) putBits(length < 16 ? 4 : 0, 3)
  const inFourBits = codesOf(new Uint8Array(16).fill(4))
  for (const length of [...lengths, 1, 1]) putBits(inFourBits[length] ?? 0, 4)
}
