/** An image in, the same image as a film hung wrongly would be, or noise in its place, out. */
import type { DecodedImage } from '../../src/domain/image.ts'
import { mixKey, normalAt } from '../../src/tensor/counter-random.ts'
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'

export type Change = (image: DecodedImage, index: number) => DecodedImage

/** Keeps this stream apart from every other. */
const NOISE_STREAM = 0x6e6f6973

/** The negative; mirrored left to right; upside down; noise of mean .5 and deviation .17, as wide as a radiograph's grays; one gray. */
export const CHANGES: Readonly<Record<string, Change>> = {
  inverted: (image) => withPixels(image, (pixels) => pixels.data.map((gray) => 1 - gray)),
  mirrored: (image) => moved(image, (row, column, _, columns) => [row, columns - 1 - column]),
  'upside-down': (image) => moved(image, (row, column, rows) => [rows - 1 - row, column]),
  noise: (image, index) => withPixels(image, ({ data }) => data.map((_, i) => Math.min(1, Math.max(0, 0.5 + 0.17 * normalAt(mixKey(NOISE_STREAM, index), i))))),
  'one-gray': (image) => withPixels(image, ({ data }) => data.map(() => 0.5)),
}

function withPixels(image: DecodedImage, change: (pixels: Tensor) => Float32Array): DecodedImage {
  return { ...image, pixels: tensorOf(change(image.pixels), image.pixels.shape) }
}

function moved(image: DecodedImage, from: (row: number, column: number, rows: number, columns: number) => readonly [number, number]): DecodedImage {
  const [rows = 0, columns = 0, channels = 1] = image.pixels.shape
  return withPixels(image, ({ data }) =>
    data.map((_, i) => {
      const [row, column] = from(Math.floor(i / channels / columns), Math.floor(i / channels) % columns, rows, columns)
      return data[(row * columns + column) * channels + (i % channels)] ?? 0
    }),
  )
}
