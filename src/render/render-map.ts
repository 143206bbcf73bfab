/** One map of an answer and how it shall look in, a file out: PNG, SVG, NumPy or JSON. The same request gives the same bytes. */
import type { RenderedMap, RenderRequest } from '../domain/prediction.ts'
import { Problem } from '../domain/problem.ts'
import { canvasFor } from './canvas.ts'
import { stripLines, textChunks } from './caption.ts'
import { addGrayStrip, drawGray, toBigEndian, toGrayLook } from './draw-gray16.ts'
import { drawHeat, drawOverlay } from './draw-map.ts'
import { drawMemberships } from './draw-memberships.ts'
import { drawPanel } from './draw-panel.ts'
import { addStrip } from './draw-strip.ts'
import { encodeSvg } from './draw-svg.ts'
import { encodeMapJson } from './map-json.ts'
import { chooseLook, type MapLook } from './map-look.ts'
import { encodeNpy } from './npy.ts'
import type { Canvas } from './place-grid.ts'
import { encodePng, type PngText } from './png.ts'
import type { Raster } from './raster.ts'

/**
 * The file of one map.
 *
 * A PNG of size 'source' has the source's rows x columns pixels and no text among them: captions are in its text chunks.
 * The panel and the pictures of memberships, and an overlay or heat map with `strip`, carry the strip outside the image.
 * Throws: "parameter-invalid" naming alpha, head, colormap, size or style.
 */
export async function renderMap(request: RenderRequest): Promise<RenderedMap> {
  const { map, options } = request
  if (!(options.alpha >= 0 && options.alpha <= 1)) throw new Problem('parameter-invalid', 'alpha must be 0 to 1', { parameter: 'alpha' })
  checkStyle(options)
  const look = chooseLook(map, options)
  switch (options.format) {
    case 'png':
      return { mediaType: 'image/png', bytes: await drawPng(request, look) }
    case 'svg':
      return { mediaType: 'image/svg+xml', bytes: await drawSvg(request, look) }
    case 'npy':
      return { mediaType: 'application/octet-stream', bytes: encodeNpy(look.grid) }
    case 'json':
      return { mediaType: 'application/json', bytes: Buffer.from(encodeMapJson(request, look), 'utf8') }
  }
}

function drawPng(request: RenderRequest, look: MapLook): Promise<Uint8Array> {
  const { display, placement, options } = request
  const texts = textChunks(request, look)
  if (options.style === 'panel') return toPng(drawPanel(request), texts)
  if (options.style === 'memberships') return toPng(drawMemberships(request, look), texts)
  if (options.style === 'gray16') return grayPng(request, toGrayLook(look))
  const canvas = canvasFor(options.size, display, placement, look.grid)
  if (options.strip === true) return toPng(addStrip(pictureOf(request, look, canvas), look, stripLines(request, look)), texts)
  return options.style === 'overlay' ? toPng(drawOverlay(display, placement, look, canvas, options.alpha), texts) : heatPng(request, look, canvas, texts)
}

/** Throws: "parameter-invalid" for what a style can't be. */
function checkStyle({ format, style, colormap }: RenderRequest['options']): void {
  if (style !== 'gray16' && style !== 'memberships') return
  if (format === 'svg') throw new Problem('parameter-invalid', `the style ${style} is a PNG`, { parameter: 'style' })
  if (style === 'gray16' && colormap !== null) throw new Problem('parameter-invalid', 'the style gray16 has no color map', { parameter: 'colormap' })
}

function grayPng(request: RenderRequest, look: MapLook): Promise<Uint8Array> {
  const { display, placement, options } = request
  const picture = drawGray(placement, look, canvasFor(options.size, display, placement, look.grid))
  const { width, height, channels, samples } = options.strip === true ? addGrayStrip(picture, look, stripLines(request, look)) : picture
  return encodePng({ width, height, color: channels === 1 ? 'gray16' : 'grayAlpha16', pixels: toBigEndian(samples), texts: textChunks(request, look) })
}

function pictureOf({ display, placement, options }: RenderRequest, look: MapLook, canvas: Canvas): Raster {
  return drawOverlay(display, placement, look, canvas, options.style === 'heat' ? 1 : options.alpha)
}

function heatPng({ placement }: RenderRequest, look: MapLook, canvas: Canvas, texts: readonly PngText[]): Promise<Uint8Array> {
  const heat = drawHeat(placement, look, canvas)
  if ('rgba' in heat) return toPng(heat.rgba, texts)
  return encodePng({ width: canvas.width, height: canvas.height, color: 'indexed', pixels: heat.indices, palette: look.table, texts })
}

function toPng(raster: Raster, texts: readonly PngText[]): Promise<Uint8Array> {
  return encodePng({ width: raster.width, height: raster.height, color: raster.channels === 4 ? 'rgba' : 'rgb', pixels: raster.pixels, texts })
}

/** The embedded picture has no text chunks: the document's own text says the same. */
async function drawSvg(request: RenderRequest, look: MapLook): Promise<Uint8Array> {
  const { display, placement, options } = request
  const canvas = canvasFor(options.size, display, placement, look.grid)
  const png = options.style === 'heat' ? await heatPng(request, look, canvas, []) : await toPng(pictureOf(request, look, canvas), [])
  return Buffer.from(encodeSvg(request, look, canvas, png), 'utf8')
}
