/** A value and its representation in, nothing or a Problem out: what PS3.5 section 6.2 allows is all that we write. */
import { Problem } from '../domain/problem.ts'

/** Longest text in characters; for PN of each component group. */
const LONGEST: Readonly<Record<string, number>> = { LO: 64, LT: 10_240, PN: 64, SH: 16, ST: 1024 }

/** Forms that PS3.5 table 6.2-1 gives. */
const FORMS: Readonly<Record<string, RegExp>> = {
  AE: /^[\x20-\x5b\x5d-\x7e]{0,16}$/,
  AS: /^\d{3}[DWMY]$/,
  CS: /^[A-Z0-9 _]{0,16}$/,
  DA: /^\d{8}$/,
  DS: /^(?=.{1,16}$)[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/,
  DT: /^\d{4}(\d{2}){0,5}(\.\d{1,6})?([+-]\d{4})?$/,
  IS: /^(?=.{1,12}$)[+-]?\d+$/,
  TM: /^\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?$/,
  UI: /^(?=.{1,64}$)(0|[1-9]\d*)(\.(0|[1-9]\d*))+$/,
}

/** Whether the text is a UID that an object may hold (PS3.5 section 9.1): at most 64 characters, no component with a leading zero. */
export const isLegalUid = (uid: string): boolean => FORMS['UI']?.test(uid) === true

/** Smallest and largest value of the integers. */
const RANGES: Readonly<Record<string, readonly [number, number]>> = {
  SL: [-(2 ** 31), 2 ** 31 - 1],
  SS: [-(2 ** 15), 2 ** 15 - 1],
  UL: [0, 2 ** 32 - 1],
  US: [0, 2 ** 16 - 1],
}

/** Text of these may hold line ends; a backslash is a character there and a separator elsewhere (PS3.5 section 6.1.3). */
const PARAGRAPHS = ['LT', 'ST', 'UT']

/** Whether a text's characters are legal: no controls but line ends in paragraphs, no separator inside a value. */
function hasLegalCharacters(vr: string, text: string): boolean {
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    if (code === 0x7f || (code < 0x20 && !(PARAGRAPHS.includes(vr) && [0x09, 0x0a, 0x0c, 0x0d].includes(code)))) return false
  }
  return PARAGRAPHS.includes(vr) || vr === 'UR' || !text.includes('\\')
}

function isLegalText(vr: string, text: string): boolean {
  const form = FORMS[vr]
  if (form !== undefined) return form.test(text)
  const longest = LONGEST[vr] ?? Number.POSITIVE_INFINITY
  const parts = vr === 'PN' ? text.split('=') : [text]
  return hasLegalCharacters(vr, text) && parts.every((part) => [...part].length <= longest)
}

function isLegalNumber(vr: string, value: number): boolean {
  const range = RANGES[vr]
  if (range === undefined) return Number.isFinite(value)
  return Number.isInteger(value) && value >= range[0] && value <= range[1]
}

/**
 * Returns where a single value is legal for its representation; the empty text is.
 *
 * Throws: "result-invalid", naming the keyword and never the value.
 */
export function checkValue(keyword: string, vr: string, value: string | number | bigint): void {
  if (value === '' || typeof value === 'bigint') return
  const legal = typeof value === 'string' ? isLegalText(vr, value) : isLegalNumber(vr, value)
  if (!legal) throw new Problem('result-invalid', `${keyword} holds a value that ${vr} does not allow`, {})
}
