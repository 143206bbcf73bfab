/** Pixels of a picture under construction: RGB or RGBA bytes, row by row. */
import type { Rgb } from './label-colors.ts'

export interface Raster {
  readonly width: number
  readonly height: number
  readonly channels: 3 | 4
  /** [height, width, channel], sRGB bytes. */
  readonly pixels: Uint8Array
}

export function emptyRaster(width: number, height: number, channels: 3 | 4, fill: Rgb = [0, 0, 0]): Raster {
  const pixels = new Uint8Array(width * height * channels)
  const raster = { width, height, channels, pixels }
  if (fill.some((value) => value !== 0)) fillRectangle(raster, { x: 0, y: 0, width, height }, fill)
  return raster
}

/** Whole pixels: x to the right, y downwards. */
export interface Rectangle {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** Paints the part of a rectangle that lies on the raster; fully opaque where there is an alpha channel. */
export function fillRectangle(raster: Raster, rectangle: Rectangle, color: Rgb): void {
  const { pixels, width, channels } = raster
  const [left, top] = [Math.max(0, rectangle.x), Math.max(0, rectangle.y)]
  const right = Math.min(width, rectangle.x + rectangle.width)
  const bottom = Math.min(raster.height, rectangle.y + rectangle.height)
  if (right <= left || bottom <= top) return
  for (let x = left; x < right; x++) setPixel(raster, x, top, color)
  // One row is painted, the others are its copies.
  const [start, end] = [(top * width + left) * channels, (top * width + right) * channels]
  for (let y = top + 1; y < bottom; y++) pixels.copyWithin(start + (y - top) * width * channels, start, end)
}

/** Paints one pixel; nothing outside the raster. */
export function setPixel(raster: Raster, x: number, y: number, color: Rgb): void {
  if (x < 0 || y < 0 || x >= raster.width || y >= raster.height) return
  const start = (y * raster.width + x) * raster.channels
  raster.pixels[start] = color[0]
  raster.pixels[start + 1] = color[1]
  raster.pixels[start + 2] = color[2]
  if (raster.channels === 4) raster.pixels[start + 3] = 255
}

/** Lays one raster on another at (x, y), its alpha channel respected; what falls outside is left out. */
export function paste(onto: Raster, raster: Raster, x: number, y: number): void {
  if (raster.channels === 3 && onto.channels === 3) copyRows(onto, raster, x, y)
  else copyPixels(onto, raster, x, y)
}

function copyPixels(onto: Raster, raster: Raster, x: number, y: number): void {
  for (let row = 0; row < raster.height; row++) {
    for (let column = 0; column < raster.width; column++) {
      const start = (row * raster.width + column) * raster.channels
      if (raster.channels === 4 && raster.pixels[start + 3] === 0) continue
      setPixel(onto, x + column, y + row, [raster.pixels[start] ?? 0, raster.pixels[start + 1] ?? 0, raster.pixels[start + 2] ?? 0])
    }
  }
}

/** The same where no pixel can be transparent: whole rows at a time. */
function copyRows(onto: Raster, raster: Raster, x: number, y: number): void {
  const [left, right] = [Math.max(0, -x), Math.min(raster.width, onto.width - x)]
  if (right <= left) return
  for (let row = Math.max(0, -y); row < Math.min(raster.height, onto.height - y); row++) {
    const line = raster.pixels.subarray((row * raster.width + left) * 3, (row * raster.width + right) * 3)
    onto.pixels.set(line, ((y + row) * onto.width + x + left) * 3)
  }
}
