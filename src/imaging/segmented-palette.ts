/** The segments of a compressed palette in, its entries out (PS3.3 C.7.9.2). */
import type { Keyword } from '../dicom/keywords.ts'
import { readBytes, readWords } from '../dicom/read-attributes.ts'
import type { Dataset } from '../dicom/read-part10.ts'
import { inconsistent } from './lookup-table.ts'

/** What is left to read, and what has been written. */
interface Expansion {
  readonly words: Uint16Array
  readonly entries: Uint16Array
  readonly keyword: Keyword
  /** Words per 32-bit offset of an indirect segment: two of 16 bits, four of 8. */
  readonly bits: number
  at: number
  filled: number
  /** Segments that may still be read: an indirect segment must not multiply them without bound. */
  budget: number
}

/**
 * The `length` entries of a segmented palette.
 *
 * Throws: "attributes-inconsistent" where the segments do not make exactly that many.
 */
export function expandSegments(dataset: Dataset, keyword: Keyword, bits: 8 | 16, length: number): Uint16Array {
  const words = bits === 16 ? readWords(dataset, keyword) : Uint16Array.from(readBytes(dataset, keyword))
  const expansion: Expansion = { words, entries: new Uint16Array(length), keyword, bits, at: 0, filled: 0, budget: 65_536 }
  while (expansion.filled < length) readSegment(expansion, true)
  return expansion.entries
}

function readSegment(expansion: Expansion, mayBeIndirect: boolean): void {
  if (--expansion.budget < 0) throw inconsistent(expansion.keyword, 'a segmented palette holds too many segments')
  const opcode = next(expansion)
  const length = next(expansion)
  if (opcode === 0) for (let i = 0; i < length; i++) put(expansion, next(expansion))
  else if (opcode === 1) readLinear(expansion, length)
  else if (opcode === 2 && mayBeIndirect) readIndirect(expansion, length)
  else throw inconsistent(expansion.keyword, 'a segmented palette holds a segment that cannot be read')
}

/** From the entry before, not repeated, in a straight line to the end point, which is the last of `length`. */
function readLinear(expansion: Expansion, length: number): void {
  const end = next(expansion)
  if (expansion.filled === 0) throw inconsistent(expansion.keyword, 'a segmented palette begins with a linear segment')
  const start = expansion.entries[expansion.filled - 1] ?? 0
  for (let i = 1; i <= length; i++) put(expansion, Math.round(start + ((end - start) * i) / length))
}

/** `count` segments copied from a byte offset; those may not be indirect themselves. */
function readIndirect(expansion: Expansion, count: number): void {
  const parts = expansion.bits === 16 ? 2 : 4
  let offset = 0
  for (let part = 0; part < parts; part++) offset += next(expansion) * 2 ** (part * expansion.bits)
  const back = expansion.at
  expansion.at = expansion.bits === 16 ? offset / 2 : offset
  if (!Number.isInteger(expansion.at)) throw inconsistent(expansion.keyword, 'a segmented palette points between two words')
  for (let i = 0; i < count; i++) readSegment(expansion, false)
  expansion.at = back
}

function next(expansion: Expansion): number {
  const word = expansion.words[expansion.at++]
  if (word === undefined) throw inconsistent(expansion.keyword, 'a segmented palette ends too early')
  return word
}

function put(expansion: Expansion, value: number): void {
  if (expansion.filled >= expansion.entries.length) throw inconsistent(expansion.keyword, 'a segmented palette holds too many entries')
  expansion.entries[expansion.filled++] = value
}
