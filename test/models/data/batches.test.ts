import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AUGMENTATION_LEVEL_1 } from '../../../models/data/augment.ts'
import { evaluationBatch, shuffledOrder, stepsPerEpoch, trainingBatch } from '../../../models/data/batches.ts'
import { normalizationOf } from '../../../models/data/pixels.ts'
import { syntheticData } from '../support/synthetic-data.ts'

const data = syntheticData({ train: 10, validation: 4, test: 4, side: 8 })
const normalization = normalizationOf(data, data.splits.train)

describe('shuffledOrder', () => {
  it('is a permutation, and another one in each epoch', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.nat(1000), (count, seed) => {
        expect([...shuffledOrder(count, seed, 0)].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i))
      }),
    )
    expect([...shuffledOrder(50, 1, 0)]).not.toEqual([...shuffledOrder(50, 1, 1)])
  })

  it('puts every image in every place about equally often', () => {
    const counts = new Array<number>(6).fill(0)
    for (let epoch = 0; epoch < 6000; epoch++) counts[shuffledOrder(6, 7, epoch)[0] ?? 0]! += 1
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(1000 * (5 / 6)))
  })
})

describe('trainingBatch', () => {
  const request = { order: shuffledOrder(10, 3, 0), batchSize: 4, seed: 3, epoch: 0, augmentation: AUGMENTATION_LEVEL_1, normalization }

  it('does not depend on how an image got into a batch: the same image alone has the same pixels', () => {
    const batch = trainingBatch(data, { ...request, step: 1 })
    const alone = trainingBatch(data, { ...request, order: request.order.slice(5, 6), batchSize: 1, step: 0 })
    expect([...batch.pixels.subarray(64, 128)]).toEqual([...alone.pixels])
    expect(batch.labels[1]).toBe(alone.labels[0])
  })

  it('leaves the images as they are without augmentation, normalized as serving does', () => {
    const batch = trainingBatch(data, { ...request, augmentation: null, step: 0 })
    const image = request.order[0] ?? 0
    const byte = data.splits.train.images[image * 64 + 9] ?? 0
    expect(batch.pixels[9]).toBeCloseTo((byte / 255 - (normalization.mean[0] ?? 0)) / (normalization.deviation[0] ?? 1), 5)
  })
})

describe('evaluationBatch', () => {
  it('stops at the end of the split', () => {
    expect(evaluationBatch(data, 'test', 2, 66, normalization)).toMatchObject({ count: 2, labels: data.splits.test.labels.slice(2) })
  })
})

describe('normalizationOf', () => {
  it('meets mean and deviation worked by hand', () => {
    const split = { count: 1, images: Uint8Array.of(0, 255, 255, 255), labels: Uint8Array.of(0) }
    expect(normalizationOf({ channels: 1 }, split)).toEqual({ mean: [0.75], deviation: [Math.sqrt(0.1875)] })
  })

  it('keeps the channels apart', () => {
    const split = { count: 1, images: Uint8Array.of(0, 51, 255, 0, 51, 255), labels: Uint8Array.of(0) }
    expect(normalizationOf({ channels: 3 }, split).mean).toEqual([0, 0.2, 1])
  })
})

describe('stepsPerEpoch', () => {
  it('leaves the incomplete batch out, but has at least one', () => {
    expect([stepsPerEpoch(4708, 64), stepsPerEpoch(64, 64), stepsPerEpoch(5, 64)]).toEqual([73, 1, 1])
  })
})
