/** All maps of an answer in, one picture out: original, evidence, communities, delta side by side, each with its key, and the strip below. */
import type { ExplanationMap } from '../domain/explanation.ts'
import type { RenderRequest } from '../domain/prediction.ts'
import { drawText, LINE_HEIGHT, textWidth } from './bitmap-font.ts'
import { scaledCanvas } from './canvas.ts'
import { stripLines } from './caption.ts'
import { drawKey, keyHeight } from './draw-key.ts'
import { layOver, pictureOn } from './draw-map.ts'
import { addStrip } from './draw-strip.ts'
import { chooseLook, type MapLook } from './map-look.ts'
import { GROUND, INK } from './page-colors.ts'
import { emptyRaster, paste, type Raster } from './raster.ts'

const GAP = 12
/** Longest side of one image in pixels, unless the size option says otherwise. */
const CELL_SIDE = 384
const SCALE = 2
/** Each place of the panel takes the first of these maps that the answer holds. */
const PLACES: readonly (readonly string[])[] = [['evidence', 'attention', 'rollout'], ['communities'], ['delta', 'structure-attribution']]

/** The panel of an answer; the map that was asked for is among its pictures. */
export function drawPanel(request: RenderRequest): Raster {
  const { display, placement, options } = request
  const side = typeof options.size === 'number' ? options.size : CELL_SIDE
  const canvas = scaledCanvas(display, side)
  const looks = panelMaps(request).map((map) => chooseLook(map, map === request.map ? options : { head: null, colormap: null }))
  const cellWidth = Math.max(canvas.width, 240)
  const keys = Math.max(...looks.map((look) => keyHeight(look, cellWidth, SCALE)))
  const top = GAP + LINE_HEIGHT * SCALE
  const raster = emptyRaster(GAP + (looks.length + 1) * (cellWidth + GAP), top + canvas.height + GAP + keys, 3, GROUND)
  const picture = pictureOn(canvas, display)
  drawCell(raster, picture, { text: 'Image', scale: SCALE }, GAP, top)
  looks.forEach((look, index) => {
    const x = GAP + (index + 1) * (cellWidth + GAP)
    const copy = { ...picture, pixels: picture.pixels.slice() }
    drawCell(raster, layOver(copy, placement, look, canvas, options.alpha), titleIn(look, cellWidth), x, top)
    drawKey(raster, look, x, top + canvas.height + GAP, cellWidth, SCALE)
  })
  const [first] = looks
  return addStrip(raster, null, stripLines(request, looks.find((look) => look.map === request.map) ?? first ?? chooseLook(request.map, options)))
}

function panelMaps({ map, maps }: RenderRequest): readonly ExplanationMap[] {
  const found = PLACES.flatMap((names) => names.flatMap((name) => maps.filter((candidate) => candidate.name === name)).slice(0, 1))
  const withAsked = found.map((candidate) => (candidate.name === map.name ? map : candidate))
  return withAsked.includes(map) ? withAsked : [...withAsked, map]
}

/** Title and class, large where they fit and small where not. */
function titleIn(look: MapLook, width: number): Title {
  const text = look.map.explainedClass === null ? look.map.title : `${look.map.title}: ${look.map.explainedClass}`
  if (textWidth(text, SCALE) <= width) return { text, scale: SCALE }
  return { text: text.slice(0, Math.floor(width / textWidth(' ', 1))), scale: 1 }
}

interface Title {
  readonly text: string
  readonly scale: number
}

function drawCell(raster: Raster, picture: Raster, { text, scale }: Title, x: number, top: number): void {
  drawText(raster, text, x, top - LINE_HEIGHT * scale, scale, INK)
  paste(raster, picture, x, top)
}
