import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { entropyBits, grayHistogram, wassersteinDistance } from '../../src/tensor/gray-histogram.ts'
import { ledoitWolf, mahalanobisDistance, nearestMean, quantileOf, whiteningOf } from '../../src/tensor/mahalanobis.ts'

describe('mahalanobisDistance', () => {
  it('meets a case in two dimensions that was worked by hand', () => {
    // covariance [[4, 2], [2, 3]], its inverse [[3, -2], [-2, 4]] / 8; of (2, 1): (12 - 8 + 4) / 8 = 1
    const whitening = whiteningOf(Float64Array.of(4, 2, 2, 3), 2)
    expect(mahalanobisDistance([2, 1], [0, 0], whitening)).toBeCloseTo(1, 12)
    // of (1, -2): (3 + 8 + 16) / 8
    expect(mahalanobisDistance([6, 3], [5, 5], whitening)).toBeCloseTo(Math.sqrt(27 / 8), 12)
  })

  it('is the Euclidean distance where the covariance is the identity', () => {
    const vector = fc.array(fc.double({ min: -9, max: 9, noNaN: true }), { minLength: 3, maxLength: 3 })
    const whitening = whiteningOf(Float64Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1), 3)
    fc.assert(
      fc.property(vector, vector, (a, b) => {
        expect(mahalanobisDistance(a, b, whitening)).toBeCloseTo(Math.hypot(...a.map((value, i) => value - b[i]!)), 9)
      }),
    )
  })

  it('does not change when vectors and covariance are scaled alike', () => {
    const scaled = (s: number): number => mahalanobisDistance([2 * s, s], [0, 0], whiteningOf(Float64Array.of(4 * s * s, 2 * s * s, 2 * s * s, 3 * s * s), 2))
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 10, noNaN: true }), (s) => {
        expect(scaled(s)).toBeCloseTo(1, 9)
      }),
    )
  })

  it('refuses a covariance that is not positive definite', () => {
    expect(() => whiteningOf(Float64Array.of(1, 2, 2, 1), 2)).toThrow(RangeError)
  })
})

describe('nearestMean', () => {
  it('names the mean at the smallest distance', () => {
    expect(nearestMean([3, 0], Float32Array.of(0, 0, 4, 0), whiteningOf(Float64Array.of(1, 0, 0, 1), 2))).toEqual({ index: 1, distance: 1 })
  })
})

describe('ledoitWolf', () => {
  it('meets a case that was worked by hand', () => {
    // (2,0), (-2,0), (0,1), (0,-1): S = diag(2, .5), mean variance 1.25, d2 = .75^2 + .75^2 = 1.125;
    // mean of |x|^4 is (16 + 16 + 1 + 1) / 4 = 8.5, |S|^2 = 4.25, b2 = 4.25 / 4 = 1.0625
    const { covariance, shrinkage } = ledoitWolf(Float64Array.of(2, 0, -2, 0, 0, 1, 0, -1), 2)
    expect(shrinkage).toBeCloseTo(1.0625 / 1.125, 12)
    const rest = 1 - shrinkage
    expect([...covariance]).toEqual([rest * 2 + shrinkage * 1.25, 0, 0, rest * 0.5 + shrinkage * 1.25])
  })

  it('keeps the trace', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 12, maxLength: 12 }), (values) => {
        const rows = Float64Array.from(values)
        const trace = values.reduce((sum, value) => sum + value * value, 0) / 4
        const { covariance, shrinkage } = ledoitWolf(rows, 3)
        expect(covariance[0]! + covariance[4]! + covariance[8]!).toBeCloseTo(trace, 9)
        expect(shrinkage >= 0 && shrinkage <= 1).toBe(true)
      }),
    )
  })
})

describe('quantileOf', () => {
  it('leaves no more than the rest above', () => {
    const values = Array.from({ length: 524 }, (_, i) => 523 - i)
    expect(quantileOf(values, 0.99)).toBe(518)
    expect(quantileOf(values, 0.999)).toBe(523)
    expect(quantileOf([7], 0.5)).toBe(7)
  })
})

describe('wassersteinDistance', () => {
  const histogram = fc.array(fc.nat({ max: 100 }), { minLength: 8, maxLength: 8 }).map((counts) => {
    const total = counts.reduce((sum, count) => sum + count, 1e-9)
    return counts.map((count, i) => (count + (i === 0 ? 1e-9 : 0)) / total)
  })

  it('is a metric', () => {
    fc.assert(
      fc.property(histogram, histogram, histogram, (a, b, c) => {
        expect(wassersteinDistance(a, a)).toBe(0)
        expect(wassersteinDistance(a, b)).toBeCloseTo(wassersteinDistance(b, a), 12)
        expect(wassersteinDistance(a, c)).toBeLessThanOrEqual(wassersteinDistance(a, b) + wassersteinDistance(b, c) + 1e-12)
        if (a.some((value, i) => Math.abs(value - b[i]!) > 1e-6)) expect(wassersteinDistance(a, b)).toBeGreaterThan(0)
      }),
    )
  })

  it('is as many bins as the mass moved', () => {
    expect(wassersteinDistance([1, 0, 0, 0], [0, 0, 1, 0])).toBe(0.5)
    expect(wassersteinDistance([0.5, 0.5, 0, 0], [0.5, 0, 0.5, 0])).toBe(0.125)
  })
})

describe('grayHistogram', () => {
  it('undoes the normalization, counts each channel by its own and keeps what lies outside in the end bins', () => {
    // channel 0: grays 0, .3; channel 1: grays -.1, 1
    const histogram = grayHistogram(Float32Array.of(-1, 0.2, -1.2, 1), [0.25, 0.5], [0.25, 0.5], 4)
    expect([...histogram]).toEqual([0.5, 0.25, 0, 0.25])
  })

  it('has no entropy where all is one gray, and all of it where grays are even', () => {
    expect(entropyBits([0, 1, 0, 0])).toBe(0)
    expect(entropyBits([0.25, 0.25, 0.25, 0.25])).toBe(2)
  })
})
