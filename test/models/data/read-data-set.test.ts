import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readDataSet } from '../../../models/data/read-data-set.ts'
import { readNpy } from '../../../models/data/read-npy.ts'
import { dataFile, hasData } from '../../support/corpus.ts'
import { npyOf, npzOf, zipOf } from '../support/npz.ts'

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const split = (labels: readonly number[]) => ({ side: 2, images: Uint8Array.from({ length: labels.length * 4 }, (_, i) => i), labels })
const tiny = npzOf({ train: split([0, 1, 1]), val: split([0]), test: split([1, 0]) })

describe('readDataSet', () => {
  // Counts by class: data section 1, from the official files.
  it.skipIf(!hasData).each([
    {
      file: 'breastmnist',
      channels: 1,
      counts: [
        [147, 399],
        [21, 57],
        [42, 114],
      ],
    },
    {
      file: 'pneumoniamnist',
      channels: 1,
      counts: [
        [1214, 3494],
        [135, 389],
        [234, 390],
      ],
    },
    {
      file: 'retinamnist',
      channels: 3,
      counts: [
        [486, 128, 206, 194, 66],
        [54, 12, 28, 20, 6],
        [174, 46, 92, 68, 20],
      ],
    },
  ])('reads the official $file with its published counts of each class (needs the corpus)', ({ file, channels, counts }) => {
    const data = readDataSet(readFileSync(dataFile(`medmnist/${file}.npz`)), { allowed: [] })
    expect(data).toMatchObject({ facts: { id: file }, height: 28, width: 28, channels })
    const found = [data.splits.train, data.splits.validation, data.splits.test].map(({ labels }) => data.facts.classes.map((_, c) => labels.filter((label) => label === c).length))
    expect(found).toEqual(counts)
    expect(data.splits.train.images.length).toBe(data.splits.train.count * 28 * 28 * channels)
  })

  it('refuses an unlisted file, and says its checksum', () => {
    expect(() => readDataSet(tiny, { allowed: [] })).toThrow(expect.objectContaining({ code: 'data-set-unknown', facts: { sha256: sha256(tiny) } }))
  })

  it('reads an unlisted file that is named by its checksum, with as many classes as labels tell', () => {
    const data = readDataSet(tiny, { allowed: [sha256(tiny)] })
    expect(data.facts.classes).toEqual(['class 0', 'class 1'])
    expect(data.splits.validation).toMatchObject({ count: 1 })
    expect([...data.splits.train.images]).toEqual(Array.from({ length: 12 }, (_, i) => i))
    expect([...data.splits.test.labels]).toEqual([1, 0])
  })

  const withMasks = (side: number): Uint8Array =>
    zipOf(
      (['train', 'val', 'test'] as const).flatMap((name, i) => [
        { name: `${name}_images.npy`, bytes: npyOf([1, 2, 2], new Uint8Array(4)) },
        { name: `${name}_labels.npy`, bytes: npyOf([1, 1], Uint8Array.of(i % 2)) },
        { name: `${name}_masks.npy`, bytes: npyOf([1, side, side], new Uint8Array(side * side).fill(i)) },
      ]),
    )

  it('reads the masks of a file that has them for all splits, and says of no other that it has any', () => {
    const bytes = withMasks(2)
    const { splits } = readDataSet(bytes, { allowed: [sha256(bytes)] })
    expect([splits.train, splits.validation, splits.test].map(({ masks }) => [...(masks ?? [])])).toEqual([0, 1, 2].map((value) => new Array(4).fill(value)))
    expect(readDataSet(tiny, { allowed: [sha256(tiny)] }).splits.train).not.toHaveProperty('masks')
  })

  // Counts and mean area: the set's own description.
  it.skipIf(!hasData)('reads as many marked lesions of busi128 as its makers count, 11 % of the picture on average (needs the corpus)', () => {
    const { splits } = readDataSet(readFileSync(dataFile('busi128/busi128.npz')), { allowed: [] })
    const areas = (['train', 'validation', 'test'] as const).map((name) =>
      Array.from({ length: splits[name].count }, (_, i) => (splits[name].masks ?? new Uint8Array(0)).subarray(i * 128 * 128, (i + 1) * 128 * 128))
        .map((mask) => mask.reduce((sum, value) => sum + value, 0) / 128 ** 2)
        .filter((area) => area > 0),
    )
    expect(areas.map(({ length }) => length)).toEqual([452, 60, 133])
    const all = areas.flat()
    expect(all.reduce((sum, area) => sum + area, 0) / all.length).toBeCloseTo(0.11, 2)
  })

  it.each([
    ['masks of another size than the images', withMasks(3)],
    ['a label out of range', npzOf({ train: split([0, 1]), val: split([2]), test: split([0]) })],
    ['fewer labels than images', npzOf({ train: { ...split([0, 1]), labels: [0] }, val: split([0]), test: split([0]) })],
    ['a split that is missing', zipOf([{ name: 'train_images.npy', bytes: npyOf([1, 2, 2], new Uint8Array(4)) }])],
  ])('refuses %s', (_, bytes) => {
    expect(() => readDataSet(bytes, { allowed: [sha256(bytes)] })).toThrow(expect.objectContaining({ code: 'file-unreadable' }))
  })
})

describe('readNpy', () => {
  it('reads shape and values', () => {
    const { shape, data } = readNpy(npyOf([2, 3], Uint8Array.of(1, 2, 3, 4, 5, 6)))
    expect(shape).toEqual([2, 3])
    expect([...data]).toEqual([1, 2, 3, 4, 5, 6])
    expect(readNpy(npyOf([4], new Uint8Array(4))).shape).toEqual([4])
  })

  it.each([
    ['other numbers than bytes', npyOf([2], new Uint8Array(2), { descr: '<f4' })],
    ['column-major order', npyOf([2], new Uint8Array(2), { fortran: true })],
    ['fewer values than its shape', npyOf([3], new Uint8Array(2))],
    ['no magic', new Uint8Array(200)],
  ])('refuses an array with %s', (_, bytes) => {
    expect(() => readNpy(bytes)).toThrow(expect.objectContaining({ code: 'file-unreadable' }))
  })
})
