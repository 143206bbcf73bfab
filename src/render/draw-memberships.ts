/** A map of communities in, one small picture for each out: how much of every patch lies in it, side by side with the image, and the strip below. */
import type { CommunityFacts } from '../domain/explanation.ts'
import type { RenderRequest } from '../domain/prediction.ts'
import { Problem } from '../domain/problem.ts'
import { at, type Tensor } from '../tensor/tensor.ts'
import { drawText, LINE_HEIGHT, textWidth } from './bitmap-font.ts'
import { scaledCanvas } from './canvas.ts'
import { stripLines } from './caption.ts'
import { hatchOutside, pictureOn } from './draw-map.ts'
import { addStrip } from './draw-strip.ts'
import { labelColor, labelName, type Rgb } from './label-colors.ts'
import type { MapLook } from './map-look.ts'
import { FAINT, GROUND, INK } from './page-colors.ts'
import { type PlacedRows, placeGrid } from './place-grid.ts'
import { emptyRaster, fillRectangle, paste, type Raster } from './raster.ts'

const GAP = 12
/** Longest side of one picture in pixels, unless the size option says otherwise. */
const CELL_SIDE = 192
const SCALE = 2
const SWATCH = 8 * SCALE
const LARGEST_SHARE = `${labelName(0)}: 100 %`
const MOST_COLUMNS = 5

/**
 * The image and a picture a community, in rows of at most five: (1 - alpha m) image + alpha m color, with the membership m of the patch.
 *
 * Throws: "parameter-invalid" where the map holds no memberships, or one head is asked for.
 */
export function drawMemberships(request: RenderRequest, look: MapLook): Raster {
  const { map, display, placement, options } = request
  const memberships = membershipsIn(request)
  const canvas = scaledCanvas(display, typeof options.size === 'number' ? options.size : CELL_SIDE)
  const cell = { width: Math.max(canvas.width, SWATCH + 4 * SCALE + textWidth(LARGEST_SHARE, SCALE)), height: canvas.height + LINE_HEIGHT * SCALE }
  const columns = Math.min(MOST_COLUMNS, map.communities.length + 1)
  const rows = Math.ceil((map.communities.length + 1) / columns)
  const raster = emptyRaster(GAP + columns * (cell.width + GAP), GAP + rows * (cell.height + GAP), 3, GROUND)
  const corner = (place: number): { x: number; y: number } => ({ x: GAP + (place % columns) * (cell.width + GAP), y: GAP + Math.floor(place / columns) * (cell.height + GAP) })

  const picture = pictureOn(canvas, display)
  drawText(raster, 'Image', corner(0).x, corner(0).y, SCALE, INK)
  paste(raster, picture, corner(0).x, corner(0).y + LINE_HEIGHT * SCALE)
  map.communities.forEach((community, place) => {
    const { x, y } = corner(place + 1)
    const copy = { ...picture, pixels: picture.pixels.slice() }
    const placed = placeGrid(at(memberships, place), placement, canvas, 'bilinear')
    hatchOutside(copy, placed.view, options.alpha)
    blendMembership(copy, placed, labelColor(community.index), options.alpha)
    drawTitle(raster, community, x, y)
    paste(raster, copy, x, y + LINE_HEIGHT * SCALE)
  })
  return addStrip(raster, null, stripLines(request, look))
}

function membershipsIn({ map, options }: RenderRequest): Tensor {
  if (options.head !== null) throw new Problem('parameter-invalid', "the style memberships shows the image's communities, not those of one head", { parameter: 'head' })
  if (map.memberships === undefined) throw new Problem('parameter-invalid', 'this map holds no memberships', { parameter: 'style' })
  return map.memberships
}

function drawTitle(raster: Raster, { index, share }: CommunityFacts, x: number, y: number): void {
  fillRectangle(raster, { x, y, width: SWATCH, height: SWATCH }, FAINT)
  fillRectangle(raster, { x: x + 1, y: y + 1, width: SWATCH - 2, height: SWATCH - 2 }, labelColor(index))
  drawText(raster, `${labelName(index)}: ${Math.round(100 * share)} %`, x + SWATCH + 4 * SCALE, y, SCALE, INK)
}

function blendMembership({ pixels, width }: Raster, { view, row }: PlacedRows, color: Rgb, alpha: number): void {
  for (let y = view.top; y < view.bottom; y++) {
    const line = row(y)
    for (let x = 0, to = 3 * (y * width + view.left); x < line.length; x++, to += 3) {
      const opacity = alpha * (line[x] ?? 0)
      for (let channel = 0; channel < 3; channel++) pixels[to + channel] = (1 - opacity) * (pixels[to + channel] ?? 0) + opacity * (color[channel] ?? 0) + 0.5
    }
  }
}
