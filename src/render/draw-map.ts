/** A look, an image and their placement in, the picture of the map out: laid over the image, or alone. */
import type { Placement } from '../domain/placement.ts'
import type { DisplayImage } from '../domain/prediction.ts'
import { type Tensor, tensorOf } from '../tensor/tensor.ts'
import { blendColors, blendPatches, type PatchColors, spreadGray } from './blend-rows.ts'
import { displayOn } from './canvas.ts'
import type { Rgb } from './label-colors.ts'
import { type MapLook, tableIndex } from './map-look.ts'
import { type Canvas, type PlacedRows, placedValues, placeGrid, type View } from './place-grid.ts'
import { emptyRaster, type Raster } from './raster.ts'

/** Outside the network's view: gray stripes, never a color of a map. */
const HATCH_STEP = 8
const HATCH_LINE: Rgb = [120, 120, 120]
const HATCH_GROUND: Rgb = [48, 48, 48]
/** White borders between communities are drawn where a patch is at least this many pixels wide. */
const BORDER_FROM_PIXELS = 8

/**
 * The map over the image: (1 - alpha) image + alpha color, in sRGB bytes.
 *
 * Alpha 0 gives the image bit for bit, alpha 1 the colors alone. Labels are fainter where they are less sure: alpha becomes
 * alpha (confidence + (1 - confidence) alpha), which keeps both ends; their borders are strongest at alpha 0.5 and gone at both ends.
 */
export function drawOverlay(display: DisplayImage, placement: Placement, look: MapLook, canvas: Canvas, alpha: number): Raster {
  return layOver(pictureOn(canvas, display), placement, look, canvas, alpha)
}

/** The image alone on the canvas. */
export function pictureOn(canvas: Canvas, display: DisplayImage): Raster {
  const raster = emptyRaster(canvas.width, canvas.height, 3)
  const image = displayOn(canvas, display)
  if (display.channels === 3) raster.pixels.set(image)
  else spreadGray(image, raster.pixels)
  return raster
}

/** As `drawOverlay`, onto a picture of the image that is on the canvas already: it is painted over, and handed back. */
export function layOver(raster: Raster, placement: Placement, look: MapLook, canvas: Canvas, alpha: number): Raster {
  if (look.map.kind === 'categorical') {
    const rows = placePatches(placement, look, canvas)
    hatchOutside(raster, rows.view, alpha)
    blendPatches(raster, rows, patchColors(look, alpha), hasBorders(rows.view, look.grid) ? 4 * alpha * (1 - alpha) : null)
  } else {
    const rows = placeGrid(toEntries(look), placement, canvas, look.map.interpolation)
    hatchOutside(raster, rows.view, alpha)
    blendColors(raster, rows, look.table, alpha)
  }
  return raster
}

/** The map's colors alone, opaque: entries of the look's table. Outside the network's view transparent between stripes, and then no table will do. */
export function drawHeat(placement: Placement, look: MapLook, canvas: Canvas): { readonly indices: Uint8Array } | { readonly rgba: Raster } {
  const { view, indices } = look.map.kind === 'categorical' ? placeLabels(placement, look, canvas) : placeEntries(placement, look, canvas)
  if (view.bottom - view.top === canvas.height && view.right - view.left === canvas.width) return { indices }
  const rgba = emptyRaster(canvas.width, canvas.height, 4)
  for (let y = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++) {
      const at = (y * canvas.width + x) * 4
      if (!isInView(view, x, y)) {
        if (isStripe(x, y)) rgba.pixels.set([...HATCH_LINE, 255], at)
        continue
      }
      const entry = 3 * (indices[(y - view.top) * (view.right - view.left) + x - view.left] ?? 0)
      rgba.pixels.set([look.table[entry] ?? 0, look.table[entry + 1] ?? 0, look.table[entry + 2] ?? 0, 255], at)
    }
  }
  return { rgba }
}

/** The grid in entries of the color table, not yet rounded: interpolating between entries is interpolating between values. */
function toEntries({ grid, range }: MapLook): Tensor {
  const min = range?.min ?? 0
  const extent = (range?.max ?? 1) - min
  const scale = extent > 0 ? 255 / extent : 0
  return tensorOf(
    Float32Array.from(grid.data, (value) => (value - min) * scale),
    grid.shape,
  )
}

