/** Text of every character set against the names that PS3.5 annexes H to K print, and against the corpus. */
import { describe, expect, it } from 'vitest'
import { decodeText } from '../../src/dicom/decode-text.ts'
import { readBytes, readStrings } from '../../src/dicom/read-attributes.ts'
import { readPart10 } from '../../src/dicom/read-part10.ts'
import { readCorpusBytes } from '../imaging/corpus.ts'
import { hasCorpus } from '../support/corpus.ts'

const latin = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))

describe('decodeText', () => {
  // the worked examples of PS3.5 H.3.1, H.3.2, I.2 and J.3, their bytes written in the standard's columns
  it.each([
    ['H.3.1', ['', 'ISO 2022 IR 87'], 'Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B', 'Yamada^Tarou=山田^太郎=やまだ^たろう'],
    [
      'H.3.2',
      ['ISO 2022 IR 13', 'ISO 2022 IR 87'],
      '\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J',
      'ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう',
    ],
    ['I.2', ['', 'ISO 2022 IR 149'], 'Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf', 'Hong^Gildong=洪^吉洞=홍^길동'],
    ['J.3', ['ISO_IR 192'], 'Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1=', 'Wang^XiaoDong=王^小東='],
    ['J.4', ['GB18030'], 'Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=', 'Wang^XiaoDong=王^小东='],
    ['K.2', ['', 'ISO 2022 IR 58'], 'Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=', 'Zhang^XiaoDong=张^小东='],
  ])('reads the name of PS3.5 %s', (_, characterSets, bytes, name) => {
    expect(decodeText(latin(bytes), characterSets)).toBe(name)
  })

  it.each([
    ['ISO_IR 100', 'B\xfcc^J\xe9r\xf4me', 'Büc^Jérôme'],
    ['ISO_IR 101', 'W\xb3adys\xb3aw', 'Władysław'],
    ['ISO_IR 109', '\xa6a\xfd', 'Ĥaŭ'],
    ['ISO_IR 110', '\xbe\xfe', 'žū'],
    ['ISO_IR 144', '\xbb\xee\xda\x63\x65\xdc\xd1\x79\x70\xd3', 'Люкceмбypг'],
    ['ISO_IR 127', '\xe2\xc8\xc7\xe6\xea^\xe4\xe6\xd2\xc7\xd1', 'قباني^لنزار'],
    ['ISO_IR 126', '\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2', 'Διονυσιος'],
    ['ISO_IR 138', '\xf9\xf8\xe5\xef', 'שרון'],
    ['ISO_IR 148', '\xc7avu\xfeo\xf0lu', 'Çavuşoğlu'],
    ['ISO_IR 203', '\xa4', '€'],
    ['ISO_IR 166', '\xb9\xd2\xc1', 'นาม'],
    ['GBK', '\xcd\xf5', '王'],
  ])('reads %s', (term, bytes, text) => {
    expect(decodeText(latin(bytes), [term])).toBe(text)
  })

  it('shows a byte that no set holds, instead of guessing', () => {
    expect(decodeText(latin('M\xfcller'), [])).toBe('M\ufffdller')
  })

  it('returns to the first set behind a delimiter, as PS3.5 6.1.2.5.3 asks', () => {
    // Greek by escape, then ^, then the same byte in the first set (Latin-1)
    expect(decodeText(latin('\x1b-F\xc4^\xc4'), ['ISO 2022 IR 100', 'ISO 2022 IR 126'])).toBe('Δ^Ä')
  })

  it('leaves the second byte of a Kanji alone, whatever delimiter it looks like', () => {
    // JIS X 0208 row 0x30, cell 0x5e and 0x5c: 葦 and 芦 of the Kanji table read as EUC-JP b0de and b0dc
    expect(decodeText(latin('\x1b$B0^0\\\x1b(B'), ['', 'ISO 2022 IR 87'])).toBe(new TextDecoder('euc-jp').decode(Uint8Array.of(0xb0, 0xde, 0xb0, 0xdc)))
  })
})

describe.skipIf(!hasCorpus)('names of the corpus (needs the corpus)', () => {
  it.each([
    ['charset_h31_kanji.dcm', 'Yamada^Tarou=山田^太郎=やまだ^たろう'],
    ['charset_x1_utf8.dcm', 'Wang^XiaoDong=王^小東='],
    ['charset_korean_2022.dcm', '김희중'],
  ])('%s holds %s', (file, name) => {
    const { dataset } = readPart10(readCorpusBytes(file))
    expect(decodeText(readBytes(dataset, 'PatientName'), readStrings(dataset, 'SpecificCharacterSet'))).toContain(name)
  })
})
