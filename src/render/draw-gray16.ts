/** A look and its placement in, the map's values as 16-bit gray out: for programs that read pictures, and for eyes that want no colors. */
import type { Placement } from '../domain/placement.ts'
import { addStrip } from './draw-strip.ts'
import type { MapLook } from './map-look.ts'
import { type Canvas, placeGrid } from './place-grid.ts'
import { emptyRaster, type Raster } from './raster.ts'

const WHITE = 0xffff

/** [height, width, channel], 0 to 65535: gray, and alpha where the network did not see all of the picture. */
export interface GrayPicture {
  readonly width: number
  readonly height: number
  readonly channels: 1 | 2
  readonly samples: Uint16Array
}

/** The look with a ramp of grays in place of its colors: what the strip's bar shows. */
export function toGrayLook(look: MapLook): MapLook {
  return { ...look, colormap: 'gray', table: Uint8Array.from({ length: 256 * 3 }, (_, i) => Math.floor(i / 3)) }
}

/**
 * The values on the canvas: the lower limit is 0, the upper one 65535, what lies beyond is held at them; a label is its own number.
 *
 * Outside the network's view a pixel is transparent, so that no value is made up.
 */
export function drawGray(placement: Placement, look: MapLook, canvas: Canvas): GrayPicture {
  const { view, row } = placeGrid(look.grid, placement, canvas, look.map.interpolation)
  const { width, height } = canvas
  const channels = view.bottom - view.top === height && view.right - view.left === width ? 1 : 2
  const samples = new Uint16Array(width * height * channels)
  const min = look.range?.min ?? 0
  const extent = look.range === null ? WHITE : look.range.max - min
  for (let y = view.top; y < view.bottom; y++) {
    const line = row(y)
    for (let x = 0, to = (y * width + view.left) * channels; x < line.length; x++, to += channels) {
      samples[to] = toGray(((line[x] ?? 0) - min) / extent)
      if (channels === 2) samples[to + 1] = WHITE
    }
  }
  return { width, height, channels, samples }
}

function toGray(part: number): number {
  return part > 0 ? Math.floor(WHITE * Math.min(1, part) + 0.5) : 0
}

/** The picture with the strip below, its words in gray; alpha stays where it was. */
export function addGrayStrip(picture: GrayPicture, look: MapLook, lines: readonly string[]): GrayPicture {
  // Labels have a legend of colors alone, which gray can't show.
  const strip = addStrip(emptyRaster(picture.width, picture.height, 3), look.range === null ? null : look, lines)
  const { channels } = picture
  const samples = grayOf(strip, channels)
  const rowLength = picture.width * channels
  for (let y = 0; y < picture.height; y++) samples.set(picture.samples.subarray(y * rowLength, (y + 1) * rowLength), y * strip.width * channels)
  return { width: strip.width, height: strip.height, channels, samples }
}

/** Luma of ITU-R BT.709 in 16 bits, opaque. */
function grayOf({ width, height, pixels }: Raster, channels: 1 | 2): Uint16Array {
  const samples = new Uint16Array(width * height * channels).fill(WHITE)
  for (let pixel = 0; pixel < width * height; pixel++) {
    const [red = 0, green = 0, blue = 0] = pixels.subarray(3 * pixel, 3 * pixel + 3)
    samples[pixel * channels] = Math.round(257 * (0.2126 * red + 0.7152 * green + 0.0722 * blue))
  }
  return samples
}

/** Samples as PNG stores them: the high byte first. */
export function toBigEndian(samples: Uint16Array): Uint8Array {
  const bytes = new Uint8Array(2 * samples.length)
  for (let i = 0; i < samples.length; i++) {
    const sample = samples[i] ?? 0
    bytes[2 * i] = sample >> 8
    bytes[2 * i + 1] = sample
  }
  return bytes
}
