import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Keys, mergeKeys } from '../../src/infer/merge-keys.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'

/** What one head's query gets from the keys that it may see, by plain sums in float64. */
const attend = ({ scores, values }: Keys, head: number, isSeen: (key: number) => boolean): number[] => {
  const [, keys = 0, width = 0] = values.shape
  const weights = Array.from({ length: keys }, (_, key) => (isSeen(key) ? Math.exp(scores.data[head * keys + key]!) : 0))
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return Array.from({ length: width }, (_, unit) => weights.reduce((total, weight, key) => total + (weight / sum) * values.data[(head * keys + key) * width + unit]!, 0))
}

describe('merged keys', () => {
  const HEADS = 2
  const KEYS = 9
  const WIDTH = 3
  const COUNT = 4

  it('give what all keys give, whichever groups are seen', () => {
    const numbers = (length: number, size: number) => fc.array(fc.double({ min: -size, max: size, noNaN: true }), { minLength: length, maxLength: length })
    const groups = fc.array(fc.integer({ min: 0, max: COUNT - 1 }), { minLength: KEYS, maxLength: KEYS })
    fc.assert(
      fc.property(numbers(HEADS * KEYS, 8), numbers(HEADS * KEYS * WIDTH, 2), groups, fc.integer({ min: 0, max: 2 ** COUNT - 1 }), (scores, values, group, set) => {
        const isGroupSeen = (index: number): boolean => index === group[0] || ((set >> index) & 1) === 1
        const keys = { scores: tensorOf(Float32Array.from(scores), [HEADS, KEYS]), values: tensorOf(Float32Array.from(values), [HEADS, KEYS, WIDTH]) }
        const merged = mergeKeys(keys, Int32Array.from(group), COUNT)
        expect([merged.scores.shape, merged.values.shape]).toEqual([
          [HEADS, COUNT],
          [HEADS, COUNT, WIDTH],
        ])
        for (const head of [0, 1]) {
          const expected = attend(keys, head, (key) => isGroupSeen(group[key]!))
          attend(merged, head, isGroupSeen).forEach((value, unit) => {
            expect(Math.abs(value - expected[unit]!)).toBeLessThan(2e-6)
          })
        }
      }),
    )
  })

  it('keep scores of any size finite', () => {
    const keys = { scores: tensorOf(Float32Array.of(900, 899, -900), [1, 3]), values: tensorOf(Float32Array.of(1, 2, 3), [1, 3, 1]) }
    const { scores, values } = mergeKeys(keys, Int32Array.of(0, 0, 1), 2)
    // log(e^900 + e^899) = 900 + log(1 + 1/e); the mean of 1 and 2 by weights 1 and 1/e.
    expect(scores.data[0]).toBeCloseTo(900 + Math.log1p(Math.exp(-1)), 3)
    expect(scores.data[1]).toBe(-900)
    expect(values.data[0]).toBeCloseTo((1 + 2 * Math.exp(-1)) / (1 + Math.exp(-1)), 6)
    expect(values.data[1]).toBe(3)
  })

  it('refuse groups that are not one a key', () => {
    const keys = { scores: tensorOf(new Float32Array(3), [1, 3]), values: tensorOf(new Float32Array(3), [1, 3, 1]) }
    expect(() => mergeKeys(keys, Int32Array.of(0, 1), 2)).toThrow(expect.objectContaining({ code: 'shape-mismatch' }))
  })
})
