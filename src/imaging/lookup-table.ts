/** A LUT descriptor and its data in, a function of one value out (PS3.3 C.11.1.1, C.11.2.1.1, C.7.6.3.1.5). */
import type { Keyword } from '../dicom/keywords.ts'
import { readBytes, readWords } from '../dicom/read-attributes.ts'
import type { Dataset } from '../dicom/read-part10.ts'
import { Problem } from '../domain/problem.ts'

export interface LookupTable {
  /** The input that reads the first entry; a lower one reads it too. */
  readonly firstValue: number
  readonly bits: number
  readonly entries: Uint16Array
}

/**
 * The table that a descriptor and its data make.
 *
 * isFirstSigned  whether the first mapped value is to be read as a signed word
 * Throws: "attributes-inconsistent" where descriptor and data do not fit.
 */
export function readLookupTable(dataset: Dataset, descriptorKeyword: Keyword, dataKeyword: Keyword, isFirstSigned: boolean): LookupTable {
  const [count = 0, first = 0, bits = 0] = readDescriptor(dataset, descriptorKeyword)
  // a count of 65536 does not fit a word and is written as 0
  const length = count === 0 ? 65_536 : count
  if (bits < 8 || bits > 16) throw inconsistent(descriptorKeyword, 'a lookup table has 8 to 16 bits')
  const entries = readEntries(dataset, dataKeyword, length, bits)
  if (entries.length < length) throw inconsistent(dataKeyword, 'a lookup table holds fewer entries than its descriptor says')
  const firstValue = isFirstSigned && first > 32_767 ? first - 65_536 : first
  return { firstValue, bits, entries: entries.subarray(0, length) }
}

/** The three words of a descriptor. */
export function readDescriptor(dataset: Dataset, keyword: Keyword): Uint16Array {
  const words = readWords(dataset, keyword)
  if (words.length !== 3) throw inconsistent(keyword, 'a lookup table descriptor has three values')
  return words
}

/** One word an entry; some devices pack entries of 8 bits into single bytes. */
function readEntries(dataset: Dataset, keyword: Keyword, length: number, bits: number): Uint16Array {
  const words = readWords(dataset, keyword)
  if (words.length >= length || bits > 8) return words
  const bytes = readBytes(dataset, keyword)
  return bytes.length >= length ? Uint16Array.from(bytes) : words
}

/** The entry for a value; values beyond either end read the last entry of that end. */
export function lookUp({ firstValue, entries }: LookupTable, value: number): number {
  const index = Math.min(Math.max(Math.trunc(value) - firstValue, 0), entries.length - 1)
  return entries[index] ?? 0
}

export const inconsistent = (keyword: Keyword, detail: string): Problem => new Problem('attributes-inconsistent', detail, { keyword })
