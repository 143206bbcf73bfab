import { describe, expect, it } from 'vitest'
import type { DataSet, Split } from '../../../models/data/data-set.ts'
import { type MaskedBatchRequest, maskedBatch } from '../../../models/pretraining/masked-batch.ts'
import { unlabeledImages } from '../../../models/pretraining/unlabeled-images.ts'
import { syntheticData } from '../support/synthetic-data.ts'
import { SMALL_RECIPE } from './small-recipe.ts'

/** The set in three channels that differ: the gray values, half of them, and their negative. */
function inColor(set: DataSet): DataSet {
  const colored = (split: Split): Split => ({ ...split, images: Uint8Array.from([...split.images].flatMap((value) => [value, value >> 1, 255 - value])) })
  const { train, validation, test } = set.splits
  return { ...set, channels: 3, splits: { train: colored(train), validation: colored(validation), test: colored(test) } }
}

const data = unlabeledImages([syntheticData({ train: 6, validation: 2, test: 2, side: 16 })], 'train', { side: 16, channels: 1 })
const request: MaskedBatchRequest = { recipe: SMALL_RECIPE, images: Uint32Array.of(4, 1), seed: 3, epoch: 2 }

describe('maskedBatch', () => {
  it('shows a quarter of the patches and asks for the others, each patch once', () => {
    const batch = maskedBatch(data, request)
    expect([batch.count, batch.visible, batch.hidden]).toEqual([2, 4, 12])
    for (const image of [0, 1]) expect([...batch.order.subarray(16 * image, 16 * image + 16)].sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, i) => i))
  })

  it('hides other patches in another epoch and of another image, and the same ones again for the same place', () => {
    const orderOf = (change: Partial<MaskedBatchRequest>) => [...maskedBatch(data, { ...request, ...change }).order]
    expect(orderOf({})).toEqual(orderOf({}))
    for (const change of [{ epoch: 3 }, { seed: 4 }, { images: Uint32Array.of(5, 1) }]) expect(orderOf(change)).not.toEqual(orderOf({}))
  })

  it('gives an image the same windows, whatever batch it comes in', () => {
    const alone = maskedBatch(data, { ...request, images: Uint32Array.of(1) })
    const second = maskedBatch(data, request)
    expect([...second.windows.subarray(second.windows.length / 2)]).toEqual([...alone.windows])
    expect([...second.targets.subarray(second.targets.length / 2)]).toEqual([...alone.targets])
  })

  it('asks for patches of mean 0 and variance 1', () => {
    const { targets } = maskedBatch(data, request)
    for (let start = 0; start < targets.length; start += 16) {
      const patch = targets.subarray(start, start + 16)
      const mean = patch.reduce((sum, value) => sum + value, 0) / 16
      expect(mean).toBeCloseTo(0, 5)
      expect(patch.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 16).toBeCloseTo(1, 2)
    }
  })

  it('cuts the pixels of the patches out of the image, and zeros where a window leaves it', () => {
    const { order, windows } = maskedBatch(data, { ...request, images: Uint32Array.of(0), epoch: null })
    const { normalization } = data.sources[0] ?? expect.fail('a source')
    const pixel = (row: number, column: number): number =>
      row < 0 || column < 0 || row > 15 || column > 15 ? 0 : ((data.images[row * 16 + column] ?? 0) / 255 - (normalization.mean[0] ?? 0)) / (normalization.deviation[0] ?? 1)
    for (let i = 0; i < 4; i++) {
      const [top, left] = [4 * Math.floor((order[i] ?? 0) / 4) - 2, 4 * ((order[i] ?? 0) % 4) - 2]
      for (let at = 0; at < 64; at++) expect(windows[64 * i + at]).toBeCloseTo(pixel(top + Math.floor(at / 8), left + (at % 8)), 5)
    }
  })
})

