import { describe, expect, it } from 'vitest'
import { learningRateAt } from '../../../models/training/schedule.ts'

describe('learningRateAt', () => {
  const settings = { learningRate: 1, warmupShare: 0.1 }

  it('rises in equal parts to the top, which it has at the end of the warm-up', () => {
    expect(learningRateAt(0, 100, settings)).toBeCloseTo(1 / 11, 12)
    expect(learningRateAt(9, 100, settings)).toBeCloseTo(10 / 11, 12)
    expect(learningRateAt(10, 100, settings)).toBe(1)
  })

  it('is half at the middle of the cosine and near 0 at the last step', () => {
    expect(learningRateAt(55, 100, settings)).toBeCloseTo(0.5, 12)
    expect(learningRateAt(99, 100, settings)).toBeLessThan(1e-3)
  })

  it('starts at the top without a warm-up', () => {
    expect(learningRateAt(0, 10, { ...settings, warmupShare: 0 })).toBe(1)
  })
})
