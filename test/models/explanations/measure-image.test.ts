import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { centerGrid } from '../../../models/explanations/marked-images.ts'
import { type ImageMeasures, measureImage, placeOn, placePixels } from '../../../models/explanations/measure-image.ts'
import { bestThresholdOf, summarize, summarizePlaces } from '../../../models/explanations/summarize.ts'
import type { Region } from '../../../src/explain/validation/localization.ts'
import { type Bundle, openBundle } from '../../../src/infer/load-bundle.ts'
import { tensorOf } from '../../../src/tensor/tensor.ts'
import { goldenBundle, goldenInput } from '../../support/golden-bundle.ts'
import { loadGolden } from '../support/golden.ts'

const golden = loadGolden('dcmm')
/** The third patch of the second row of 4 x 4 patches, each 4 x 4 pixels. */
const region: Region = { rows: 16, columns: 16, mask: Uint8Array.from({ length: 256 }, (_, i) => (Math.floor(i / 64) === 1 && Math.floor((i % 16) / 4) === 2 ? 1 : 0)) }

describe('measureImage', () => {
  let bundle: Bundle
  let measures: ImageMeasures

  beforeAll(async () => {
    bundle = await openBundle(goldenBundle(golden))
    measures = await measureImage(bundle, goldenInput(golden, 0), region, 3)
  })
  afterAll(() => bundle.release())

  it('measures every map that says where a class is seen', () => {
    const names = measures.maps.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['attention', 'evidence', 'structure-attribution', 'knockout', 'shapley', 'rollout', 'degree', 'delta', 'hub']))
    expect(names).not.toContain('communities')
    for (const { faithfulness, placed } of measures.maps) {
      for (const { deletion, insertion } of Object.values(faithfulness!)) for (const area of [deletion, insertion]) expect(area > 0 && area < 1).toBe(true)
      expect(placed!.found.regionShare).toBe(1 / 16)
    }
  })

  it('finds class-agnostic maps the same for both classes, and class-specific ones not', () => {
    const across = Object.fromEntries(measures.maps.map(({ name, acrossClasses }) => [name, acrossClasses]))
    for (const name of ['attention', 'rollout', 'degree', 'delta', 'hub']) expect(across[name]).toBeCloseTo(1, 9)
    for (const name of ['evidence', 'evidence-signed', 'structure-attribution', 'knockout', 'shapley']) expect(across[name]).toBeLessThan(0.999)
  })

  it('is the same when measured again', async () => {
    expect(await measureImage(bundle, goldenInput(golden, 0), region, 3)).toEqual(measures)
  })

  it('is summed up by map, and says of a map that is the same for every class that it fails the test of classes', () => {
    expect(summarize([measures, measures])).toMatchObject({
      images: 2,
      curveImages: 2,
      maps: {
        evidence: { classTest: 'differs between classes', localization: { images: 2, chance: 1 / 16, iou: null } },
        attention: { classTest: 'fails: the same map for every class', correlationAcrossClasses: expect.closeTo(1, 9) },
      },
      agreement: { 'evidence and knockout': expect.any(Number) },
    })
  })

  it('takes the IoU where other images chose the threshold', () => {
    const threshold = bestThresholdOf([measures], 'evidence')
    const { localization } = summarize([measures], () => threshold).maps['evidence']!
    expect(localization!.iou).toBe(localization!.bestThresholdIouUpperBound)
    const least = summarize([measures], () => 0).maps['evidence']!.localization!
    expect(least.iouThreshold).toBe(0.05)
    expect(least.iou!).toBeLessThanOrEqual(least.bestThresholdIouUpperBound)
  })

  it('leaves out what costs hundreds of runs where no curves are asked for, and changes nothing else', async () => {
    const quick = await measureImage(bundle, goldenInput(golden, 0), region, 3, false)
    expect(quick.random).toBeNull()
    expect(quick.maps).toEqual(measures.maps.map((map) => ({ ...map, faithfulness: null })))
    expect(summarize([quick])).toMatchObject({ random: null, curveImages: 0, maps: { evidence: { faithfulness: null } } })
  })
})

describe('placeOn', () => {
  it('finds a region by the patch that covers it', () => {
    const spot = tensorOf(
      Float32Array.from({ length: 16 }, (_, patch) => (patch === 6 ? 1 : 0)),
      [4, 4],
    )
    const placed = placeOn(spot, goldenInput(golden, 0), region)!
    expect(placed.found.isHit).toBe(true)
    expect(placed.found.massAccuracy).toBeGreaterThan(0.5)
    expect(summarizePlaces([placed])).toMatchObject({ pointing: 1 })
    expect(summarizePlaces([])).toBeNull()
  })

  it('takes a map of pixels as it is: the region finds itself but for the tie of its pixels', () => {
    const { found, overlaps } = placePixels(Float64Array.from(region.mask), region)!
    expect(found).toMatchObject({ isHit: false, massAccuracy: 1, rankAccuracy: 1, averagePrecision: 1 })
    expect(overlaps.every((overlap) => overlap === 1)).toBe(true)
  })

  it('has one strongest patch in the baseline of the center, near the middle', () => {
    const { data } = centerGrid({ height: 4, width: 4 })
    const largest = Math.max(...data)
    expect(data.filter((value) => value === largest)).toHaveLength(1)
    expect([5, 6, 9, 10]).toContain(data.indexOf(largest))
  })
})
