import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ForwardBatch } from '../../../src/explain/forward-batch.ts'
import { adjustedRandIndex, shuffle, spatialCoherence } from '../../../src/explain/validation/coherence.ts'
import { areaUnder, orderOf, perturbationCurve } from '../../../src/explain/validation/faithfulness.ts'
import { intersectionOverUnion, localize, type PatchMap, type Region } from '../../../src/explain/validation/localization.ts'
import { structuralSimilarity } from '../../../src/explain/validation/structural-similarity.ts'
import { tensorOf } from '../../../src/tensor/tensor.ts'
import { manifestOf } from '../golden-case.ts'

const region = (rows: number, columns: number, isInside: (row: number, column: number) => boolean): Region => ({
  rows,
  columns,
  mask: Uint8Array.from({ length: rows * columns }, (_, i) => (isInside(Math.floor(i / columns), i % columns) ? 255 : 0)),
})
/** 2 x 2 patches of an 8 x 8 image. */
const patchesOf = (values: readonly number[]): PatchMap => ({ values, middleOf: (patch) => ({ y: 4 * Math.floor(patch / 2) + 2, x: 4 * (patch % 2) + 2 }) })
const upperLeft = region(8, 8, (row, column) => row < 4 && column < 4)

describe('localize', () => {
  it('gives 1 for a map that is the region itself', () => {
    const values = Float64Array.from(upperLeft.mask, (value) => value / 255)
    expect(localize(values, upperLeft, patchesOf([1, 0, 0, 0]))).toEqual({ isHit: true, massAccuracy: 1, rankAccuracy: 1, averagePrecision: 1, regionShare: 0.25 })
    expect(intersectionOverUnion(values, upperLeft.mask, 0.5)).toBe(1)
  })

  it('gives chance, and a miss, for a flat map', () => {
    const flat = localize(new Float64Array(64).fill(0.3), upperLeft, patchesOf([1, 1, 1, 1]))!
    expect(flat.isHit).toBe(false)
    for (const value of [flat.massAccuracy, flat.rankAccuracy, flat.averagePrecision]) expect(value).toBeCloseTo(0.25, 12)
  })

  it('leaves an empty region out instead of counting a hit', () => {
    expect(
      localize(
        new Float64Array(64),
        region(8, 8, () => false),
        patchesOf([1, 0, 0, 0]),
      ),
    ).toBeNull()
  })

  it('counts two strongest patches as a miss, and one outside as well', () => {
    const values = new Float64Array(64)
    expect(localize(values, upperLeft, patchesOf([1, 1, 0, 0]))!.isHit).toBe(false)
    expect(localize(values, upperLeft, patchesOf([0, 0, 0, 1]))!.isHit).toBe(false)
  })

  it('meets numbers worked out by hand', () => {
    // Four pixels, the first two inside; values 4 1 3 0: mass (4 + 1) / 8; two strongest are pixels 0 and 2, one inside; precision 1/1 and 2/3.
    const found = localize([4, 1, 3, 0], { rows: 1, columns: 4, mask: Uint8Array.of(1, 1, 0, 0) }, patchesOf([1, 0, 0, 0]))!
    expect(found.massAccuracy).toBeCloseTo(5 / 8, 12)
    expect(found.rankAccuracy).toBeCloseTo(1 / 2, 12)
    expect(found.averagePrecision).toBeCloseTo((1 + 2 / 3) / 2, 12)
    expect(intersectionOverUnion([4, 1, 3, 0], Uint8Array.of(1, 1, 0, 0), 3)).toBeCloseTo(1 / 3, 12)
  })

  it('does not change when the map is scaled, and never leaves 0 to 1', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: 0, max: 1, noNaN: true }), { minLength: 16, maxLength: 16 }),
        fc.array(fc.boolean(), { minLength: 16, maxLength: 16 }),
        (values, inside) => {
          const marked: Region = { rows: 4, columns: 4, mask: Uint8Array.from(inside, Number) }
          const found = localize(values, marked, patchesOf([1, 0, 0, 0]))
          if (found === null) return
          const scaled = localize(
            values.map((value) => 2 * value),
            marked,
            patchesOf([2, 0, 0, 0]),
          )!
          expect(scaled.rankAccuracy).toBe(found.rankAccuracy)
          for (const value of [found.massAccuracy, found.rankAccuracy, found.averagePrecision]) {
            expect(value).toBeGreaterThanOrEqual(0)
            expect(value).toBeLessThanOrEqual(1 + 1e-12)
          }
        },
      ),
    )
  })
})

