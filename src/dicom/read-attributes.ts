/** A parsed data set and a keyword in, the attribute's value out; strict where a wrong guess would move a pixel. */
import { Problem } from '../domain/problem.ts'
import { KEYWORDS, type Keyword } from './keywords.ts'
import { type Dataset, type DatasetElement, readUnknownSequence } from './read-part10.ts'

/**
 * The attribute's element, undefined where it is absent.
 *
 * Throws: "dicom-truncated" where its value ends outside the file, which the reader should have noticed: nothing is read beyond the bytes either way.
 */
export function findElement(dataset: Dataset, keyword: Keyword): DatasetElement | undefined {
  const element = dataset.elements[`x${KEYWORDS[keyword].slice(0, 8).toLowerCase()}`]
  if (element !== undefined && element.dataOffset + element.length > dataset.byteArray.length) throw new Problem('dicom-truncated', `${keyword} ends outside the file`, {})
  return element
}

/** Whether the attribute is there with a value. */
export function hasValue(dataset: Dataset, keyword: Keyword): boolean {
  const element = findElement(dataset, keyword)
  return element !== undefined && element.length > 0
}

/** The value's bytes as stored, a view; empty where the attribute is absent. */
export function readBytes(dataset: Dataset, keyword: Keyword): Uint8Array {
  const element = findElement(dataset, keyword)
  if (element === undefined) return new Uint8Array(0)
  return dataset.byteArray.subarray(element.dataOffset, element.dataOffset + element.length)
}

/** The values of a code string, UID or number string, split at backslashes, padding removed; empty where there is no value. */
export function readStrings(dataset: Dataset, keyword: Keyword): string[] {
  const bytes = readBytes(dataset, keyword)
  if (bytes.length === 0) return []
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  // NUL pads UIDs, spaces pad all others
  return text.split('\\').map((value) => value.replace(/^[ \0]+|[ \0]+$/g, ''))
}

/** The first value of a code string, UID or number string, null where there is none. */
export function readString(dataset: Dataset, keyword: Keyword): string | null {
  return readStrings(dataset, keyword)[0] || null
}

/**
 * An unsigned short (VR US), null where the attribute is absent.
 *
 * Throws: "attributes-inconsistent" where the value is not exactly one word of 16 bits: a wider one read as a short is another number.
 */
export function readUnsignedShort(dataset: Dataset, keyword: Keyword): number | null {
  const element = findElement(dataset, keyword)
  if (element === undefined || element.length === 0) return null
  if (element.length !== 2) throw new Problem('attributes-inconsistent', `${keyword} is not one value of 16 bits`, { keyword })
  return dataset.byteArrayParser.readUint16(dataset.byteArray, element.dataOffset)
}

/** 16-bit words of a US, SS or OW value, unsigned, in the byte order of the data set. */
export function readWords(dataset: Dataset, keyword: Keyword): Uint16Array {
  const element = findElement(dataset, keyword)
  if (element === undefined) return new Uint16Array(0)
  const read = dataset.byteArrayParser.readUint16
  return Uint16Array.from({ length: element.length >> 1 }, (_, i) => read(dataset.byteArray, element.dataOffset + 2 * i))
}

/** The numbers of a decimal string (DS); what is no number is NaN. Empty where there is no value. */
export function readDecimals(dataset: Dataset, keyword: Keyword): number[] {
  return readStrings(dataset, keyword).map((text) => (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN))
}

/** The integer of an integer string (IS): null where there is no value, NaN where it is no integer (PS3.5 6.2). */
export function readInteger(dataset: Dataset, keyword: Keyword): number | null {
  const text = readString(dataset, keyword)
  if (text === null) return null
  return /^[+-]?\d{1,11}$/.test(text) ? Number(text) : Number.NaN
}

/** The items of a sequence; empty where it is absent or has none. */
export function readItems(dataset: Dataset, keyword: Keyword): Dataset[] {
  const element = findElement(dataset, keyword)
  if (element === undefined || element.length === 0) return []
  if (element.items === undefined) return readUnknownSequence(dataset, element)
  return element.items.flatMap((item) => item.dataSet ?? [])
}

/**
 * A UID, null where the attribute is absent or empty.
 *
 * Let pass, since tools for de-identification write them: leading zeros, and up to 64 letters, digits and dots that are no UID (see isConformantUid).
 * Throws: "uid-invalid" for anything else, a path among it.
 */
export function readUid(dataset: Dataset, keyword: Keyword): string | null {
  const uid = readString(dataset, keyword)
  if (uid === null) return null
  if (!/^[0-9A-Za-z]+(\.[0-9A-Za-z]+)*$/.test(uid) || uid.length > 64) throw new Problem('uid-invalid', `${keyword} is no UID`, { keyword })
  return uid
}

/** Whether a UID is one by PS3.5 9.1: digits in components without leading zeros, at most 64 characters. */
export const isConformantUid = (uid: string): boolean => uid.length <= 64 && /^(0|[1-9]\d*)(\.(0|[1-9]\d*))*$/.test(uid)
