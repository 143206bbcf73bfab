/** Masks that readers marked in, the part of each patch that they cover out: moved as their images are moved. */
import { Problem } from '../../src/domain/problem.ts'
import { augmentationKey, motionOf, moveBy } from './augment.ts'
import type { TrainingBatchRequest } from './batches.ts'
import type { DataSet, SplitName } from './data-set.ts'

/** Every split's masks, [image, height, width]. Throws: "parameter-invalid" where a split has none. */
export function masksOf({ splits }: Pick<DataSet, 'splits'>, split: SplitName): Uint8Array {
  const { masks } = splits[split]
  if (masks !== undefined) return masks
  throw new Problem(
    'parameter-invalid',
    `the recipe trains memberships towards masks, and the ${split} split of the data has none: it needs a file with masks of all three splits`,
    {
      parameter: 'data',
    },
  )
}

/** The mask of one image as 0 and 1, [height, width]. */
export function unitMask(masks: Uint8Array, { height, width }: Pick<DataSet, 'height' | 'width'>, index: number): Float32Array {
  const size = height * width
  return Float32Array.from(masks.subarray(index * size, (index + 1) * size), (value) => (value === 0 ? 0 : 1))
}

/**
 * The part of each patch that a mask covers.
 *
 * mask       [height, width], in [0, 1]
 * patchSize  pixels; divides both sides
 * returns    [patch], row by row, in [0, 1]
 */
export function patchShares(mask: Float32Array, { height, width }: Pick<DataSet, 'height' | 'width'>, patchSize: number): Float32Array {
  const columns = width / patchSize
  const sums = new Float64Array((height / patchSize) * columns)
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const patch = Math.floor(row / patchSize) * columns + Math.floor(column / patchSize)
      sums[patch] = (sums[patch] ?? 0) + (mask[row * width + column] ?? 0)
    }
  }
  return Float32Array.from(sums, (sum) => sum / patchSize ** 2)
}

/**
 * The shares of a training step's images, [image, patch], each mask moved by what moves its image in `trainingBatch` of the same request.
 *
 * A square that is erased from the image stays in the mask: the finding is still there.
 * Throws: "parameter-invalid" where the data has no masks.
 */
export function trainingMaskShares(data: DataSet, { order, step, batchSize, seed, epoch, augmentation }: TrainingBatchRequest, patchSize: number): Float32Array {
  const masks = masksOf(data, 'train')
  const chosen = order.subarray(step * batchSize, (step + 1) * batchSize)
  const size = { channels: 1, height: data.height, width: data.width }
  return sharesOf(data, chosen, patchSize, (index) => {
    const mask = unitMask(masks, data, index)
    return augmentation === null ? mask : moveBy(mask, size, motionOf(size, augmentation, augmentationKey(seed, epoch, index)))
  })
}

/** The shares of a split's images as they are, [image, patch]. Throws: "parameter-invalid" where the data has no masks. */
export function splitMaskShares(data: DataSet, split: SplitName, patchSize: number): Float32Array {
  const masks = masksOf(data, split)
  const all = Uint32Array.from({ length: data.splits[split].count }, (_, index) => index)
  return sharesOf(data, all, patchSize, (index) => unitMask(masks, data, index))
}

function sharesOf(data: DataSet, chosen: Uint32Array, patchSize: number, maskOf: (index: number) => Float32Array): Float32Array {
  const patches = (data.height / patchSize) * (data.width / patchSize)
  const shares = new Float32Array(chosen.length * patches)
  chosen.forEach((index, i) => {
    shares.set(patchShares(maskOf(index), data, patchSize), i * patches)
  })
  return shares
}
