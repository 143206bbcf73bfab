/** The bytes of a text value and its SpecificCharacterSet in, the text out (PS3.5 6.1, PS3.3 C.12.1.1.2). */

/** Character sets that are used without escape sequences, by defined term, as the Encoding Standard names them. */
const WHOLE: Readonly<Record<string, string>> = { 'ISO_IR 192': 'utf-8', GB18030: 'gb18030', GBK: 'gbk' }

/** How one byte, or two, become a character. */
interface CodeElement {
  readonly bytes: 1 | 2
  readonly decode: (unit: Uint8Array) => string
}

const decoders = new Map<string, InstanceType<typeof TextDecoder>>()

function decodeWith(encoding: string, unit: Uint8Array): string {
  const decoder = decoders.get(encoding) ?? new TextDecoder(encoding)
  decoders.set(encoding, decoder)
  return decoder.decode(unit)
}

const latin1: CodeElement = { bytes: 1, decode: (unit) => Buffer.from(unit).toString('latin1') }
const single = (encoding: string): CodeElement => ({ bytes: 1, decode: (unit) => decodeWith(encoding, unit) })
/** The bytes with their high bit set, as the EUC encodings have them in G1. */
const high = (unit: Uint8Array): number[] => Array.from(unit, (byte) => byte | 0x80)

const ASCII: CodeElement = single('utf-8')
const UNKNOWN: CodeElement = { bytes: 1, decode: () => '\ufffd' }
/** JIS X 0201 roman differs from ASCII by the yen sign and the overline. */
const JIS_ROMAN: CodeElement = { bytes: 1, decode: ([byte = 0]) => (byte === 0x5c ? '\u00a5' : byte === 0x7e ? '\u203e' : String.fromCharCode(byte)) }
const JIS_KATAKANA: CodeElement = single('shift_jis')
const JIS_X_0208: CodeElement = { bytes: 2, decode: (unit) => decodeWith('euc-jp', Uint8Array.from(high(unit))) }
const JIS_X_0212: CodeElement = { bytes: 2, decode: (unit) => decodeWith('euc-jp', Uint8Array.from([0x8f, ...high(unit)])) }
const KS_X_1001: CodeElement = { bytes: 2, decode: (unit) => decodeWith('euc-kr', Uint8Array.from(high(unit))) }
const GB_2312: CodeElement = { bytes: 2, decode: (unit) => decodeWith('gbk', Uint8Array.from(high(unit))) }

/** The upper half that a single-byte set brings, by its registration number (PS3.3 table C.12-2). */
const UPPER_HALVES: Readonly<Record<string, CodeElement>> = {
  '100': latin1,
  '101': single('iso-8859-2'),
  '109': single('iso-8859-3'),
  '110': single('iso-8859-4'),
  '144': single('iso-8859-5'),
  '127': single('iso-8859-6'),
  '126': single('iso-8859-7'),
  '138': single('iso-8859-8'),
  '148': single('windows-1254'),
  '203': single('iso-8859-15'),
  '166': single('windows-874'),
  '13': JIS_KATAKANA,
}

/** What the bytes behind ESC designate, and to which half (PS3.3 tables C.12-3 and C.12-4). */
const ESCAPES: readonly (readonly [sequence: string, half: 'g0' | 'g1', element: CodeElement])[] = [
  ['(B', 'g0', ASCII],
  ['(J', 'g0', JIS_ROMAN],
  [')I', 'g1', JIS_KATAKANA],
  ['-A', 'g1', latin1],
  ['-B', 'g1', single('iso-8859-2')],
  ['-C', 'g1', single('iso-8859-3')],
  ['-D', 'g1', single('iso-8859-4')],
  ['-L', 'g1', single('iso-8859-5')],
  ['-G', 'g1', single('iso-8859-6')],
  ['-F', 'g1', single('iso-8859-7')],
  ['-H', 'g1', single('iso-8859-8')],
  ['-M', 'g1', single('windows-1254')],
  ['-b', 'g1', single('iso-8859-15')],
  ['-T', 'g1', single('windows-874')],
  ['$B', 'g0', JIS_X_0208],
  ['$(D', 'g0', JIS_X_0212],
  ['$)C', 'g1', KS_X_1001],
  ['$)A', 'g1', GB_2312],
]

/** The two halves of the code table that are in use. */
interface Halves {
  g0: CodeElement
  g1: CodeElement
}

/**
 * The text of a value, padding kept.
 *
 * characterSets  values of SpecificCharacterSet, the first may be empty
 * returns        U+FFFD for each byte that the character sets do not hold
 */
export function decodeText(bytes: Uint8Array, characterSets: readonly string[]): string {
  const [first = ''] = characterSets
  const whole = WHOLE[first]
  return whole === undefined ? decodeHalves(bytes, first) : decodeWith(whole, bytes)
}

const ESC = 0x1b
/** TAB, LF, FF and CR, the backslash between values, ^ and = in names: behind each of them the first character set is in use again (PS3.5 6.1.2.5.3). */
const RESETS = new Set([0x09, 0x0a, 0x0c, 0x0d, 0x5c, 0x5e, 0x3d])

function decodeHalves(bytes: Uint8Array, first: string): string {
  let halves = initialHalves(first)
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes[at] ?? 0
    const designation = byte === ESC ? findEscape(bytes, at + 1) : undefined
    if (designation !== undefined) {
      const [sequence, half, element] = designation
      halves = { ...halves, [half]: element }
      at += 1 + sequence.length
      continue
    }
    const element = byte < 0x80 ? (byte < 0x20 ? ASCII : halves.g0) : halves.g1
    text += element.decode(bytes.subarray(at, at + element.bytes))
    at += element.bytes
    if (element.bytes === 1 && RESETS.has(byte)) halves = initialHalves(first)
  }
  return text
}

function initialHalves(term: string): Halves {
  const number = /(\d+)$/.exec(term)?.[1] ?? '6'
  return { g0: number === '13' ? JIS_ROMAN : ASCII, g1: UPPER_HALVES[number] ?? UNKNOWN }
}

function findEscape(bytes: Uint8Array, at: number): (typeof ESCAPES)[number] | undefined {
  const ahead = String.fromCharCode(...bytes.subarray(at, at + 3))
  return ESCAPES.find(([sequence]) => ahead.startsWith(sequence))
}
