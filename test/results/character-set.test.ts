import { describe, expect, it } from 'vitest'
import { characterSetOf, fitText } from '../../src/results/character-set.ts'
import { radiographSource, sliceSource } from '../support/result-fixtures.ts'

const withTerms = (specificCharacterSet: readonly string[], text = 'Doe^Jane'): string | readonly string[] => {
  const attributes = [{ tag: '00100010', vr: 'PN', bytes: Buffer.from(text, 'latin1') }]
  return characterSetOf({ ...sliceSource, specificCharacterSet, attributes })
}

describe('characterSetOf', () => {
  it.each([
    [['ISO_IR 100'], ['ISO_IR 100']],
    [['ISO_IR 192'], ['ISO_IR 192']],
    [['GB18030'], ['GB18030']],
    [
      ['', 'ISO 2022 IR 87'],
      ['', 'ISO 2022 IR 87'],
    ],
    [['ISO-IR 100'], ['ISO_IR 100']],
    [
      ['ISO 2022 IR 13', 'ISO 2022 IR 87'],
      ['ISO 2022 IR 13', 'ISO 2022 IR 87'],
    ],
    // No character set and ASCII text: ASCII is a part of UTF-8, and our own words may then be anything.
    [[], ['ISO_IR 192']],
    [['NONSENSE'], ['ISO_IR 192']],
  ])('of a source that says %j is %j', (terms, expected) => {
    expect(withTerms(terms)).toEqual(expected)
  })

  it('is none where the source has text beyond ASCII and names no set', () => {
    expect(withTerms([], 'M\xfcller')).toEqual([])
    expect(withTerms([], '\x1b$BAB')).toEqual([])
  })

  it('refuses text that nobody could read', () => {
    expect(() => withTerms(['NONSENSE'], 'M\xfcller')).toThrow(expect.objectContaining({ code: 'result-invalid' }))
  })

  it('is UTF-8 for a source without any attribute', () => {
    expect(characterSetOf(radiographSource)).toEqual(['ISO_IR 192'])
  })
})

describe('fitText', () => {
  it('keeps UTF-8 whole, and elsewhere keeps what ASCII has', () => {
    expect(fitText(['ISO_IR 192'], 'Übrig 山', 64)).toBe('Übrig 山')
    expect(fitText(['ISO_IR 100'], 'Übrig 山', 64)).toBe('Ubrig ?')
    expect(fitText([], 'é', 64)).toBe('e')
  })

  it('leaves no separator and no control in, and cuts by characters', () => {
    expect(fitText(['ISO_IR 192'], ' a\\b\n\u001bc ', 64)).toBe('a/b c')
    expect(fitText(['ISO_IR 192'], '😀😀😀', 2)).toBe('😀😀')
  })
})