describe('deletion and insertion', () => {
  const manifest = manifestOf({
    outputNames: ['logits'],
    patchGrid: { height: 2, width: 2 },
    input: { name: 'pixels', layout: 'nchw', channels: 1, height: 4, width: 4, fit: 'stretch', resize: 'bilinear', mean: [0], deviation: [1], modalities: [] },
  })
  const image = tensorOf(new Float32Array(16).fill(1), [1, 4, 4])
  const black = tensorOf(new Float32Array(16), [1, 4, 4])
  const patchOf = (i: number): number => 2 * Math.floor(Math.floor(i / 4) / 2) + Math.floor((i % 4) / 2)
  /** A network that adds up its patches: 0.4, 0.3, 0.2 and 0.1. */
  const additive: ForwardBatch = async (pixels, batch) =>
    Float32Array.from({ length: 3 * batch }, (_, i) => {
      if (i % 3 !== 0) return 0
      return pixels.subarray(16 * Math.floor(i / 3), 16 * Math.floor(i / 3) + 16).reduce((sum, pixel, at) => sum + (pixel * [0.4, 0.3, 0.2, 0.1][patchOf(at)]!) / 4, 0)
    })
  const run = { forward: additive, batchSize: 3 }

  it('meet the closed form of an additive network', async () => {
    const order = orderOf([0.4, 0.3, 0.2, 0.1])
    const deletion = await perturbationCurve(manifest, image, black, order, 4, 0, run)
    ;[1, 0.6, 0.3, 0.1, 0].forEach((value, step) => {
      expect(deletion.probabilities[step]).toBeCloseTo(value, 6)
    })
    expect(deletion.area).toBeCloseTo((0.5 + 0.6 + 0.3 + 0.1) / 4, 6)
    const insertion = await perturbationCurve(manifest, black, image, order, 4, 0, run)
    expect(insertion.area).toBeCloseTo(1 - deletion.area, 6)
  })

  it('rank the true order best of all', async () => {
    const best = (await perturbationCurve(manifest, image, black, [0, 1, 2, 3], 4, 0, run)).area
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), async (order) => {
        expect((await perturbationCurve(manifest, image, black, order, 4, 0, run)).area).toBeGreaterThanOrEqual(best - 1e-6)
      }),
    )
  })

  it('order equal patches by their place', () => {
    expect(orderOf([1, 3, 3, 0])).toEqual([1, 2, 0, 3])
    expect(areaUnder(Float64Array.of(1, 0))).toBe(0.5)
  })
})

describe('spatial coherence', () => {
  it('counts neighbors as worked out by hand', () => {
    // 0 0 / 1 1: two of four pairs are equal.
    expect(spatialCoherence([0, 0, 1, 1], 2, 100, 1).sameNeighbors).toBe(0.5)
  })

  it('stands far above shuffles for halves and far below for a chessboard', () => {
    const halves = Array.from({ length: 64 }, (_, i) => (i < 32 ? 0 : 1))
    const chess = Array.from({ length: 64 }, (_, i) => (Math.floor(i / 8) + i) % 2)
    expect(spatialCoherence(halves, 8, 1000, 1).zScore).toBeGreaterThan(5)
    expect(spatialCoherence(chess, 8, 1000, 1).zScore).toBeLessThan(-5)
    expect(spatialCoherence(new Array(64).fill(0), 8, 10, 1).zScore).toBeNull()
  })

  it('shuffles to every place alike', () => {
    const counts = new Float64Array(4)
    for (let key = 0; key < 4000; key++) counts[shuffle([0, 1, 2, 3], key).indexOf(0)]!++
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(4000 * 0.25 * 0.75))
  })
})

describe('the adjusted Rand index', () => {
  it('meets the worked value of two labellings of six', () => {
    // Contingency [2 1 0 / 0 1 2]: together 2, first 6, second 3, all 15: (2 - 1.2) / (4.5 - 1.2).
    expect(adjustedRandIndex([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2])).toBeCloseTo(0.8 / 3.3, 12)
  })

  it('is 1 when labels are only renamed', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3), { minLength: 2, maxLength: 30 }), (labels) => {
        expect(
          adjustedRandIndex(
            labels,
            labels.map((label) => [7, 5, 9, 1][label]!),
          ),
        ).toBe(1)
      }),
    )
  })
})

describe('structural similarity', () => {
  const grid = (values: readonly number[], columns = 2) => tensorOf(Float32Array.from(values), [values.length / columns, columns])

  it('meets one window worked out by hand', () => {
    // Means .5, variances .25, covariance -.25; the constants 1e-4 and 9e-4: (-.5 + 9e-4) / (.5 + 9e-4), the means' part being 1.
    expect(structuralSimilarity(grid([0, 1, 0, 1]), grid([1, 0, 1, 0]), 1)).toBeCloseTo((-0.5 + 9e-4) / (0.5 + 9e-4), 12)
    // Two flat maps: (2 x .25 x .75 + 1e-4) / (.0625 + .5625 + 1e-4), the variances' part being 1.
    expect(structuralSimilarity(grid([0.25, 0.25, 0.25, 0.25]), grid([0.75, 0.75, 0.75, 0.75]), 1)).toBeCloseTo((0.375 + 1e-4) / (0.625 + 1e-4), 12)
  })

  it('is the mean over all windows of 7 x 7: 2 of an 8 x 7 grid', () => {
    const first = Array.from({ length: 56 }, (_, i) => (i < 7 ? 1 : 0))
    const second = Array.from({ length: 56 }, () => 0)
    // The upper window holds 7 ones of 49: mean 1/7, variance 1/7 - 1/49; the lower one is all 0 in both.
    const upper = (1e-4 * 9e-4) / ((1 / 49 + 1e-4) * (1 / 7 - 1 / 49 + 9e-4))
    expect(structuralSimilarity(grid(first, 7), grid(second, 7), 1)).toBeCloseTo((upper + 1) / 2, 6)
  })

  it('is 1 for a map and itself, the same both ways, and refuses another grid', () => {
    const values = fc.array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: 64, maxLength: 64 })
    fc.assert(
      fc.property(values, values, (first, second) => {
        const [x, y] = [grid(first, 8), grid(second, 8)]
        expect(structuralSimilarity(x, x, 2)).toBeCloseTo(1, 12)
        expect(structuralSimilarity(x, y, 2)).toBeCloseTo(structuralSimilarity(y, x, 2), 12)
        expect(Math.abs(structuralSimilarity(x, y, 2))).toBeLessThanOrEqual(1 + 1e-12)
      }),
      { numRuns: 50 },
    )
    expect(() => structuralSimilarity(grid([0, 1, 0, 1]), grid([0, 1, 0, 1], 4), 1)).toThrow(expect.objectContaining({ code: 'shape-mismatch' }))
  })
})
