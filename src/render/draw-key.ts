/** A look in, its key out: a color bar with ticks and marks, or a legend of communities with their shares. */
import type { CommunityFacts, MapRange } from '../domain/explanation.ts'
import { ADVANCE, drawText, LINE_HEIGHT, textWidth } from './bitmap-font.ts'
import { toShortText } from './caption.ts'
import { labelColor, labelName, type Rgb } from './label-colors.ts'
import type { MapLook } from './map-look.ts'
import { fillRectangle, type Raster, setPixel } from './raster.ts'

const INK: Rgb = [235, 235, 235]
const FAINT: Rgb = [150, 150, 150]
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
  if (look.range !== null) return (BAR_HEIGHT + TICK + 2 + (look.map.marks.length > 0 ? 2 : 1) * LINE_HEIGHT) * scale
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
  for (const { value, label } of ticksOf(range)) {
    drawTick(raster, positionOf(value, range, x, width), y + height, scale, INK)
    drawText(raster, label, fitText(label, positionOf(value, range, x, width), x, width, scale), below, scale, INK)
  }
  for (const { value, label } of look.map.marks) {
    const at = positionOf(value, range, x, width)
    if (value < range.min || value > range.max) continue
    fillRectangle(raster, { x: at, y: y - scale, width: scale, height: height + (TICK + 1) * scale }, INK)
    const text = `${label} ${toShortText(value)}`
    drawText(raster, text, fitText(text, at, x, width, scale), below + LINE_HEIGHT * scale, scale, FAINT)
  }
}

function drawTick(raster: Raster, x: number, y: number, scale: number, color: Rgb): void {
  fillRectangle(raster, { x, y, width: scale, height: TICK * scale }, color)
}

function positionOf(value: number, range: MapRange, x: number, width: number): number {
  return x + Math.round(((value - range.min) / (range.max - range.min)) * (width - 1))
}

/** Where a text that belongs to position `at` begins: centered, but inside the bar's width. */
function fitText(text: string, at: number, x: number, width: number, scale: number): number {
  const length = textWidth(text, scale)
  return Math.max(x, Math.min(x + width - length, at - Math.round(length / 2)))
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
