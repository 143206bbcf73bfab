/** A picture and its captions in, the picture with a strip below out: the image's own pixels stay free of text. */
import { ADVANCE, drawText, LINE_HEIGHT, wrapText } from './bitmap-font.ts'
import { STRIP_NOTICE } from './caption.ts'
import { drawKey, keyHeight } from './draw-key.ts'
import type { Rgb } from './label-colors.ts'
import type { MapLook } from './map-look.ts'
import { GROUND } from './page-colors.ts'
import { emptyRaster, paste, type Raster } from './raster.ts'

const INK: Rgb = [225, 225, 225]
const WARNING: Rgb = [240, 200, 90]
const MARGIN = 8
/** Below this width a picture gets a wider strip, or its captions could not be read. */
const LEAST_WIDTH = 360
const WIDE = 720

/** Letters are drawn twice as large on wide pictures. */
export function textScale(width: number): number {
  return width >= WIDE ? 2 : 1
}

/** The picture at the upper left corner, unchanged; below it the key, where a look is given, and the lines. */
export function addStrip(picture: Raster, look: MapLook | null, lines: readonly string[]): Raster {
  const width = Math.max(picture.width, LEAST_WIDTH)
  const scale = textScale(width)
  const inner = width - 2 * MARGIN
  const wrapped = lines.flatMap((line) => wrapText(line, Math.floor(inner / (ADVANCE * scale))))
  const key = look === null ? 0 : keyHeight(look, inner, scale) + MARGIN
  const textTop = picture.height + MARGIN + key
  const height = textTop + (wrapped.length + 1) * LINE_HEIGHT * scale + MARGIN
  const raster = emptyRaster(width, height, 3, GROUND)
  paste(raster, picture, 0, 0)
  if (look !== null) drawKey(raster, look, MARGIN, picture.height + MARGIN, inner, scale)
  drawText(raster, STRIP_NOTICE, MARGIN, textTop, scale, WARNING)
  wrapped.forEach((line, index) => {
    drawText(raster, line, MARGIN, textTop + (index + 1) * LINE_HEIGHT * scale, scale, INK)
  })
  return raster
}
