/** The source's character set in, how our own words may be written beside its copied bytes out. */
import { Problem } from '../domain/problem.ts'
import type { SourceReference } from '../domain/source-reference.ts'

/** Defined terms of PS3.3 tables C.12-2 to C.12-5. */
const SINGLE_BYTE = ['100', '101', '109', '110', '144', '127', '126', '138', '148', '203', '166', '13']
const MULTI_BYTE = ['87', '159', '149', '58']
const DEFINED_TERMS = [
  ...SINGLE_BYTE.flatMap((number) => [`ISO_IR ${number}`, `ISO 2022 IR ${number}`]),
  ...MULTI_BYTE.map((number) => `ISO 2022 IR ${number}`),
  'ISO 2022 IR 6',
  'ISO_IR 192',
  'GB18030',
  'GBK',
]
const UTF_8 = 'ISO_IR 192'

/**
 * The SpecificCharacterSet of an object that repeats the source's text byte for byte; empty where the attribute is left out.
 *
 * A near miss of a defined term ("ISO-IR 100") is written as the term. A source without one whose text is ASCII is written as UTF-8, of which ASCII is a part.
 * Throws: "result-invalid" where text beyond ASCII is in a set that has no defined term.
 */
export function characterSetOf(source: SourceReference): readonly string[] {
  const terms = source.specificCharacterSet.map(toDefinedTerm)
  const isDefault = terms.every((term) => term === '' || term === 'ISO_IR 6')
  const isAscii = source.attributes.every(({ bytes }) => bytes.every((byte) => byte < 0x80 && byte !== 0x1b))
  if (isDefault) return isAscii ? [UTF_8] : []
  if (terms.every((term, i) => DEFINED_TERMS.includes(term) || (term === '' && i === 0))) return terms
  if (isAscii) return [UTF_8]
  throw new Problem('result-invalid', 'the source names a character set that has no defined term', {})
}

function toDefinedTerm(term: string): string {
  return term.replace(/^ISO[-_ ]2022[-_ ]IR[-_ ](\d+)$/, 'ISO 2022 IR $1').replace(/^ISO[-_ ]IR[-_ ](\d+)$/, 'ISO_IR $1')
}

/**
 * Words of ours as the object's character set can hold them: whole in UTF-8, elsewhere ASCII with what it lacks shown as "?".
 *
 * longest  characters, at most
 */
export function fitText(characterSet: readonly string[], text: string, longest: number): string {
  const repertoire = characterSet.includes(UTF_8) ? text.normalize('NFC') : toAscii(text)
  const plain = repertoire
    .replace(/\p{Cc}+/gu, ' ')
    .replaceAll('\\', '/')
    .trim()
  return [...plain].slice(0, longest).join('')
}

function toAscii(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .replace(/[^\x20-\x7e]/gu, '?')
}
