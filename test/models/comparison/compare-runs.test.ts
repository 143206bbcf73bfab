import { describe, expect, it } from 'vitest'
import { pairedDifference, spreadOf } from '../../../models/comparison/compare-runs.ts'

describe('spreadOf', () => {
  it('is the mean and the deviation of a sample', () => {
    expect(spreadOf([2, 4, 4, 4, 5, 5, 7, 9])).toEqual({ seeds: 8, mean: 5, deviation: Math.sqrt(32 / 7) })
    expect(spreadOf([3])).toEqual({ seeds: 1, mean: 3, deviation: 0 })
  })
})

describe('pairedDifference', () => {
  it("has Student's interval of the differences by seed", () => {
    const plain = new Map([0, 1, 2, 3, 4].map((seed) => [seed, 0.9]))
    const other = new Map([0.91, 0.92, 0.93, 0.94, 0.95].map((value, seed) => [seed, value]))
    const { pairs, mean, interval } = pairedDifference(other, plain)
    // differences .01 to .05: mean .03, deviation sqrt(.001 / 4) = .0158, t(4) = 2.776, half width .0196
    expect([pairs, mean.toFixed(4), interval?.low.toFixed(4), interval?.high.toFixed(4)]).toEqual([5, '0.0300', '0.0104', '0.0496'])
  })

  it('pairs seeds that both have, and says nothing of one pair', () => {
    const { pairs, interval } = pairedDifference(
      new Map([
        [0, 1],
        [7, 5],
      ]),
      new Map([
        [7, 3],
        [8, 0],
      ]),
    )
    expect({ pairs, interval }).toEqual({ pairs: 1, interval: null })
  })

  it('does not care where both start from: a shift of all seeds changes nothing', () => {
    const values = (shift: number) =>
      new Map([
        [0, 0.8 + shift],
        [1, 0.7 + shift],
        [2, 0.9 + shift],
      ])
    const other = (shift: number) =>
      new Map([
        [0, 0.82 + shift],
        [1, 0.75 + shift],
        [2, 0.91 + shift],
      ])
    const [first, moved] = [pairedDifference(other(0), values(0)), pairedDifference(other(5), values(5))]
    expect(moved.mean).toBeCloseTo(first.mean, 10)
    expect(moved.interval?.low).toBeCloseTo(first.interval?.low ?? 0, 10)
  })
})
