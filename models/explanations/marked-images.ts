/** A data set's images as they would be sent, and what is known of a region without looking at the image: the middle, and where readers marked before. */
import type { DecodedImage } from '../../src/domain/image.ts'
import type { Region } from '../../src/explain/validation/localization.ts'
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'
import type { DataSet, SplitName } from '../data/data-set.ts'
import type { Annotations } from './annotations.ts'

/** For every pixel the part of the training split's marked images whose region covers it, [rows x columns]. */
export function priorMap({ regionOf }: Annotations, { splits, height, width }: DataSet): Float64Array {
  const sums = new Float64Array(height * width)
  let marked = 0
  for (let index = 0; index < splits.train.count; index++) {
    const { mask } = regionOf('train', index)
    if (!mask.some((value) => value !== 0)) continue
    marked++
    for (let i = 0; i < sums.length; i++) if (mask[i] !== 0) sums[i] = (sums[i] ?? 0) + 1
  }
  return sums.map((sum) => sum / Math.max(1, marked))
}

/** The part of an image that a region covers, on average over a split's images that have one. */
export function meanRegionShare(regions: readonly Region[]): number {
  const shares = regions.map(({ mask }) => mask.reduce((count, value) => count + (value === 0 ? 0 : 1), 0) / mask.length).filter((share) => share > 0)
  return shares.reduce((sum, share) => sum + share / shares.length, 0)
}

/** A map of 1 for the `share` of the pixels that hold its largest values, of equal ones the first. */
export function strongestPart(values: Float64Array, share: number): Float64Array {
  const order = Array.from(values, (_, i) => i).sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b)
  const part = new Float64Array(values.length)
  for (const i of order.slice(0, Math.round(share * values.length))) part[i] = 1
  return part
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

/** Image number `index` of a split as if it had been sent as a PNG. */
export function decodedImage({ splits, height, width, channels }: DataSet, index: number, split: SplitName = 'test'): DecodedImage {
  const size = height * width * channels
  const pixels = Float32Array.from(splits[split].images.subarray(index * size, (index + 1) * size), (byte) => byte / 255)
  const window = { center: 127.5, width: 255, function: 'NONE' as const }
  const unknown = { modality: null, transferSyntaxUid: null, photometricInterpretation: null, warnings: [] }
  return { facts: { format: 'png', rows: height, columns: width, frame: 1, frames: 1, bitsStored: 8, window, ...unknown }, pixels: tensorOf(pixels, [height, width, channels]) }
}
