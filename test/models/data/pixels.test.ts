import { describe, expect, it } from 'vitest'
import { evaluationBatch } from '../../../models/data/batches.ts'
import type { DataSet } from '../../../models/data/data-set.ts'
import { normalizationOf, unitImage } from '../../../models/data/pixels.ts'
import type { DecodedImage } from '../../../src/domain/image.ts'
import type { ManifestInput } from '../../../src/domain/manifest.ts'
import { toInputTensor } from '../../../src/imaging/to-input-tensor.ts'
import { tensorOf } from '../../../src/tensor/tensor.ts'

const split = (count: number, size: number) => ({ count, images: Uint8Array.from({ length: count * size }, (_, i) => (i * 97 + 13) % 256), labels: new Uint8Array(count) })
const dataOf = (channels: 1 | 3): DataSet => ({
  facts: { id: 'x', title: 'x', classes: ['a', 'b'], modalities: [], licence: '', attributions: [], caveats: [] },
  sha256: '',
  height: 6,
  width: 6,
  channels,
  splits: { train: split(3, 36 * channels), validation: split(1, 36 * channels), test: split(2, 36 * channels) },
})

describe('the pixels of training', () => {
  it.each([1, 3] as const)('are those of serving, bit for bit, for an image of the network size with %i channels', (channels) => {
    const data = dataOf(channels)
    const { mean, deviation } = normalizationOf(data, data.splits.train)
    const input: ManifestInput = {
      name: 'pixels',
      layout: 'nchw',
      channels,
      height: 6,
      width: 6,
      fit: 'crop',
      resize: 'bilinear-antialias',
      mean: [...mean],
      deviation: [...deviation],
      modalities: [],
    }
    const bytes = data.splits.test.images.subarray(36 * channels)
    const image = {
      facts: {} as DecodedImage['facts'],
      pixels: tensorOf(
        Float32Array.from(bytes, (byte) => byte / 255),
        [6, 6, channels],
      ),
    }
    const batch = evaluationBatch(data, 'test', 1, 2, { mean, deviation })
    expect([...batch.pixels]).toEqual([...toInputTensor(image, input).pixels.data])
  })

  it('move the channel in front of the rows', () => {
    const rgb = { count: 1, images: Uint8Array.of(255, 0, 51, 0, 255, 102), labels: new Uint8Array(1) }
    const planes = unitImage({ height: 1, width: 2, channels: 3 }, rgb, 0)
    expect([...planes]).toEqual([1, 0, 0, 1, Math.fround(0.2), Math.fround(0.4)])
  })
})
