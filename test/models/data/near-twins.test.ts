import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { DataSet } from '../../../models/data/data-set.ts'
import { nearTwins } from '../../../models/data/near-twins.ts'
import { readDataSet } from '../../../models/data/read-data-set.ts'
import { dataFile, hasData } from '../../support/corpus.ts'
import { syntheticData } from '../support/synthetic-data.ts'

const data = syntheticData({ train: 6, validation: 4, test: 5, side: 8 })
const SIZE = 64

/** The test split with one image put in another's place. */
function withTestImage(index: number, image: Uint8Array): DataSet {
  const images = Uint8Array.from(data.splits.test.images)
  images.set(image, index * SIZE)
  return { ...data, splits: { ...data.splits, test: { ...data.splits.test, images } } }
}

const trainImage = (index: number): Uint8Array => data.splits.train.images.slice(index * SIZE, (index + 1) * SIZE)

describe('near twins', () => {
  it('are none among images that were drawn apart', () => {
    expect(nearTwins(data, 'test')).toEqual([])
    expect(nearTwins(data, 'validation')).toEqual([])
  })

  it('are found whatever their brightness and contrast, of any training image', () => {
    expect(nearTwins(withTestImage(3, trainImage(5)), 'test')).toEqual([3])
    expect(
      nearTwins(
        withTestImage(
          0,
          trainImage(2).map((gray) => 20 + Math.round(gray * 0.75)),
        ),
        'test',
      ),
    ).toEqual([0])
  })

  it('are not what only resembles a training image, its negative, or an image of one gray', () => {
    const noisy = trainImage(5).map((gray, i) => gray + (i % 3) * 30)
    for (const image of [noisy, trainImage(5).map((gray) => 255 - gray), new Uint8Array(SIZE).fill(7)]) expect(nearTwins(withTestImage(3, image), 'test')).toEqual([])
  })

  it.skipIf(!hasData)('are 13 of the 156 test images of BUSI, as was found when the set was made (needs the data)', () => {
    expect(nearTwins(readDataSet(readFileSync(dataFile('busi128/busi128.npz')), { allowed: [] }), 'test')).toHaveLength(13)
  })
})
