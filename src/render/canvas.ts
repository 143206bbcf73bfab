/** A size option in, which part of the source a picture shows and at how many pixels out. */
import type { Placement } from '../domain/placement.ts'
import { type DisplayImage, LONGEST_SIDE, type RenderOptions } from '../domain/prediction.ts'
import { Problem } from '../domain/problem.ts'
import { resizeBilinearAntialias } from '../tensor/resize.ts'
import { type Tensor, tensorOf } from '../tensor/tensor.ts'
import { alignWithSource, type Canvas } from './place-grid.ts'

/**
 * 'source': the whole source, pixel for pixel. 'grid': the network's view, one pixel a patch. A number: the whole source with this longest side.
 *
 * Throws: "parameter-invalid".
 */
export function canvasFor(size: RenderOptions['size'], display: DisplayImage, placement: Placement, grid: Tensor): Canvas {
  const source = { top: 0, left: 0, height: display.rows, width: display.columns }
  if (size === 'source') return { width: display.columns, height: display.rows, source }
  if (size === 'grid') {
    const [height = 1, width = 1] = alignWithSource(grid, placement).shape
    return { width, height, source: { top: placement.top, left: placement.left, height: placement.height, width: placement.width } }
  }
  const { min, max } = LONGEST_SIDE
  if (!Number.isInteger(size) || size < min || size > max) {
    throw new Problem('parameter-invalid', `size must be source, grid or a whole number from ${min} to ${max}`, { parameter: 'size' })
  }
  return scaledCanvas(display, size)
}

/** The whole source with this longest side in pixels. */
export function scaledCanvas(display: DisplayImage, longestSide: number): Canvas {
  const scale = longestSide / Math.max(display.rows, display.columns)
  return {
    width: Math.max(1, Math.round(display.columns * scale)),
    height: Math.max(1, Math.round(display.rows * scale)),
    source: { top: 0, left: 0, height: display.rows, width: display.columns },
  }
}

/**
 * The image on the canvas, [height, width, channel] bytes: the very pixels where the canvas is the source, else a triangle filter as wide as the reduction.
 * Outside the source it is black.
 */
export function displayOn(canvas: Canvas, display: DisplayImage): Uint8Array {
  const { rows, columns, channels } = display
  const { source } = canvas
  const isSource = canvas.height === rows && canvas.width === columns && source.top === 0 && source.left === 0 && source.height === rows && source.width === columns
  if (isSource) return display.pixels
  const pixels = tensorOf(Float32Array.from(display.pixels), [rows, columns, channels])
  return roundToBytes(resizeBilinearAntialias(pixels, source, canvas).data)
}

/** A loop: `Uint8Array.from` with a function took most of a panel's time. */
function roundToBytes(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Math.round(values[i] ?? 0)
  return bytes
}
