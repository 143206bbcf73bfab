/** Text in, pixels out: a small font of our own, since a server may have none. */
import type { Rgb } from './label-colors.ts'
import { fillRectangle, type Raster } from './raster.ts'

/** Five columns a glyph, three hexadecimal digits each; bit 0 is the top row, bits 7 and 8 are below the line. From the space to the tilde. */
const GLYPHS = `
000000000000000 00000005F000000 000007000007000 01407F01407F014 02402A07F02A012 023013008064062 036049056020050 000000007000000
00001C022041000 00004102201C000 01400803E008014 00800803E008008 0001000E0000000 008008008008008 000060060000000 020010008004002
03E05104904503E 00004207F040000 042061051049046 02104104504B031 01801401207F010 027045045045039 03C04A049049030 001071009005003
036049049049036 00604904902901E 000036036000000 0001060E6000000 008014022041000 014014014014014 000041022014008 002001051009006
03E04105D05504E 07E01101101107E 07F049049049036 03E041041041022 07F04104102201C 07F049049049041 07F009009009001 03E04104904907A
07F00800800807F 00004107F041000 02004004103F001 07F008014022041 07F040040040040 07F00200C00207F 07F00400801007F 03E04104104103E
07F009009009006 03E04105102105E 07F009019029046 046049049049031 00100107F001001 03F04004004003F 01F02004002001F 03F04003804003F
063014008014063 007008070008007 061051049045043 00007F041041000 002004008010020 00004104107F000 004002001002004 040040040040040
000001002004000 020054054054078 07F048044044038 038044044044028 03804404404807F 038054054054018 00807E009001002 0381441441440FC
07F008004004078 00004407D040000 0801001000FD000 07F010028044000 00004107F040000 07C004018004078 07C008004004078 038044044044038
1FC044044044038 0380440440441FC 07C008004004008 048054054054024 00403F044040020 03C04004002007C 01C02004002001C 03C04003004003C
044028010028044 01C1201201200FC 04406405404C044 000008036041000 00000007F000000 000041036008000 008004008010008`
  .trim()
  .split(/\s+/)

const FIRST = 32
const COLUMNS = 5
const ROWS = 9
/** Pixels from one letter to the next, and from one line to the next, at scale 1. */
export const ADVANCE = COLUMNS + 1
export const LINE_HEIGHT = ROWS + 3

/** Width of a text in pixels. */
export function textWidth(text: string, scale: number): number {
  return text.length * ADVANCE * scale
}

/** Typographer's signs that have a plain twin. */
const TWINS: Readonly<Record<string, string>> = {
  '\u201c': '"',
  '\u201d': '"',
  '\u2018': "'",
  '\u2019': "'",
  '\u2013': '-',
  '\u2014': '-',
  '\u2212': '-',
  '\u00d7': 'x',
  '\u00b7': '.',
  '\u00a0': ' ',
}

/** Draws one line of text with its upper left corner at (x, y). Letters lose their accents, typographer's signs become their plain twins; what is left and no printable ASCII is drawn as "?". */
export function drawText(raster: Raster, text: string, x: number, y: number, scale: number, color: Rgb): void {
  Array.from(text).forEach((character, index) => {
    drawGlyph(raster, glyphOf(character), x + index * ADVANCE * scale, y, scale, color)
  })
}

function glyphOf(character: string): string {
  const [plain = ''] = TWINS[character] ?? character.normalize('NFD')
  return GLYPHS[plain.charCodeAt(0) - FIRST] ?? GLYPHS['?'.charCodeAt(0) - FIRST] ?? ''
}

function drawGlyph(raster: Raster, glyph: string, x: number, y: number, scale: number, color: Rgb): void {
  for (let column = 0; column < COLUMNS; column++) {
    const bits = Number.parseInt(glyph.slice(3 * column, 3 * column + 3), 16)
    for (let row = 0; row < ROWS; row++) {
      if ((bits >> row) & 1) fillRectangle(raster, { x: x + column * scale, y: y + row * scale, width: scale, height: scale }, color)
    }
  }
}

/** Lines of at most `characters`, broken at spaces; a longer word is cut. */
export function wrapText(text: string, characters: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ').flatMap((long) => cutWord(long, characters))) {
    if (line !== '' && line.length + 1 + word.length > characters) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

function cutWord(word: string, characters: number): readonly string[] {
  const parts: string[] = []
  for (let start = 0; start < word.length; start += characters) parts.push(word.slice(start, start + characters))
  return parts.length > 0 ? parts : ['']
}
