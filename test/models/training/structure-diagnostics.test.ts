import { describe, expect, it } from 'vitest'
import { deadReason, diagnoseDcmm } from '../../../models/training/structure-diagnostics.ts'
import { tensorOf } from '../../../src/tensor/tensor.ts'

describe('diagnoseDcmm', () => {
  // One image, one head, three tokens, two communities.
  const degree = tensorOf(Float32Array.of(0, 1, 2), [1, 1, 3])
  const bias = tensorOf(Float32Array.of(0, 3, 6, 9, 9, 9, 9, 9, 9), [1, 1, 3, 3])
  const membership = tensorOf(Float32Array.of(0.5, 0.5, 0.9, 0.1, 0.1, 0.9), [1, 1, 3, 2])

  it('meets figures worked by hand', () => {
    const figures = diagnoseDcmm(4, degree, bias, membership)
    expect(figures).toMatchObject({ layer: 4, zeroDegreeShare: 1 / 3, meanDegree: 1, largestClassTokenBias: 6, distinctCommunities: 2 })
    expect(figures.classTokenBiasSpread).toBeCloseTo(Math.sqrt(6), 6) // of 0, 3, 6
    expect(figures.effectiveCommunities).toBeCloseTo(2, 6) // the mean membership is even
    expect(figures.membershipConfidence).toBeCloseTo((0.5 + 0.9 + 0.9) / 3, 6)
  })

  it('tells a collapse: every token in one community', () => {
    const collapsed = tensorOf(Float32Array.of(1, 0, 1, 0, 1, 0), [1, 1, 3, 2])
    expect(diagnoseDcmm(4, degree, bias, collapsed)).toMatchObject({ effectiveCommunities: 1, distinctCommunities: 1, membershipConfidence: 1 })
  })

  it('tells a dead structure: every degree zero', () => {
    expect(diagnoseDcmm(4, tensorOf(new Float32Array(3), [1, 1, 3]), tensorOf(new Float32Array(9), [1, 1, 3, 3]), membership)).toMatchObject({
      zeroDegreeShare: 1,
      largestClassTokenBias: 0,
    })
  })
})

describe('deadReason', () => {
  const alive = {
    layer: 5,
    zeroDegreeShare: 0.3,
    meanDegree: 0.5,
    largestClassTokenBias: 2.4,
    classTokenBiasSpread: 0.2,
    effectiveCommunities: 5,
    membershipConfidence: 0.4,
    distinctCommunities: 4,
  }

  it('leaves a structure alone that the softmax feels, dense or sparse', () => {
    expect([alive, { layer: 0, density: 0.2 }].map(deadReason)).toEqual([null, null])
  })

  it.each([
    ['degrees that are all zero', { ...alive, zeroDegreeShare: 1, largestClassTokenBias: 0 }, 'exactly zero'],
    ['a bias that is not felt', { ...alive, largestClassTokenBias: 0.02 }, '0.020'],
    ['masks that keep everything', { layer: 1, density: 0.999 }, '99.9 %'],
    ['masks that keep nothing', { layer: 1, density: 0 }, 'no edge'],
  ])('names %s', (_sign, layer, words) => {
    expect(deadReason(layer)).toContain(words)
  })
})
