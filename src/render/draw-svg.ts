/** A picture's PNG and its look in, an SVG out: the picture embedded, key and captions as shapes and text. */
import type { RenderRequest } from '../domain/prediction.ts'
import { STRIP_NOTICE, stripLines } from './caption.ts'
import { labelShares, marksIn, ticksOf } from './draw-key.ts'
import { labelColor, labelName } from './label-colors.ts'
import { layOutLabels, rowsOf } from './lay-out-labels.ts'
import { type MapLook, tableIndex } from './map-look.ts'
import type { Canvas } from './place-grid.ts'

const SIDE = 512
const MARGIN = 16
const LINE = 18
const BAR_STOPS = 32
/** A letter of the document's 12-pixel font is about this wide. */
const LETTER = 6.6

/** A document that needs nothing from outside; title and description are for screen readers. */
export function encodeSvg(request: RenderRequest, look: MapLook, canvas: Canvas, png: Uint8Array): string {
  const scale = SIDE / Math.max(canvas.width, canvas.height)
  const imageWidth = Math.round(canvas.width * scale)
  const imageHeight = Math.round(canvas.height * scale)
  const width = Math.max(imageWidth, 400) + 2 * MARGIN
  const key = look.range === null ? legend(look, width) : bar(look, width)
  const lines = stripLines(request, look).flatMap((line) => wrapWords(line, Math.floor((width - 2 * MARGIN) / LETTER)))
  const textTop = MARGIN + imageHeight + key.height + 2 * MARGIN
  const height = textTop + (lines.length + 1) * LINE + MARGIN
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title description" font-family="system-ui, sans-serif" font-size="12">`,
    `<title id="title">${escapeXml(request.map.title)}</title>`,
    `<desc id="description">${escapeXml(request.map.altText)}</desc>`,
    `<rect width="${width}" height="${height}" fill="#121214"/>`,
    `<image x="${MARGIN}" y="${MARGIN}" width="${imageWidth}" height="${imageHeight}" href="data:image/png;base64,${Buffer.from(png).toString('base64')}"/>`,
    `<g transform="translate(${MARGIN} ${2 * MARGIN + imageHeight})" fill="#ebebeb">${key.markup}</g>`,
    `<text x="${MARGIN}" y="${textTop + LINE}" fill="#f0c85a" font-weight="600">${STRIP_NOTICE}</text>`,
    ...lines.map((line, index) => `<text x="${MARGIN}" y="${textTop + (index + 2) * LINE}" fill="#e1e1e1">${escapeXml(line)}</text>`),
    '</svg>',
    '',
  ].join('\n')
}

interface Key {
  readonly markup: string
  readonly height: number
}

function bar(look: MapLook, width: number): Key {
  const range = look.range ?? { min: 0, max: 1 }
  const length = width - 2 * MARGIN
  const at = (value: number): number => Math.round((100 * (length * (value - range.min))) / (range.max - range.min)) / 100
  const stops = Array.from({ length: BAR_STOPS + 1 }, (_, stop) => {
    const part = stop / BAR_STOPS
    return `<stop offset="${part}" stop-color="${colorAt(look, tableIndex(range.min + part * (range.max - range.min), range))}"/>`
  })
  const ticks = ticksOf(range).map(({ value, label }, index) => tick(at(value), 14, label, ['start', 'middle', 'end'][index] ?? 'middle'))
  const marks = marksIn(look, range).map(({ value, text }) => ({ text, at: at(value), length: Math.ceil(text.length * LETTER) }))
  const places = layOutLabels(marks, length, LETTER)
  return {
    markup: [
      `<defs><linearGradient id="colors">${stops.join('')}</linearGradient></defs>`,
      `<rect width="${length}" height="14" fill="url(#colors)"/>`,
      ...ticks,
      ...marks.map((mark, index) => drawMark(mark.at, mark.text, places[index]?.left ?? 0, 32 + LINE * (1 + (places[index]?.row ?? 0)))),
    ].join(''),
    height: 14 + 2 * LINE + rowsOf(places) * LINE,
  }
}

function tick(x: number, y: number, label: string, anchor: string): string {
  return `<path d="M${x} 0V${y + 4}" stroke="#ebebeb"/><text x="${x}" y="${y + 18}" text-anchor="${anchor}">${escapeXml(label)}</text>`
}

/** A line through the bar and its words, which begin at `left` so that none runs out of the picture. */
function drawMark(x: number, text: string, left: number, y: number): string {
  return `<path d="M${x} 0V18" stroke="#ebebeb"/><text x="${left}" y="${y}">${escapeXml(text)}</text>`
}

function legend(look: MapLook, width: number): Key {
  const column = 96
  const columns = Math.max(1, Math.floor((width - 2 * MARGIN) / column))
  const shares = labelShares(look)
  const entries = shares.map(({ index, share }, place) => {
    const x = (place % columns) * column
    const y = Math.floor(place / columns) * (LINE + 4)
    const [red, green, blue] = labelColor(index)
    return `<rect x="${x}" y="${y}" width="14" height="14" fill="rgb(${red} ${green} ${blue})" stroke="#969696"/><text x="${x + 20}" y="${y + 12}">${labelName(index)}: ${Math.round(100 * share)} %</text>`
  })
  return { markup: entries.join(''), height: Math.ceil(shares.length / columns) * (LINE + 4) }
}

function colorAt(look: MapLook, entry: number): string {
  return `rgb(${look.table[3 * entry] ?? 0} ${look.table[3 * entry + 1] ?? 0} ${look.table[3 * entry + 2] ?? 0})`
}

function wrapWords(text: string, characters: number): readonly string[] {
  const lines: string[] = ['']
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? ''
    if (last !== '' && last.length + 1 + word.length > characters) lines.push(word)
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`
  }
  return lines
}

/** Text as XML: markup escaped, characters that XML 1.0 forbids left out. */
export function escapeXml(text: string): string {
  return Array.from(text)
    .filter((character) => character >= ' ' || character === '\n' || character === '\t')
    .join('')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
