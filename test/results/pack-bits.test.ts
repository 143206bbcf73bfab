import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { packBits } from '../../src/results/pack-bits.ts'

describe('packBits', () => {
  it('lets the second frame begin inside a byte, least significant bit first, worked out by hand', () => {
    // Frames 101 and 011 of three pixels: bits 0, 2, 4, 5 are set, 0b0011_0101.
    const frames = ['101', '011']
    expect([...packBits(2, 3, (frame, pixel) => frames[frame]![pixel] === '1')]).toEqual([0b0011_0101])
  })

  it('keeps every pixel of frames of any size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 40 }), fc.array(fc.boolean(), { minLength: 200, maxLength: 200 }), (frames, pixels, bits) => {
        const packed = packBits(frames, pixels, (frame, pixel) => bits[frame * pixels + pixel]!)
        expect(packed.length).toBe(Math.ceil((frames * pixels) / 8))
        for (let i = 0; i < packed.length * 8; i++) expect(((packed[i >> 3]! >> (i & 7)) & 1) === 1).toBe(i < frames * pixels && bits[i])
      }),
    )
  })
})
