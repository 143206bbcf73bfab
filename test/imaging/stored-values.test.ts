/** Bytes to stored values and back: every allocation, any high bit, either sign, both byte orders. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PixelDescription } from '../../src/imaging/read-pixel-description.ts'
import { allocateValues, dtypeOf, LITTLE_ENDIAN, unpackNativeFrame } from '../../src/imaging/stored-values.ts'

const describePixels = (more: Partial<PixelDescription>): PixelDescription => ({
  rows: 1,
  columns: 4,
  samplesPerPixel: 1,
  photometricInterpretation: 'MONOCHROME2',
  bitsAllocated: 16,
  bitsStored: 16,
  highBit: 15,
  isSigned: false,
  planarConfiguration: 0,
  numberOfFrames: 1,
  ...more,
})

const unpack = (bytes: readonly number[], more: Partial<PixelDescription>, frame = 1): number[] =>
  Array.from(unpackNativeFrame(Uint8Array.from(bytes), describePixels(more), frame, LITTLE_ENDIAN))

describe('unpackNativeFrame', () => {
  it('masks what lies above the bits stored, overlays among it, and extends the sign', () => {
    // 0xF7FF: overlay bits 1111, stored 0x7FF; 0xF800: stored 0x800, the lowest of 12 signed bits
    expect(unpack([0xff, 0xf7, 0x00, 0xf8], { columns: 2, bitsStored: 12, highBit: 11, isSigned: true })).toEqual([2047, -2048])
    expect(unpack([0xff, 0xf7, 0x00, 0xf8], { columns: 2, bitsStored: 12, highBit: 11 })).toEqual([2047, 2048])
  })

  it('shifts down from a high bit that is not the last of the bits stored', () => {
    // 12 bits in the upper part of 16: 0x1230 is 0x123, the low digit is no part of the value
    expect(unpack([0x3f, 0x12, 0xf0, 0xff], { columns: 2, bitsStored: 12, highBit: 15 })).toEqual([0x123, 0xfff])
    expect(unpack([0x3f, 0x12, 0xf0, 0xff], { columns: 2, bitsStored: 12, highBit: 15, isSigned: true })).toEqual([0x123, -1])
  })

  it('reads 1-bit pixels from the lowest bit on, frames not padded to bytes', () => {
    // two frames of 5 pixels: 10110 01001 in reading order is 0b00101101 0b10 least significant first
    const bits = { columns: 5, bitsAllocated: 1, bitsStored: 1, highBit: 0, numberOfFrames: 2 } as const
    const bytes = [0b0100_1101, 0b10]
    expect(unpack(bytes, bits, 1)).toEqual([1, 0, 1, 1, 0])
    expect(unpack(bytes, bits, 2)).toEqual([0, 1, 0, 0, 1])
  })

  it('reads 24 and 32 bits', () => {
    expect(unpack([1, 2, 3, 0xff, 0xff, 0xff], { columns: 2, bitsAllocated: 24, bitsStored: 24, highBit: 23, isSigned: true })).toEqual([0x030201, -1])
    expect(unpack([1, 0, 0, 0x80], { columns: 1, bitsAllocated: 32, bitsStored: 32, highBit: 31 })).toEqual([2 ** 31 + 1])
    expect(unpack([1, 0, 0, 0x80], { columns: 1, bitsAllocated: 32, bitsStored: 32, highBit: 31, isSigned: true })).toEqual([-(2 ** 31) + 1])
  })

  it('lays planes side by side', () => {
    const planar = { columns: 2, samplesPerPixel: 3, photometricInterpretation: 'RGB', bitsAllocated: 8, bitsStored: 8, highBit: 7 } as const
    expect(unpack([1, 2, 3, 4, 5, 6], { ...planar, planarConfiguration: 1 })).toEqual([1, 3, 5, 2, 4, 6])
    expect(unpack([1, 2, 3, 4, 5, 6], planar)).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('repeats the chroma of 4:2:2 for both of its pixels', () => {
    const subsampled = { columns: 2, samplesPerPixel: 3, photometricInterpretation: 'YBR_FULL_422', bitsAllocated: 8, bitsStored: 8, highBit: 7 } as const
    expect(unpack([10, 20, 30, 40], subsampled)).toEqual([10, 30, 40, 20, 30, 40])
    expect(() => unpack([10, 20, 30, 40], { ...subsampled, columns: 3 })).toThrow(expect.objectContaining({ code: 'attributes-inconsistent' }))
  })

  it('turns big endian words, those of OW with 8-bit samples too', () => {
    const eight = describePixels({ bitsAllocated: 8, bitsStored: 8, highBit: 7 })
    expect(Array.from(unpackNativeFrame(Uint8Array.of(1, 2, 3, 4), eight, 1, { bigEndian: true, words: true }))).toEqual([2, 1, 4, 3])
    expect(Array.from(unpackNativeFrame(Uint8Array.of(1, 2, 3, 4), eight, 1, { bigEndian: true, words: false }))).toEqual([1, 2, 3, 4])
    const sixteen = describePixels({ columns: 2 })
    expect(Array.from(unpackNativeFrame(Uint8Array.of(1, 2, 3, 4), sixteen, 1, { bigEndian: true, words: true }))).toEqual([0x0102, 0x0304])
  })

  it('refuses pixels that are too few for all frames, whichever is asked for', () => {
    expect(() => unpack([1, 2, 3, 4], { columns: 2, numberOfFrames: 2 })).toThrow(
      expect.objectContaining({ code: 'pixel-data-truncated', facts: { expectedBytes: 8, actualBytes: 4 } }),
    )
  })

  it('gives back every value that was packed, for any bits, sign and order', () => {
    const format = fc
      .constantFrom(8, 16, 24, 32)
      .chain((bitsAllocated) =>
        fc
          .integer({ min: 1, max: bitsAllocated })
          .chain((bitsStored) => fc.integer({ min: bitsStored - 1, max: bitsAllocated - 1 }).map((highBit) => ({ bitsAllocated, bitsStored, highBit }))),
      )
    fc.assert(
      fc.property(
        format,
        fc.boolean(),
        fc.boolean(),
        fc.array(fc.nat({ max: 2 ** 31 - 1 }), { minLength: 1, maxLength: 20 }),
        fc.nat(),
        (bits, isSigned, bigEndian, raw, noise) => {
          const description = describePixels({ ...bits, isSigned, columns: raw.length } as Partial<PixelDescription>)
          const range = 2 ** bits.bitsStored
          const values = raw.map((value) => (value % range) - (isSigned && value % range >= range / 2 ? range : 0))
          const bytes = packValues(values, bits, bigEndian, noise)
          expect(Array.from(unpackNativeFrame(bytes, description, 1, { bigEndian, words: false }))).toEqual(values)
        },
      ),
      { numRuns: 500 },
    )
  })
})

/** Values in the bits from highBit down, noise in all others; BigInt arithmetic, which the code under test does not use. */
function packValues(
  values: readonly number[],
  { bitsAllocated, bitsStored, highBit }: { bitsAllocated: number; bitsStored: number; highBit: number },
  bigEndian: boolean,
  noise: number,
): Uint8Array {
  const size = bitsAllocated / 8
  const shift = BigInt(highBit + 1 - bitsStored)
  const mask = ((1n << BigInt(bitsStored)) - 1n) << shift
  const bytes = new Uint8Array(values.length * size)
  values.forEach((value, i) => {
    const cell = ((BigInt(value) << shift) & mask) | (BigInt(noise) & ~mask)
    for (let j = 0; j < size; j++) bytes[i * size + (bigEndian ? size - 1 - j : j)] = Number((cell >> BigInt(8 * j)) & 0xffn)
  })
  return bytes
}

describe('allocateValues', () => {
  it.each([
    [1, false, 'uint8'],
    [8, true, 'int8'],
    [16, false, 'uint16'],
    [16, true, 'int16'],
    [24, false, 'uint32'],
    [32, true, 'int32'],
  ] as const)('takes for %i bits, signed %s, the type %s', (bitsAllocated, isSigned, dtype) => {
    expect(dtypeOf(allocateValues(describePixels({ bitsAllocated, isSigned }), 1))).toBe(dtype)
  })
})