function toEntry(value: number): number {
  return value <= 0 ? 0 : value >= 255 ? 255 : (value + 0.5) | 0
}

/** Entries of the color table on the pixels of the view. */
function placeEntries(placement: Placement, look: MapLook, canvas: Canvas): { readonly view: View; readonly indices: Uint8Array } {
  const { view, row } = placeGrid(toEntries(look), placement, canvas, look.map.interpolation)
  const width = view.right - view.left
  const indices = new Uint8Array((view.bottom - view.top) * width)
  for (let y = view.top; y < view.bottom; y++) {
    const line = row(y)
    for (let x = 0; x < width; x++) indices[(y - view.top) * width + x] = toEntry(line[x] ?? 0)
  }
  return { view, indices }
}

/** The label's entry of the color table on the pixels of the view. */
function placeLabels(placement: Placement, look: MapLook, canvas: Canvas): { readonly view: View; readonly indices: Uint8Array } {
  const rows = placePatches(placement, look, canvas)
  const patches = placedValues(rows)
  const entries = labelEntries(look)
  const indices = new Uint8Array(patches.length)
  for (let at = 0; at < indices.length; at++) indices[at] = entries[patches[at] ?? 0] ?? 0
  return { view: rows.view, indices }
}

/** Which patch lies under the pixel: their numbers in the grid's order. */
function placePatches(placement: Placement, look: MapLook, canvas: Canvas): PlacedRows {
  const numbers = tensorOf(
    Float32Array.from(look.grid.data, (_, patch) => patch),
    look.grid.shape,
  )
  return placeGrid(numbers, placement, canvas, 'nearest')
}

/** [patch], entries of the color table */
function labelEntries(look: MapLook): Uint8Array {
  return Uint8Array.from(look.grid.data, (label) => tableIndex(label, null))
}

/** Whether lines are drawn between labels: not where patches are too small for them. */
function hasBorders(view: View, grid: Tensor): boolean {
  return Math.max(view.right - view.left, view.bottom - view.top) / Math.max(...grid.shape) >= BORDER_FROM_PIXELS
}

function patchColors(look: MapLook, alpha: number): PatchColors {
  const alphas = alphasByPatch(look, alpha)
  const labels = labelEntries(look)
  const added = Float32Array.from({ length: 3 * alphas.length }, (_, i) => {
    const patch = Math.floor(i / 3)
    return (alphas[patch] ?? 0) * (look.table[3 * (labels[patch] ?? 0) + (i % 3)] ?? 0) + 0.5
  })
  return { labels, kept: Float64Array.from(alphas, (part) => 1 - part), added }
}

/** How strongly each patch is colored. */
function alphasByPatch(look: MapLook, alpha: number): Float32Array {
  return Float32Array.from(look.grid.data, (_, patch) => {
    const confidence = look.confidence?.data[patch] ?? 1
    return alpha * (confidence + (1 - confidence) * alpha)
  })
}

/** Stripes over what the network did not see; none at alpha 0. */
export function hatchOutside(raster: Raster, view: View, alpha: number): void {
  if (alpha === 0) return
  for (let y = 0; y < raster.height; y++) {
    const isRowInView = y >= view.top && y < view.bottom
    for (let x = 0; x < raster.width; x++) {
      if (isRowInView && x >= view.left && x < view.right) {
        x = view.right - 1
        continue
      }
      blendPixel(raster.pixels, 3 * (y * raster.width + x), isStripe(x, y) ? HATCH_LINE : HATCH_GROUND, alpha)
    }
  }
}

function isStripe(x: number, y: number): boolean {
  return (x + y) % HATCH_STEP === 0
}

function isInView(view: View, x: number, y: number): boolean {
  return y >= view.top && y < view.bottom && x >= view.left && x < view.right
}

function blendPixel(pixels: Uint8Array, to: number, color: Rgb, alpha: number): void {
  for (let channel = 0; channel < 3; channel++) pixels[to + channel] = (1 - alpha) * (pixels[to + channel] ?? 0) + alpha * (color[channel] ?? 0) + 0.5
}
