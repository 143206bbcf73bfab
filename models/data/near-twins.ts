/** A data set in, those images of a split out that the training split holds nearly the same of: what a network knows of them it may remember. */
import type { DataSet, SplitName } from './data-set.ts'

/** Pearson's correlation of the pixels from which on two images are twins: another picture of the same moment, a copy with other marks, a mirrored or moved one not. */
export const TWIN_CORRELATION = 0.99

/** The indices of the split's images whose correlation with any training image is above TWIN_CORRELATION, ascending. An image of one gray has no twin. */
export function nearTwins(data: DataSet, split: Exclude<SplitName, 'train'>): readonly number[] {
  const ours = standardizedImages(data, split)
  const found = new Set<number>()
  for (let index = 0; index < data.splits.train.count; index++) {
    const theirs = standardized(data, 'train', index)
    for (const [i, image] of ours.entries()) if (!found.has(i) && dot(image, theirs) > TWIN_CORRELATION) found.add(i)
  }
  return [...found].sort((a, b) => a - b)
}

function standardizedImages(data: DataSet, split: SplitName): readonly Float32Array[] {
  return Array.from({ length: data.splits[split].count }, (_, index) => standardized(data, split, index))
}

/** One image's bytes less their mean, of length 1; zeros where it has one gray. */
function standardized({ splits, height, width, channels }: DataSet, split: SplitName, index: number): Float32Array {
  const size = height * width * channels
  const bytes = splits[split].images.subarray(index * size, (index + 1) * size)
  const mean = bytes.reduce((sum, byte) => sum + byte, 0) / size
  const length = Math.sqrt(bytes.reduce((sum, byte) => sum + (byte - mean) ** 2, 0))
  return Float32Array.from(bytes, (byte) => (length === 0 ? 0 : (byte - mean) / length))
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0)
  return sum
}
