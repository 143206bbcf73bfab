import { describe, expect, it } from 'vitest'
import { diagnoseDcmm } from '../../../models/training/structure-diagnostics.ts'
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
