/** A look in, its key out: a color bar with ticks and marks, or a legend of communities with their shares. */
import type { CommunityFacts, MapRange } from '../domain/explanation.ts'
import { ADVANCE, drawText, LINE_HEIGHT, textWidth } from './bitmap-font.ts'
import { toShortText } from './caption.ts'
import { labelColor, labelName, type Rgb } from './label-colors.ts'
import { type LabelPlace, layOutLabels, rowsOf } from './lay-out-labels.ts'
import type { MapLook } from './map-look.ts'
import { FAINT, INK } from './page-colors.ts'
import { fillRectangle, type Raster, setPixel } from './raster.ts'

const BAR_HEIGHT = 8
const TICK = 3
const SWATCH = 8

/** Labels of a picture with their part of the patches. */
export function labelShares(look: MapLook): readonly Pick<CommunityFacts, 'index' | 'share'>[] {
  if (look.head === null) return look.map.communities
  const counts = new Map<number, number>()
  for (const label of look.grid.data) counts.set(label, (counts.get(label) ?? 0) + 1)
  return [...counts].map(([index, count]) => ({ index, share: count / look.grid.data.length })).sort((a, b) => a.index - b.index)
}

/** Three ticks of a color bar: its ends and its middle. */
export function ticksOf(range: MapRange): readonly { readonly value: number; readonly label: string }[] {
  return [range.min, (range.min + range.max) / 2, range.max].map((value) => ({ value, label: toShortText(value) }))
}

/** Height in pixels of the key at this width. */
export function keyHeight(look: MapLook, width: number, scale: number): number {
  if (look.range !== null) {
    const { ticks, marks } = layOutBar(look, look.range, width, scale)
    return (BAR_HEIGHT + TICK + 2 + (rowsOf(ticks) + rowsOf(marks)) * LINE_HEIGHT) * scale
  }
  return legendRows(look, width, scale).length * LINE_HEIGHT * scale
}

/** Draws the key with its upper left corner at (x, y). */
export function drawKey(raster: Raster, look: MapLook, x: number, y: number, width: number, scale: number): void {
  if (look.range !== null) drawBar(raster, look, look.range, x, y, width, scale)
  else drawLegend(raster, look, x, y, width, scale)
}

function drawBar(raster: Raster, look: MapLook, range: MapRange, x: number, y: number, width: number, scale: number): void {
  const height = BAR_HEIGHT * scale
  for (let column = 0; column < width; column++) {
    const entry = 3 * Math.round((255 * column) / Math.max(1, width - 1))
    const color: Rgb = [look.table[entry] ?? 0, look.table[entry + 1] ?? 0, look.table[entry + 2] ?? 0]
    for (let row = 0; row < height; row++) setPixel(raster, x + column, y + row, color)
  }
  const below = y + height + (TICK + 2) * scale
  const { ticks, marks } = layOutBar(look, range, width, scale)
  for (const { text, at, left, row } of ticks) {
    fillRectangle(raster, { x: x + at, y: y + height, width: scale, height: TICK * scale }, INK)
    drawText(raster, text, x + left, below + row * LINE_HEIGHT * scale, scale, INK)
  }
  for (const { text, at, left, row } of marks) {
    fillRectangle(raster, { x: x + at, y: y - scale, width: scale, height: height + (TICK + 1) * scale }, INK)
    drawText(raster, text, x + left, below + (rowsOf(ticks) + row) * LINE_HEIGHT * scale, scale, FAINT)
  }
}

interface PlacedLabel extends LabelPlace {
  readonly text: string
  /** Pixels from the bar's left end. */
  readonly at: number
}

/** Ticks, the ends first, so that on a narrow bar the middle one moves down; marks in rows of their own below. */
function layOutBar(look: MapLook, range: MapRange, width: number, scale: number): { readonly ticks: readonly PlacedLabel[]; readonly marks: readonly PlacedLabel[] } {
  const at = (value: number): number => Math.round(((value - range.min) / (range.max - range.min)) * (width - 1))
  const place = (labels: readonly { readonly value: number; readonly text: string }[]): readonly PlacedLabel[] => {
    const wanted = labels.map(({ value, text }) => ({ text, at: at(value), length: textWidth(text, scale) }))
    const places = layOutLabels(wanted, width, ADVANCE * scale)
    return places.map((found, index) => ({ ...found, text: wanted[index]?.text ?? '', at: wanted[index]?.at ?? 0 }))
  }
  const [low, middle, high] = ticksOf(range).map(({ value, label }) => ({ value, text: label }))
  const ticks = [low, high, middle].filter((tick) => tick !== undefined)
  return { ticks: place(ticks), marks: place(marksIn(look, range)) }
}

/** The marks inside the limits, with their values. */
export function marksIn(look: MapLook, range: MapRange): readonly { readonly value: number; readonly text: string }[] {
  return look.map.marks.filter(({ value }) => value >= range.min && value <= range.max).map(({ value, label }) => ({ value, text: `${label} ${toShortText(value)}` }))
}

interface LegendEntry {
  readonly label: number
  readonly text: string
}

function legendRows(look: MapLook, width: number, scale: number): readonly (readonly LegendEntry[])[] {
  const rows: LegendEntry[][] = [[]]
  let used = 0
  for (const { index, share } of labelShares(look)) {
    const entry = { label: index, text: `${labelName(index)}: ${Math.round(100 * share)} %` }
    const length = entryWidth(entry, scale)
    if (used > 0 && used + length > width) {
      rows.push([])
      used = 0
    }
    rows.at(-1)?.push(entry)
    used += length
  }
  return rows
}

function entryWidth({ text }: LegendEntry, scale: number): number {
  return (SWATCH + 4 + ADVANCE * 2) * scale + textWidth(text, scale)
}

function drawLegend(raster: Raster, look: MapLook, x: number, y: number, width: number, scale: number): void {
  legendRows(look, width, scale).forEach((row, line) => {
    let left = x
    const top = y + line * LINE_HEIGHT * scale
    for (const entry of row) {
      const side = SWATCH * scale
      fillRectangle(raster, { x: left, y: top, width: side, height: side }, FAINT)
      fillRectangle(raster, { x: left + 1, y: top + 1, width: side - 2, height: side - 2 }, labelColor(entry.label))
      drawText(raster, entry.text, left + side + 4 * scale, top, scale, INK)
      left += entryWidth(entry, scale)
    }
  })
}
