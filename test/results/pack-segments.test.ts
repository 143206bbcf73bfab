import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { packSegments } from '../../src/results/pack-segments.ts'

describe('packSegments', () => {
  it('lets the second frame begin inside a byte, least significant bit first, worked out by hand', () => {
    // Labels a b a: frame a is 101, frame b is 010, so bits 0, 2 and 4 of six are set.
    expect([...packSegments(Int16Array.of(7, 9, 7), [7, 9])]).toEqual([0b0001_0101])
  })

  it('keeps every pixel of frames of any size, in any order of values, and none of labels that are no segment', () => {
    const labels = fc.array(fc.integer({ min: -1, max: 5 }), { minLength: 1, maxLength: 60 })
    fc.assert(
      fc.property(labels, fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { minLength: 1 }), (pixels, values) => {
        const packed = packSegments(Int16Array.from(pixels), values)
        expect(packed.length).toBe(Math.ceil((pixels.length * values.length) / 8))
        const expected = values.flatMap((value) => pixels.map((label) => label === value))
        for (let bit = 0; bit < packed.length * 8; bit++) expect(((packed[bit >> 3]! >> (bit & 7)) & 1) === 1).toBe(expected[bit] ?? false)
      }),
    )
  })
})
