import { expect, it } from 'vitest'
import { statisticsOf } from '../../src/tensor/grid-statistics.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'

it('states extremes with their places, mean, deviation and sum, worked by hand', () => {
  const grid = tensorOf(Float32Array.of(1, -2, 3, 3, 0, 1), [2, 3])
  // Sum 6, mean 1; squares of the distances 0 + 9 + 4 + 4 + 1 + 0 = 18 over 6.
  expect(statisticsOf(grid)).toEqual({ min: -2, max: 3, mean: 1, standardDeviation: Math.sqrt(3), sum: 6, lowest: { row: 0, column: 1 }, highest: { row: 0, column: 2 } })
})

it('of equal values have no deviation, and their place is the first', () => {
  const place = { row: 0, column: 0 }
  expect(statisticsOf(tensorOf(new Float32Array(4).fill(0.5), [2, 2]))).toEqual({ min: 0.5, max: 0.5, mean: 0.5, standardDeviation: 0, sum: 2, lowest: place, highest: place })
})

it('are summed in float64: a million small values keep their sum', () => {
  const value = Math.fround(0.1)
  expect(statisticsOf(tensorOf(new Float32Array(1_000_000).fill(value), [1000, 1000])).sum).toBeCloseTo(1_000_000 * value, 4)
})
