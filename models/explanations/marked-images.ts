/** A data file's test images and the regions that readers marked in them. */
import type { DecodedImage } from '../../src/domain/image.ts'
import type { Region } from '../../src/explain/validation/localization.ts'
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'
import type { DataSet } from '../data/data-set.ts'
import { readNpy } from '../data/read-npy.ts'
import { readZip } from '../data/read-zip.ts'

interface MaskArray {
  /** [image, row, column] */
  readonly shape: readonly number[]
  /** 0 outside. */
  readonly data: Uint8Array
}

/** Masks of the training and the test split. */
export interface Masks {
  readonly train: MaskArray
  readonly test: MaskArray
}

/** The masks, null where the file holds none. */
export function readMasks(bytes: Uint8Array): Masks | null {
  const members = readZip(bytes)
  const train = members.get('train_masks.npy')
  const test = members.get('test_masks.npy')
  return train === undefined || test === undefined ? null : { train: readNpy(train), test: readNpy(test) }
}

/** The region of one test image. */
export function regionOf({ shape, data }: MaskArray, index: number): Region {
  const [, rows = 0, columns = 0] = shape
  return { rows, columns, mask: data.subarray(index * rows * columns, (index + 1) * rows * columns) }
}

/** The part of the training masks that cover each pixel, [rows x columns]. */
export function meanMask({ shape, data }: MaskArray): Float64Array {
  const [count = 0, rows = 0, columns = 0] = shape
  const mean = new Float64Array(rows * columns)
  for (let i = 0; i < data.length; i++) if (data[i] !== 0) mean[i % mean.length] = (mean[i % mean.length] ?? 0) + 1 / count
  return mean
}

/** The mean mask on the patch grid: the mean of each patch's pixels. */
export function priorGrid(
  prior: Float64Array,
  { rows, columns }: Pick<Region, 'rows' | 'columns'>,
  { height, width }: { readonly height: number; readonly width: number },
): Tensor {
  const sums = new Float64Array(height * width)
  prior.forEach((value, i) => {
    const patch = Math.floor((Math.floor(i / columns) * height) / rows) * width + Math.floor(((i % columns) * width) / columns)
    sums[patch] = (sums[patch] ?? 0) + value
  })
  return tensorOf(
    Float32Array.from(sums, (sum) => (sum * height * width) / (rows * columns)),
    [height, width],
  )
}

/** A Gaussian around the middle, a quarter of the side wide. */
export function centerGrid({ height, width }: { readonly height: number; readonly width: number }): Tensor {
  return tensorOf(
    Float32Array.from({ length: height * width }, (_, i) => {
      const v = (Math.floor(i / width) + 0.5) / height - 0.5
      const u = ((i % width) + 0.5) / width - 0.5
      // A whisper of a slope breaks the tie of an even grid's four middle patches.
      return Math.exp(-(v * v + u * u) / (2 * 0.25 ** 2)) + 1e-5 * (height * width - i)
    }),
    [height, width],
  )
}

/** Test image number `index` as if it had been sent as a PNG. */
export function decodedImage({ splits, height, width, channels }: DataSet, index: number): DecodedImage {
  const size = height * width * channels
  const pixels = Float32Array.from(splits.test.images.subarray(index * size, (index + 1) * size), (byte) => byte / 255)
  const window = { center: 127.5, width: 255, function: 'NONE' as const }
  const unknown = { modality: null, transferSyntaxUid: null, photometricInterpretation: null, warnings: [] }
  return { facts: { format: 'png', rows: height, columns: width, frame: 1, frames: 1, bitsStored: 8, window, ...unknown }, pixels: tensorOf(pixels, [height, width, channels]) }
}
