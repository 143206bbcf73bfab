/** An image and a rectangle of it in, that rectangle at another size out. Separable, summed in float64. */
import { type Tensor, tensorOf } from './tensor.ts'

/** A rectangle in continuous source coordinates: pixel (r, c) covers [r, r+1) x [c, c+1). It may be fractional and reach outside the source. */
export interface SourceWindow {
  readonly top: number
  readonly left: number
  readonly height: number
  readonly width: number
}

export interface TargetSize {
  readonly height: number
  readonly width: number
}

/**
 * The window at the target size through a triangle filter that is as wide as the reduction, never narrower than one pixel to either side.
 *
 * source   [row, column, channel]
 * returns  [height, width, channel]
 *
 * Pixels outside the window take no part, as if the window had been cut out first; inside it, what lies outside the source is 0.
 * Source: Pillow src/libImaging/Resample.c, precompute_coeffs with bilinear_filter, in float instead of 22-bit fixed point.
 */
export function resizeBilinearAntialias(source: Tensor, window: SourceWindow, size: TargetSize): Tensor {
  return resize(source, window, size, (scale) => Math.max(scale, 1))
}

/**
 * The window at the target size, each sample from its four neighbors, half-pixel centers; a reduction by more than two skips pixels.
 *
 * source   [row, column, channel]
 * returns  [height, width, channel]
 *
 * Pixels outside the window take no part; inside it, what lies outside the source is 0.
 */
export function resizeBilinear(source: Tensor, window: SourceWindow, size: TargetSize): Tensor {
  return resize(source, window, size, () => 1)
}

/** The weights of one output position: source index `first` and on. */
interface Taps {
  readonly first: number
  readonly weights: Float64Array
}

function resize(source: Tensor, window: SourceWindow, size: TargetSize, supportOf: (scale: number) => number): Tensor {
  const [rows = 0, columns = 0, channels = 0] = source.shape
  const across = makeTaps(window.left, window.width, size.width, columns, supportOf)
  const down = makeTaps(window.top, window.height, size.height, rows, supportOf)
  return tensorOf(addRows(source.data, { columns, channels }, across, down), [size.height, size.width, channels])
}

/**
 * Taps of every output position along one axis.
 *
 * Weights are normalized over the window's pixels, those outside the source included, and then only those inside are kept: outside counts as 0.
 */
function makeTaps(start: number, extent: number, outputs: number, limit: number, supportOf: (scale: number) => number): Taps[] {
  const scale = extent / outputs
  const support = supportOf(scale)
  const windowFirst = Math.floor(start)
  const windowEnd = Math.ceil(start + extent)
  return Array.from({ length: outputs }, (_, i) => {
    const center = start + (i + 0.5) * scale
    const from = Math.max(Math.floor(center - support + 0.5), windowFirst)
    const to = Math.min(Math.floor(center + support + 0.5), windowEnd)
    return keepInside(from, triangleWeights(from, to, center, support), limit)
  })
}

function triangleWeights(from: number, to: number, center: number, support: number): Float64Array {
  const weights = Float64Array.from({ length: to - from }, (_, i) => Math.max(0, 1 - Math.abs((from + i + 0.5 - center) / support)))
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return sum === 0 ? weights : weights.map((weight) => weight / sum)
}

function keepInside(from: number, weights: Float64Array, limit: number): Taps {
  const skipped = Math.min(Math.max(0, -from), weights.length)
  const kept = weights.subarray(skipped, Math.max(skipped, Math.min(weights.length, limit - from)))
  return { first: kept.length === 0 ? 0 : from + skipped, weights: kept }
}

interface RowShape {
  readonly columns: number
  readonly channels: number
}

/** Source rows one after another: each is narrowed once and added to every output row that it reaches, so that no image of half-way size is held. */
function addRows(data: Float32Array, shape: RowShape, across: readonly Taps[], down: readonly Taps[]): Float32Array {
  const lanes = across.length * shape.channels
  const sums = new Float64Array(down.length * lanes)
  const lastRow = Math.max(...down.map(({ first, weights }) => first + weights.length))
  const narrow = new Float64Array(lanes)
  let begun = 0 // output rows before it are complete: taps only move on
  for (let row = Math.min(...down.map(({ first }) => first)); row < lastRow; row++) {
    narrowRow(data, row, shape, across, narrow)
    while (begun < down.length && down[begun]!.first + down[begun]!.weights.length <= row) begun++
    for (let y = begun; y < down.length && down[y]!.first <= row; y++) {
      const weight = down[y]!.weights[row - down[y]!.first]
      if (weight !== undefined) addScaled(narrow, weight, sums, y * lanes)
    }
  }
  return new Float32Array(sums)
}

function narrowRow(data: Float32Array, row: number, { columns, channels }: RowShape, across: readonly Taps[], narrow: Float64Array): void {
  for (let x = 0; x < across.length; x++) {
    const { first, weights } = across[x]!
    for (let channel = 0; channel < channels; channel++) {
      let sum = 0
      for (let k = 0, at = (row * columns + first) * channels + channel; k < weights.length; k++, at += channels) sum += weights[k]! * data[at]!
      narrow[x * channels + channel] = sum
    }
  }
}

function addScaled(values: Float64Array, weight: number, sums: Float64Array, offset: number): void {
  for (let i = 0; i < values.length; i++) sums[offset + i]! += weight * values[i]!
}
