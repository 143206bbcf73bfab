/** Images and a place in the training in, what the encoder sees and what it has to say of the rest out. */
import { mixKey } from '../../src/tensor/counter-random.ts'
import { augment, augmentationKey } from '../data/augment.ts'
import { permutation } from '../data/batches.ts'
import { normalizeInto, unitImage } from '../data/pixels.ts'
import { gridSide, type NetworkConfig } from '../network-config.ts'
import type { PretrainingRecipe } from './pretraining-recipe.ts'
import { sourceOf, type UnlabeledImages } from './unlabeled-images.ts'

export interface MaskedBatch {
  readonly count: number
  readonly visible: number
  readonly hidden: number
  /** [image, visible, channel x side x side]: pixels under the patches' windows, normalized, zeros outside the image. */
  readonly windows: Float32Array
  /** [image, visible + hidden]: patches in the order in which the decoder has them, the visible ones first. */
  readonly order: Uint32Array
  /** [image, hidden, channel x patchSize x patchSize]: the hidden patches' own pixels, each patch with mean 0 and variance 1 over all of its channels. */
  readonly targets: Float32Array
}

/** Keeps this stream apart from the shuffle's and the augmentation's. */
const MASK_STREAM = 0x6d61736b

export interface MaskedBatchRequest {
  readonly recipe: PretrainingRecipe
  readonly images: Uint32Array
  readonly seed: number
  /** Another epoch hides other patches; null leaves the images as they are and hides the same patches each time. */
  readonly epoch: number | null
}

export function maskedBatch(data: UnlabeledImages, { recipe, images, seed, epoch }: MaskedBatchRequest): MaskedBatch {
  const { network, hiddenShare } = recipe
  const patches = gridSide(network) ** 2
  const hidden = Math.round(patches * hiddenShare)
  const visible = patches - hidden
  const windowSize = network.channels * (network.patchSize + 2 * network.patchOverlap) ** 2
  const patchPixels = network.channels * network.patchSize ** 2
  const batch = {
    count: images.length,
    visible,
    hidden,
    windows: new Float32Array(images.length * visible * windowSize),
    order: new Uint32Array(images.length * patches),
    targets: new Float32Array(images.length * hidden * patchPixels),
  }
  images.forEach((image, i) => {
    const pixels = normalizedImage(data, recipe, image, seed, epoch)
    const order = permutation(patches, mixKey(mixKey(mixKey(seed, MASK_STREAM), epoch ?? 0), image))
    batch.order.set(order, i * patches)
    order.subarray(0, visible).forEach((patch, j) => {
      batch.windows.set(windowOf(pixels, network, patch, network.patchOverlap), (i * visible + j) * windowSize)
    })
    order.subarray(visible).forEach((patch, j) => {
      batch.targets.set(standardized(windowOf(pixels, network, patch, 0)), (i * hidden + j) * patchPixels)
    })
  })
  return batch
}

/** [channel, row, column] */
function normalizedImage(data: UnlabeledImages, { augmentation }: PretrainingRecipe, image: number, seed: number, epoch: number | null): Float32Array {
  const { side, channels } = data
  const source = sourceOf(data, image)
  const shape = { channels, height: side, width: side }
  const unit = unitImage(shape, data, image)
  const settings = { ...augmentation, mirrorProbability: source.mirrors ? 0.5 : 0 }
  const changed = epoch === null ? unit : augment(unit, shape, settings, augmentationKey(seed, epoch, image))
  const pixels = new Float32Array(unit.length)
  normalizeInto(pixels, 0, changed, source.normalization)
  return pixels
}

/** The pixels of a patch and `overlap` pixels around it, zeros outside the image: [channel, row, column]. */
function windowOf(pixels: Float32Array, { imageSize, patchSize, channels }: NetworkConfig, patch: number, overlap: number): Float32Array {
  const grid = imageSize / patchSize
  const side = patchSize + 2 * overlap
  const top = Math.floor(patch / grid) * patchSize - overlap
  const left = (patch % grid) * patchSize - overlap
  const window = new Float32Array(channels * side * side)
  for (let channel = 0; channel < channels; channel++) {
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const [row, column] = [top + y, left + x]
        const isInside = row >= 0 && row < imageSize && column >= 0 && column < imageSize
        if (isInside) window[(channel * side + y) * side + x] = pixels[(channel * imageSize + row) * imageSize + column] ?? 0
      }
    }
  }
  return window
}

/** Keeps a patch without contrast at 0. */
const VARIANCE_FLOOR = 1e-6

function standardized(values: Float32Array): Float32Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
  const inverse = 1 / Math.sqrt(variance + VARIANCE_FLOOR)
  return values.map((value) => (value - mean) * inverse)
}
