import { describe, expect, it } from 'vitest'
import type { InputTensor } from '../../src/domain/image.ts'
import type { ForwardBatch } from '../../src/explain/forward-batch.ts'
import { blurred, occlusionMap } from '../../src/explain/occlusion.ts'
import { riseMap } from '../../src/explain/rise.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'
import { manifestOf } from './golden-case.ts'

const SIDE = 12
const manifest = manifestOf({
  outputNames: ['logits'],
  patchGrid: { height: 3, width: 4 },
  input: { name: 'pixels', layout: 'nchw', channels: 1, height: SIDE, width: SIDE, fit: 'stretch', resize: 'bilinear', mean: [0.5], deviation: [0.2], modalities: [] },
})
const input: InputTensor = {
  pixels: tensorOf(
    Float32Array.from({ length: SIDE * SIDE }, (_, i) => Math.sin(i)),
    [1, SIDE, SIDE],
  ),
  placement: { sourceRows: SIDE, sourceColumns: SIDE, top: 0, left: 0, height: SIDE, width: SIDE, quarterTurns: 0, inputHeight: SIDE, inputWidth: SIDE },
}
const target = { index: 1, name: 'second' }
const weights = Float64Array.from({ length: SIDE * SIDE }, (_, i) => Math.cos(3 * i) / 40)
/** A patch is 4 rows x 3 columns. */
const patchOf = (i: number): number => Math.floor(Math.floor(i / SIDE) / 4) * 4 + Math.floor((i % SIDE) / 3)

/** Three classes; the second one's answer is `value`. */
const answering =
  (value: (pixels: Float32Array) => number): ForwardBatch =>
  async (pixels, batch) =>
    Float32Array.from({ length: 3 * batch }, (_, i) => (i % 3 === 1 ? value(pixels.subarray(Math.floor(i / 3) * SIDE * SIDE, (Math.floor(i / 3) + 1) * SIDE * SIDE)) : 0))
const linear = answering((pixels) => pixels.reduce((sum, pixel, i) => sum + pixel * weights[i]!, 0.5))

describe('occlusion', () => {
  it('of a linear network is each patch its weights times its pixels', async () => {
    const map = await occlusionMap(manifest, input, target, 'mean', { forward: linear, batchSize: 5 })
    const expected = new Float64Array(12)
    input.pixels.data.forEach((pixel, i) => {
      expected[patchOf(i)]! += pixel * weights[i]!
    })
    expect(map.grid.shape).toEqual([3, 4])
    expected.forEach((value, patch) => {
      expect(Math.abs(map.grid.data[patch]! - value)).toBeLessThan(1e-6)
    })
    expect(map.numbers['forwardPasses']).toBe(13)
  })

  it('with blur covers a patch by the blurred image, and disagrees with the mean', async () => {
    const map = await occlusionMap(manifest, input, target, 'blur', { forward: linear, batchSize: 13 })
    const soft = blurred(input.pixels, 2).data // half of a patch of 4 rows
    const expected = new Float64Array(12)
    input.pixels.data.forEach((pixel, i) => {
      expected[patchOf(i)]! += (pixel - soft[i]!) * weights[i]!
    })
    expected.forEach((value, patch) => {
      expect(Math.abs(map.grid.data[patch]! - value)).toBeLessThan(1e-6)
    })
  })

  it('does not depend on the batch size', async () => {
    const grids = await Promise.all([1, 4, 100].map(async (batchSize) => [...(await occlusionMap(manifest, input, target, 'mean', { forward: linear, batchSize })).grid.data]))
    expect(grids[1]).toEqual(grids[0])
    expect(grids[2]).toEqual(grids[0])
  })

  it('reports its progress and ends with all of it', async () => {
    const parts: number[] = []
    await occlusionMap(manifest, input, target, 'mean', { forward: linear, batchSize: 5, onProgress: (done) => parts.push(done) })
    expect(parts).toEqual([5 / 13, 10 / 13, 1])
  })

  it('stops before the next batch once it is aborted', async () => {
    const controller = new AbortController()
    let calls = 0
    const forward: ForwardBatch = (pixels, batch) => {
      calls++
      controller.abort()
      return linear(pixels, batch)
    }
    await expect(occlusionMap(manifest, input, target, 'mean', { forward, batchSize: 5, signal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' })
    expect(calls).toBe(1)
  })
})

describe('the blur', () => {
  it('keeps a constant and the sum of a spot in the middle, and is symmetric', () => {
    const constant = blurred(tensorOf(new Float32Array(25).fill(3), [1, 5, 5]), 1)
    for (const value of constant.data) expect(value).toBeCloseTo(3, 5)
    const spot = new Float32Array(21 * 21)
    spot[10 * 21 + 10] = 1
    const soft = blurred(tensorOf(spot, [1, 21, 21]), 2).data
    expect(soft.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5)
    expect(soft[10 * 21 + 12]).toBeCloseTo(soft[12 * 21 + 10]!, 9)
    expect(soft[10 * 21 + 12]! / soft[10 * 21 + 10]!).toBeCloseTo(Math.exp(-0.5), 5)
  })
})

describe('RISE', () => {
  const seesPatch = (patch: number) => answering((pixels) => (pixels.some((pixel, i) => patchOf(i) === patch && pixel !== 0) ? 1 : 0))

  it('finds the one patch that the network looks at: 1 there, the kept part elsewhere', async () => {
    const map = await riseMap(manifest, input, target, { masks: 2000, seed: 5 }, { forward: seesPatch(6), batchSize: 64 })
    // Of n masks half show patch 6: sum M_6 / (n p) is 1, sum M_6 M_j / (n p) is 1/2, with deviations of 1/sqrt(n) and sqrt(3)/(2 sqrt(n)).
    map.grid.data.forEach((value, patch) => {
      expect(Math.abs(value - (patch === 6 ? 1 : 0.5))).toBeLessThan(5 / Math.sqrt(2000))
    })
  })

  it('gives the same map for the same seed, whatever the batch size, and another for another seed', async () => {
    const mapOf = async (seed: number, batchSize: number): Promise<number[]> => [
      ...(await riseMap(manifest, input, target, { masks: 40, seed }, { forward: linear, batchSize })).grid.data,
    ]
    expect(await mapOf(1, 7)).toEqual(await mapOf(1, 40))
    expect(await mapOf(2, 7)).not.toEqual(await mapOf(1, 7))
  })
})
