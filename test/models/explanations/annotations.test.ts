import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { DataSet } from '../../../models/data/data-set.ts'
import { readDataSet } from '../../../models/data/read-data-set.ts'
import { readFloatNpy, readNpy } from '../../../models/data/read-npy.ts'
import { type Annotations, drawBox, readAnnotations } from '../../../models/explanations/annotations.ts'
import { meanRegionShare, priorMap, strongestPart } from '../../../models/explanations/marked-images.ts'
import { placePixels } from '../../../models/explanations/measure-image.ts'
import { intersectionOverUnion, type Region } from '../../../src/explain/validation/localization.ts'
import { dataFile, hasData } from '../../support/corpus.ts'
import { type Member, npyOf, zipOf } from '../support/npz.ts'
import { syntheticData } from '../support/synthetic-data.ts'

const data = syntheticData({ train: 2, validation: 1, test: 1, side: 4 })
const floats = (values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer)
const membersOf = (suffix: string, arrays: Readonly<Record<'train' | 'val' | 'test', Uint8Array>>): readonly Member[] =>
  Object.entries(arrays).map(([split, bytes]) => ({ name: `${split}_${suffix}.npy`, bytes }))

describe('readFloatNpy', () => {
  it('reads little-endian float32, wherever in its file it lies', () => {
    const padded = Buffer.concat([Buffer.from([0]), npyOf([2, 2], floats([0.5, -1.25, 3, 1e-3]), { descr: '<f4' })])
    const { shape, data: values } = readFloatNpy(padded.subarray(1))
    expect(shape).toEqual([2, 2])
    expect([...values]).toEqual([0.5, -1.25, 3, Math.fround(1e-3)])
  })

  it('refuses bytes, and bytes refuse floats', () => {
    const unreadable = expect.objectContaining({ code: 'file-unreadable' })
    expect(() => readFloatNpy(npyOf([4], Uint8Array.of(1, 2, 3, 4)))).toThrow(unreadable)
    expect(() => readNpy(npyOf([1], floats([1]), { descr: '<f4' }))).toThrow(unreadable)
    expect(() => readFloatNpy(npyOf([3], floats([1, 2]), { descr: '<f4' }))).toThrow(unreadable)
    expect(() => readFloatNpy(npyOf([1], floats([1]), { descr: '>f4' }))).toThrow(unreadable)
  })
})

describe('readAnnotations', () => {
  it('gives each image its mask', () => {
    const masks = (count: number, lit: number): Uint8Array =>
      npyOf(
        [count, 4, 4],
        Uint8Array.from({ length: count * 16 }, (_, i) => (i === lit ? 1 : 0)),
      )
    const found = readAnnotations(zipOf(membersOf('masks', { train: masks(2, 18), val: masks(1, 0), test: masks(1, 15) })), data)!
    expect(found.kind).toBe('masks')
    expect(found.regionOf('train', 1).mask.indexOf(1)).toBe(2)
    expect(found.regionOf('train', 0).mask.includes(1)).toBe(false)
    expect(found.regionOf('validation', 0)).toMatchObject({ rows: 4, columns: 4 })
    expect(found.regionOf('test', 0).mask.indexOf(1)).toBe(15)
  })

  it('draws boxes by middle, width and height: x runs along the columns', () => {
    // Middle (.75, .25), half as wide and half as high as the picture: columns 2 and 3 of rows 0 and 1.
    expect([...drawBox([0.75, 0.25, 0.5, 0.5], 4, 4).mask]).toEqual([0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0])
    const boxes = (count: number): Uint8Array => npyOf([count, 4], floats(Array.from({ length: count }, () => [0.25, 0.5, 0.5, 1]).flat()), { descr: '<f4' })
    const found = readAnnotations(zipOf(membersOf('boxes', { train: boxes(2), val: boxes(1), test: boxes(1) })), data)!
    expect(found.kind).toBe('boxes')
    expect([...found.regionOf('train', 1).mask]).toEqual([1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0])
  })

  it('is null where nothing is marked, and refuses annotations of another number of images', () => {
    expect(readAnnotations(zipOf([]), data)).toBeNull()
    const masks = npyOf([1, 4, 4], new Uint8Array(16))
    expect(() => readAnnotations(zipOf(membersOf('masks', { train: masks, val: masks, test: masks })), data)).toThrow(expect.objectContaining({ code: 'file-unreadable' }))
  })
})

describe('what is known without looking at an image', () => {
  const read = (name: string): { data: DataSet; annotations: Annotations } => {
    const bytes = readFileSync(dataFile(`${name}/${name}.npz`))
    const set = readDataSet(bytes, { allowed: [] })
    return { data: set, annotations: readAnnotations(bytes, set)! }
  }
  const regionsOf = ({ data: set, annotations }: ReturnType<typeof read>): readonly Region[] =>
    Array.from({ length: set.splits.test.count }, (_, index) => annotations.regionOf('test', index))
  const strongestOf = (prior: Float64Array): number => prior.indexOf(Math.max(...prior))

  // Measured with NumPy before this code was written: data section (d).
  it.skipIf(!hasData)('points at row 44, column 65 of busi128: 54 of 133 lesions, .406, and overlaps by .205 (needs the corpus)', () => {
    const set = read('busi128')
    const prior = priorMap(set.annotations, set.data)
    const regions = regionsOf(set)
    expect([Math.floor(strongestOf(prior) / 128), strongestOf(prior) % 128]).toEqual([44, 65])
    const placed = regions.map((region) => placePixels(prior, region)).filter((place) => place !== null)
    expect(placed).toHaveLength(133)
    expect(placed.filter(({ found }) => found.isHit)).toHaveLength(54)
    expect(54 / 133).toBeCloseTo(0.406, 3)
    const part = strongestPart(prior, meanRegionShare(regions))
    const overlaps = regions.filter(({ mask }) => mask.includes(1)).map(({ mask }) => intersectionOverUnion(part, mask, 1))
    expect(overlaps.reduce((sum, overlap) => sum + overlap / 133, 0)).toBeCloseTo(0.205, 3)
    expect(meanRegionShare(regions)).toBeCloseTo(0.108, 3)
  })

  it.skipIf(!hasData)('hits .146 of the 575 boxes of braintumor128, chance being .026 (needs the corpus)', () => {
    const set = read('braintumor128')
    const strongest = strongestOf(priorMap(set.annotations, set.data))
    const regions = regionsOf(set)
    expect(regions).toHaveLength(575)
    expect(regions.filter(({ mask }) => mask[strongest] === 1).length / 575).toBeCloseTo(0.146, 2)
    expect(meanRegionShare(regions)).toBeCloseTo(0.026, 2)
  })
})
