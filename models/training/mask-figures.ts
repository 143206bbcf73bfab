/** A network whose memberships are trained towards masks, and a split in, how well they find what readers marked out. */
import * as tf from '@tensorflow/tfjs'
import { Problem } from '../../src/domain/problem.ts'
import type { DataSet } from '../data/data-set.ts'
import { masksOf, splitMaskShares } from '../data/mask-shares.ts'
import { forward } from '../forward.ts'
import type { Primitives } from '../layers/primitives.ts'
import { claimedShares } from '../loss.ts'
import { gridSide, type NetworkConfig } from '../network-config.ts'
import type { MaskSupervision, Recipe } from '../recipes/recipe.ts'
import { supervisionLoss } from './batch-loss.ts'
import { evaluationBatches, evaluationPixels, type SplitRequest } from './network-logits.ts'

export interface MaskFigures {
  /** The masks' loss, not yet weighted. */
  readonly loss: number
  /** Part of the marked images whose strongest patch has its middle in the mask. */
  readonly pointing: number
  /** Mean over the marked images: of the patches with a membership from one half on, against the mask. */
  readonly iou: number
}

/**
 * Refuses a recipe that asks for what the network or the data has not.
 *
 * Throws: "parameter-invalid" where the data has no masks, or a supervised layer or community does not exist.
 */
export function checkSupervision({ network, training }: Recipe, data: DataSet): void {
  const { maskSupervision } = training
  if (maskSupervision === undefined) return
  for (const split of ['train', 'validation'] as const) masksOf(data, split)
  const { layers, community } = maskSupervision
  const isThere = layers.length > 0 && layers.every((layer) => network.structuredLayers.includes(layer)) && community >= 0 && community < (network.dcmm?.communities ?? 0)
  if (!isThere)
    throw new Problem('parameter-invalid', `masks are for a community of a DCMM's structured layers: not community ${community} of layers ${layers.join(', ')}`, {
      parameter: 'recipe',
    })
}

/** How many training images have a mask, and in how many something is marked. */
export function markedImages(data: DataSet): { readonly images: number; readonly marked: number } {
  const masks = masksOf(data, 'train')
  const { count } = data.splits.train
  const size = data.height * data.width
  const marked = Array.from({ length: count }, (_, index) => masks.subarray(index * size, (index + 1) * size).some((value) => value !== 0)).filter(Boolean).length
  return { images: count, marked }
}

/** The figures of a split, nothing augmented: loss over all supervised layers, the others of the last of them. Throws: "parameter-invalid" without masks. */
export async function measureMasks(
  config: NetworkConfig,
  weights: ReadonlyMap<string, tf.Tensor>,
  request: SplitRequest,
  supervision: MaskSupervision,
  primitives: Primitives,
): Promise<MaskFigures> {
  const { data, split } = request
  const { count } = data.splits[split]
  const patches = gridSide(config) ** 2
  const shares = splitMaskShares(data, split, config.patchSize)
  const claimed = new Float32Array(shares.length)
  let lossSum = 0
  for (const { start, end } of evaluationBatches(config, count)) {
    const part = await claimsOf(config, weights, request, supervision, primitives, { start, end, shares: shares.subarray(start * patches, end * patches) })
    claimed.set(part.claimed, start * patches)
    lossSum += part.loss * (end - start)
  }
  return { loss: lossSum / count, ...placesOf(claimed, shares, masksOf(data, split), config) }
}

interface Part {
  readonly start: number
  readonly end: number
  /** [image, patch] */
  readonly shares: Float32Array
}

/** The unweighted loss of some images, and the supervised community's membership of each patch in the last supervised layer, [image, patch]. */
async function claimsOf(
  config: NetworkConfig,
  weights: ReadonlyMap<string, tf.Tensor>,
  request: SplitRequest,
  supervision: MaskSupervision,
  primitives: Primitives,
  { start, end, shares }: Part,
): Promise<{ readonly loss: number; readonly claimed: Float32Array }> {
  const pixels = evaluationPixels(request, start, end)
  const kept = tf.tidy(() => {
    const { memberships } = forward(config, weights, pixels, { primitives })
    const loss = supervisionLoss(memberships, tf.tensor2d(shares, [end - start, shares.length / (end - start)]), { ...supervision, weight: 1 })
    const last = memberships.get(Math.max(...supervision.layers))
    if (last === undefined) throw new RangeError('the last supervised layer has no memberships')
    return { loss, claimed: claimedShares(last, supervision.community) }
  })
  const [loss = Number.NaN] = await kept.loss.data()
  const claimed = Float32Array.from(await kept.claimed.data())
  tf.dispose([pixels, kept.loss, kept.claimed])
  return { loss, claimed }
}

/**
 * Pointing and IoU over the images in which something is marked; NaN where there is none.
 *
 * claimed  [image, patch], memberships
 * shares   [image, patch], the part of each patch that is marked
 * masks    [image, height, width]
 */
export function placesOf(claimed: Float32Array, shares: Float32Array, masks: Uint8Array, config: NetworkConfig): Pick<MaskFigures, 'pointing' | 'iou'> {
  const side = gridSide(config)
  const patches = side ** 2
  const ofImage = (values: Float32Array, image: number): Float32Array => values.subarray(image * patches, (image + 1) * patches)
  const images = Array.from({ length: claimed.length / patches }, (_, image) => image).filter((image) => ofImage(shares, image).some((share) => share > 0))
  const hits = images.filter((image) => masks[image * config.imageSize ** 2 + middleOf(strongest(ofImage(claimed, image)), config)] !== 0)
  const overlaps = images.map((image) => overlapOf(ofImage(claimed, image), ofImage(shares, image)))
  return { pointing: hits.length / images.length, iou: overlaps.reduce((sum, overlap) => sum + overlap, 0) / images.length }
}

function strongest(values: Float32Array): number {
  return values.reduce((best, value, i) => (value > (values[best] ?? 0) ? i : best), 0)
}

/** The pixel at a patch's middle, by its place in the image. */
function middleOf(patch: number, config: NetworkConfig): number {
  const { imageSize, patchSize } = config
  const side = gridSide(config)
  const middle = (place: number): number => Math.floor((place + 0.5) * patchSize)
  return middle(Math.floor(patch / side)) * imageSize + middle(patch % side)
}

/** Areas in patches: of those from one half on and the mask, what they share over what they cover together. */
function overlapOf(claimed: Float32Array, shares: Float32Array): number {
  let both = 0
  let either = 0
  shares.forEach((share, patch) => {
    const isClaimed = (claimed[patch] ?? 0) >= 0.5
    both += isClaimed ? share : 0
    either += isClaimed ? 1 : share
  })
  return both / either
}