describe('maskedBatch in color', () => {
  const recipe = { ...SMALL_RECIPE, network: { ...SMALL_RECIPE.network, channels: 3 } }
  const set = inColor(syntheticData({ train: 3, validation: 1, test: 1, side: 16 }))
  const union = unlabeledImages([set], 'train', { side: 16, channels: 3 })

  it('cuts each channel on its own, as the patch convolution reads them', () => {
    const { order, windows } = maskedBatch(union, { ...request, recipe, images: Uint32Array.of(2), epoch: null })
    const { mean, deviation } = union.sources[0]?.normalization ?? expect.fail('a source')
    const pixel = (channel: number, row: number, column: number): number =>
      row < 0 || column < 0 || row > 15 || column > 15 ? 0 : ((union.images[3 * (512 + row * 16 + column) + channel] ?? 0) / 255 - (mean[channel] ?? 0)) / (deviation[channel] ?? 1)
    for (let i = 0; i < 4; i++) {
      const [top, left] = [4 * Math.floor((order[i] ?? 0) / 4) - 2, 4 * ((order[i] ?? 0) % 4) - 2]
      for (let at = 0; at < 192; at++) expect(windows[192 * i + at]).toBeCloseTo(pixel(Math.floor(at / 64), top + Math.floor((at % 64) / 8), left + (at % 8)), 5)
    }
  })

  it('asks for patches of mean 0 and variance 1 over all channels, so that a color has to be told', () => {
    const { targets } = maskedBatch(union, { ...request, recipe, images: Uint32Array.of(2, 1) })
    expect(targets).toHaveLength(2 * 12 * 48)
    const first = targets.subarray(0, 48)
    expect(first.reduce((sum, value) => sum + value, 0) / 48).toBeCloseTo(0, 5)
    expect(first.reduce((sum, value) => sum + value ** 2, 0) / 48).toBeCloseTo(1, 2)
  })
})

describe('unlabeledImages', () => {
  it('joins the training splits of all sets at one size, each with its own normalization, chests never mirrored', () => {
    const chest = syntheticData({ train: 3, validation: 1, test: 1, side: 8 })
    const joined = unlabeledImages([syntheticData({ train: 6, validation: 2, test: 2, side: 16 }), { ...chest, facts: { ...chest.facts, modalities: ['DX'] } }], 'train', {
      side: 16,
      channels: 1,
    })
    expect(joined.count).toBe(9)
    expect(joined.sources.map(({ first, end, mirrors }) => [first, end, mirrors])).toEqual([
      [0, 6, true],
      [6, 9, false],
    ])
    expect(joined.images).toHaveLength(9 * 256)
    expect(joined.sources[0]?.normalization).not.toEqual(joined.sources[1]?.normalization)
  })

  it('takes gray along in color, three times itself, and lets color keep its own channels', () => {
    const gray = syntheticData({ train: 2, validation: 1, test: 1, side: 8 })
    const color = inColor(syntheticData({ train: 3, validation: 1, test: 1, side: 16 }))
    const joined = unlabeledImages([gray, color], 'train', { side: 8, channels: 3 })
    expect(joined.images).toHaveLength(5 * 64 * 3)
    const alone = unlabeledImages([gray], 'train', { side: 8, channels: 1 })
    expect([...joined.images.subarray(0, 2 * 64 * 3)]).toEqual([...alone.images].flatMap((value) => [value, value, value]))
    const [ofGray, ofColor] = joined.sources
    expect(ofGray?.normalization.mean).toEqual(Array.from({ length: 3 }, () => alone.sources[0]?.normalization.mean[0]))
    expect(new Set(ofColor?.normalization.mean).size).toBe(3)
  })

  it('refuses color where the network is gray', () => {
    const color = inColor(syntheticData({ train: 1, validation: 1, test: 1, side: 8 }))
    expect(() => unlabeledImages([color], 'train', { side: 8, channels: 1 })).toThrow(expect.objectContaining({ code: 'shape-mismatch' }))
  })
})
