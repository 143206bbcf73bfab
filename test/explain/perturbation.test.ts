import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { InputTensor } from '../../src/domain/image.ts'
import type { PerturbationMethod } from '../../src/domain/perturbation.ts'
import { passesOf, sliceLength, slicesOf } from '../../src/domain/perturbation.ts'
import { type ForwardBatch, probabilitiesOf } from '../../src/explain/forward-batch.ts'
import { blurred, occlusionMap } from '../../src/explain/occlusion.ts'
import { eachLineOf } from '../../src/explain/patch-box.ts'
import { perturbationOf } from '../../src/explain/perturbation.ts'
import { rise, riseMap } from '../../src/explain/rise.ts'
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
    // Wherever patch 6 is visible the answer is 1; of the about n / 2 masks that show another patch half show patch 6, with a deviation of sqrt(1 / 2n).
    map.grid.data.forEach((value, patch) => {
      if (patch === 6) expect(value).toBe(1)
      else expect(Math.abs(value - 0.5)).toBeLessThan(5 / Math.sqrt(2 * 2000))
    })
    expect(map.notes.join()).not.toContain('ask for more masks')
    expect(map.numbers['standardError']).toBeCloseTo(0.5 / Math.sqrt(1000), 3)
  })

  it('of a linear network is its answer to half the image, and half of what the patch adds', async () => {
    const map = await riseMap(manifest, input, target, { masks: 4000, seed: 1 }, { forward: linear, batchSize: 64 })
    const adds = new Float64Array(12)
    input.pixels.data.forEach((pixel, i) => {
      adds[patchOf(i)]! += pixel * weights[i]!
    })
    const level = 0.5 + adds.reduce((sum, value) => sum + value, 0) / 2
    adds.forEach((value, patch) => {
      expect(Math.abs(map.grid.data[patch]! - (level + value / 2))).toBeLessThan(5 * map.numbers['standardError']!)
    })
    expect(Math.abs(map.numbers['meanProbability']! - level)).toBeLessThan(5 * map.numbers['standardError']!)
    expect(map.range).toEqual({ min: Math.min(...map.grid.data), max: Math.max(...map.grid.data) })
    expect(map.marks).toEqual([{ value: map.numbers['meanProbability'], label: 'all masks' }])
  })

  it('is flat, and says so, for a network that always answers the same, however few the masks', async () => {
    const map = await riseMap(manifest, input, target, { masks: 20, seed: 3 }, { forward: answering(() => 0.7), batchSize: 8 })
    expect(map.notes).toContain('no spatial contrast')
    expect(map.range).toEqual({ min: 0, max: expect.closeTo(0.7, 6) })
  })

  it('says that it shows nothing but the draws where the answer does not depend on what is visible', async () => {
    let call = 0
    const restless = answering(() => (call++ % 7) / 7)
    const map = await riseMap(manifest, input, target, { masks: 500, seed: 3 }, { forward: restless, batchSize: 50 })
    expect(map.notes.join()).toContain('ask for more masks')
  })

  it('draws each patch visible in about half of the masks, no two masks alike', () => {
    const { change, size } = rise(manifest, tensorOf(new Float32Array(SIDE * SIDE).fill(1), [1, SIDE, SIDE]), target, { masks: 1000, seed: 9 })
    const visible = new Float64Array(12)
    const seen = new Set<string>()
    for (let mask = 0; mask < 1000; mask++) {
      const into = new Float32Array(size)
      change(into, mask)
      const pattern = Array.from({ length: 12 }, (_, patch) => into.find((_pixel, i) => patchOf(i) === patch)!)
      seen.add(pattern.join(''))
      pattern.forEach((pixel, patch) => {
        visible[patch]! += pixel
      })
    }
    // 2^12 patterns: of 1000 draws about 887 are different ones.
    expect(Math.abs(seen.size - 887)).toBeLessThan(40)
    for (const count of visible) expect(Math.abs(count - 500)).toBeLessThan(80) // 5 deviations of sqrt(1000) / 2
  })

  it('gives the same map for the same seed, whatever the batch size, and another for another seed', async () => {
    const mapOf = async (seed: number, batchSize: number): Promise<number[]> => [
      ...(await riseMap(manifest, input, target, { masks: 40, seed }, { forward: linear, batchSize })).grid.data,
    ]
    expect(await mapOf(1, 7)).toEqual(await mapOf(1, 40))
    expect(await mapOf(2, 7)).not.toEqual(await mapOf(1, 7))
  })
})

describe('the boxes of the patches', () => {
  it('cover every pixel of every channel once, whatever the sizes', () => {
    const sizes = fc.record({
      height: fc.integer({ min: 1, max: 40 }),
      width: fc.integer({ min: 1, max: 40 }),
      rows: fc.integer({ min: 1, max: 14 }),
      columns: fc.integer({ min: 1, max: 14 }),
    })
    fc.assert(
      fc.property(sizes, ({ height, width, rows, columns }) => {
        const patchGrid = { height: Math.min(rows, height), width: Math.min(columns, width) }
        const touched = new Uint8Array(3 * height * width)
        for (let patch = 0; patch < patchGrid.height * patchGrid.width; patch++) {
          eachLineOf(patch, { patchGrid, input: { ...manifest.input, channels: 3, height, width } }, (start, end) => {
            for (let i = start; i < end; i++) touched[i]!++
          })
        }
        expect(touched.every((count) => count === 1)).toBe(true)
      }),
    )
  })
})

describe('an order for a map', () => {
  const order = (method: PerturbationMethod) => ({ modelId: 'm', method, pixels: input.pixels, classIndex: 1, networkSeed: 0 })
  const methods: readonly PerturbationMethod[] = [
    { kind: 'occlusion', baseline: 'mean' },
    { kind: 'occlusion', baseline: 'blur' },
    { kind: 'rise', masks: 37, seed: 4 },
  ]

  it('is done in slices that hold every pass once, and gives the map of one go', async () => {
    for (const method of methods) {
      const perturbation = perturbationOf(manifest, order(method))
      const slices = slicesOf(method, manifest)
      expect(slices.flatMap(({ start, count }) => Array.from({ length: count }, (_, i) => start + i))).toEqual(Array.from({ length: perturbation.passes }, (_, pass) => pass))
      expect(passesOf(method, manifest)).toBe(perturbation.passes)
      const parts = await Promise.all(slices.map(({ start, count }) => probabilitiesOf(perturbation, start, count, linear)))
      const whole = await probabilitiesOf(perturbation, 0, perturbation.passes, linear)
      expect(parts.flatMap((part) => [...part])).toEqual([...whole])
      expect(perturbation.toMap(whole).name).toBe(method.kind === 'rise' ? 'rise' : `occlusion-${method.baseline}`)
    }
  })

  it('takes at most 1600 tokens and 16 images in one call, and at least one image', () => {
    const lengthOf = (side: number): number => sliceLength({ patchGrid: { height: side, width: side }, prefixTokens: 1 })
    expect([7, 14, 16, 24, 64].map(lengthOf)).toEqual([16, 8, 6, 2, 1])
  })

  it('is refused for a class that the model does not have, and for pixels that are not its input', () => {
    expect(() => perturbationOf(manifest, { ...order(methods[0]!), classIndex: 3 })).toThrow(expect.objectContaining({ code: 'parameter-invalid' }))
    const pixels = tensorOf(new Float32Array(16), [1, 4, 4])
    expect(() => perturbationOf(manifest, { ...order(methods[0]!), pixels })).toThrow(expect.objectContaining({ code: 'shape-mismatch' }))
  })
})
