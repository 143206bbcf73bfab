import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AUGMENTATION_LEVEL_2, type Augmentation, augment, augmentationKey, motionOf, moveBy } from '../../../models/data/augment.ts'
import { shuffledOrder, trainingBatch } from '../../../models/data/batches.ts'
import { masksOf, patchShares, splitMaskShares, trainingMaskShares, unitMask } from '../../../models/data/mask-shares.ts'
import { syntheticData } from '../support/synthetic-data.ts'

const side = 16
const size = { channels: 1, height: side, width: side }
const data = syntheticData({ train: 10, validation: 4, test: 4, side })
/** Level 2, mirrored every second time, without what changes gray values alone. */
const MOTION: Augmentation = { ...AUGMENTATION_LEVEL_2, gamma: 0, contrast: 0, brightness: 0, erasedSquareProbability: 0, mirrorProbability: 0.5 }
const keys = fc.integer({ min: 0, max: 2 ** 32 - 1 })

describe('patchShares', () => {
  it('is the part of each patch that is covered, row by row', () => {
    // Patches of 2 pixels on 4 x 4: all, half of the upper right, a quarter of the lower left, nothing.
    const mask = Float32Array.of(1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0)
    expect([...patchShares(mask, { height: 4, width: 4 }, 2)]).toEqual([1, 0.5, 0.25, 0])
  })

  it('keeps the area: the mean share is the mean of the mask', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 96, maxLength: 96 }), (values) => {
        const shares = patchShares(Float32Array.from(values), { height: 8, width: 12 }, 4)
        const mean = (list: ArrayLike<number>): number => Array.from(list).reduce((sum, value) => sum + value, 0) / list.length
        expect(mean(shares)).toBeCloseTo(mean(values), 6)
      }),
    )
  })
})

describe('the shares of a training step', () => {
  const request = { order: shuffledOrder(10, 3, 0), step: 1, batchSize: 4, seed: 3, epoch: 2, augmentation: { ...AUGMENTATION_LEVEL_2, mirrorProbability: 0.5 } }

  it('are of masks that move as their images do: an image that is its mask stays its mask, to the bit', () => {
    fc.assert(
      fc.property(keys, fc.nat(9), (key, index) => {
        const mask = unitMask(masksOf(data, 'train'), data, index)
        const moved = moveBy(mask, size, motionOf(size, MOTION, key))
        expect(augment(mask, size, MOTION, key)).toEqual(moved)
        for (const value of moved) {
          expect(value).toBeGreaterThanOrEqual(0)
          expect(value).toBeLessThanOrEqual(1)
        }
      }),
    )
  })

  it('are those of the images of the same batch: where the image is its own mask, its moved pixels give the shares', () => {
    const asImages = { ...data, splits: { ...data.splits, train: { ...data.splits.train, images: masksOf(data, 'train').map((value) => 255 * value) } } }
    const plain = { ...request, augmentation: MOTION, normalization: { mean: [0], deviation: [1] } }
    const { pixels, count } = trainingBatch(asImages, plain)
    const expected = Array.from({ length: count }, (_, i) => [...patchShares(pixels.subarray(i * side * side, (i + 1) * side * side), size, 4)]).flat()
    const found = trainingMaskShares(data, plain, 4)
    expect(found).toHaveLength(expected.length)
    found.forEach((share, i) => {
      expect(share).toBeCloseTo(expected[i] ?? Number.NaN, 5)
    })
    expect(Math.max(...found)).toBeGreaterThan(0.5)
  })

  it('keep what an erased square hides, and what gray values do to the image', () => {
    const normalization = { mean: [0], deviation: [1] }
    const strong = { ...MOTION, gamma: 1, brightness: 0.5, erasedSquareProbability: 1 }
    expect(trainingMaskShares(data, { ...request, augmentation: strong, normalization }, 4)).toEqual(
      trainingMaskShares(data, { ...request, augmentation: MOTION, normalization }, 4),
    )
  })

  it('are the plain ones without augmentation', () => {
    const shares = trainingMaskShares(data, { ...request, augmentation: null, normalization: { mean: [0], deviation: [1] } }, 8)
    const all = splitMaskShares(data, 'train', 8)
    const expected = [...request.order.subarray(4, 8)].flatMap((index) => [...all.subarray(index * 4, (index + 1) * 4)])
    expect([...shares]).toEqual(expected)
  })

  it('differ between epochs', () => {
    const of = (epoch: number): Float32Array => trainingMaskShares(data, { ...request, epoch, normalization: { mean: [0], deviation: [1] } }, 4)
    expect(of(2)).toEqual(of(2))
    expect(of(3)).not.toEqual(of(2))
  })

  it('are refused by name where the data has no masks', () => {
    const { masks: _, ...train } = data.splits.train
    const bare = { ...data, splits: { ...data.splits, train } }
    expect(() => trainingMaskShares(bare, { ...request, normalization: { mean: [0], deviation: [1] } }, 4)).toThrow(
      expect.objectContaining({ code: 'parameter-invalid', message: expect.stringContaining('the train split of the data has none'), facts: { parameter: 'data' } }),
    )
  })
})

describe('motionOf', () => {
  it('mirrors about as often as it is asked to', () => {
    const mirrored = Array.from({ length: 400 }, (_, image) => motionOf(size, MOTION, augmentationKey(0, 0, image))).filter(({ isMirrored }) => isMirrored)
    expect(mirrored.length).toBeGreaterThan(150)
    expect(mirrored.length).toBeLessThan(250)
  })
})
