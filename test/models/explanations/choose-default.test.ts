import { describe, expect, it } from 'vitest'
import { chooseDefault } from '../../../models/explanations/choose-default.ts'
import type { MapSummary, PlaceSummary, Summary } from '../../../models/explanations/summarize.ts'

const place = (pointing: number, massAccuracy: number): PlaceSummary => ({
  images: 10,
  pointing,
  massAccuracy,
  rankAccuracy: 0.1,
  averagePrecision: 0.1,
  chance: 0.1,
  iou: null,
  iouThreshold: null,
  bestThresholdIouUpperBound: 0.2,
})
const curve = (deletion: number, insertion: number) => ({ deletion, insertion, deletionBeatsRandom: 0.5, insertionBeatsRandom: 0.5 })
const map = (part: Partial<MapSummary>): MapSummary => ({
  classSpecific: true,
  classTest: 'differs between classes',
  blankShare: null,
  correlationAcrossClasses: 0,
  faithfulness: null,
  localization: null,
  ...part,
})
const summary = (maps: Summary['maps']): Summary => ({
  images: 10,
  curveImages: 10,
  random: { orders: 10, mean: { deletion: 0.5, insertion: 0.5 }, blur: { deletion: 0.5, insertion: 0.75 } },
  maps,
  agreement: {},
  communities: null,
})

describe('chooseDefault', () => {
  it('takes the map that points best, of equal ones the one with more mass, and holds it against the prior', () => {
    const found = summary({ attention: map({ localization: place(0.4, 0.3) }), evidence: map({ localization: place(0.4, 0.5) }), degree: map({ localization: place(0.2, 0.9) }) })
    expect(chooseDefault(found, place(0.406, 0.2), null)).toEqual({
      map: 'evidence',
      by: 'pointing, then relevance mass',
      value: 0.4,
      baseline: { name: 'prior of the training split', value: 0.406 },
      beatsBaseline: false,
    })
  })

  it('takes the largest gap of insertion and deletion where nothing is marked, the mean of both baselines', () => {
    const found = summary({
      attention: map({ faithfulness: { mean: curve(0.4, 0.9), blur: curve(0.5, 0.5) } }), // (.5 + 0) / 2
      evidence: map({ faithfulness: { mean: curve(0.4, 0.6), blur: curve(0.3, 0.9) } }), // (.2 + .6) / 2
    })
    const chosen = chooseDefault(found, null, null)
    expect(chosen).toMatchObject({ map: 'evidence', by: 'insertion minus deletion', baseline: { name: 'random order', value: 0.125 }, beatsBaseline: true })
    expect(chosen.value).toBeCloseTo(0.4, 12)
  })

  it('prefers no map that hardly changes with random weights, unless every map is so', () => {
    const found = summary({
      rollout: map({ faithfulness: { mean: curve(0.2, 0.9), blur: curve(0.2, 0.9) } }),
      delta: map({ faithfulness: { mean: curve(0.4, 0.6), blur: curve(0.4, 0.6) } }),
    })
    expect(chooseDefault(found, null, { rollout: false, delta: true }).map).toBe('delta')
    expect(chooseDefault(found, null, { delta: true }).map).toBe('rollout')
    expect(chooseDefault(found, null, { rollout: false, delta: false }).map).toBe('rollout')
  })

  it('refuses to choose where nothing was measured', () => {
    expect(() => chooseDefault(summary({ attention: map({}) }), null, null)).toThrow(expect.objectContaining({ code: 'parameter-invalid' }))
  })
})
