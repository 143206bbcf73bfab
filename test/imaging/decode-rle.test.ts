/** RLE by hand and by the encoder of another library. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeRle } from '../../src/imaging/decode-rle.ts'
import { encodeFrame } from '../support/encode-frame.ts'

/** The header of PS3.5 G.4: the number of segments, then where each begins. */
function buildFrame(...segments: readonly (readonly number[])[]): Uint8Array {
  const header = Buffer.alloc(64)
  header.writeUInt32LE(segments.length, 0)
  segments.forEach((_, i) => {
    header.writeUInt32LE(64 + segments.slice(0, i).reduce((sum, { length }) => sum + length, 0), 4 + 4 * i)
  })
  return new Uint8Array(Buffer.concat([header, ...segments.map((segment) => Buffer.from(segment))]))
}

const eight = (pixels: number): { pixels: number; samplesPerPixel: number; bytesPerSample: number } => ({ pixels, samplesPerPixel: 1, bytesPerSample: 1 })

describe('decodeRle', () => {
  it('unpacks literal and replicate runs, and skips the control byte 128 (PS3.5 G.3.2)', () => {
    // 2 literals, 128 for nothing, 3 times the byte 9, one pad byte behind a full plane
    expect(decodeRle(buildFrame([1, 7, 8, 128, 254, 9, 0]), eight(5))).toEqual(Uint8Array.of(7, 8, 9, 9, 9))
  })

  it('weaves byte planes, the most significant first, into little endian samples', () => {
    // one pixel 0x1234 of three samples each: 12 34 | 56 78 | 9a bc
    const frame = buildFrame([0, 0x12], [0, 0x34], [0, 0x56], [0, 0x78], [0, 0x9a], [0, 0xbc])
    expect(decodeRle(frame, { pixels: 1, samplesPerPixel: 3, bytesPerSample: 2 })).toEqual(Uint8Array.of(0x34, 0x12, 0x78, 0x56, 0xbc, 0x9a))
  })

  it('gives back what another encoder packed', async () => {
    const pixel = fc.nat({ max: 3 }).map((level) => level * 85) // few levels make runs
    await fc.assert(
      fc.asyncProperty(fc.array(pixel, { minLength: 1, maxLength: 300 }), async (values) => {
        const bytes = Uint8Array.from(values)
        const frame = { rows: 1, columns: values.length, samplesPerPixel: 1, bitsAllocated: 8, bitsStored: 8, isSigned: false, bytes } as const
        expect(decodeRle(await encodeFrame(frame, '1.2.840.10008.1.2.5'), eight(values.length))).toEqual(bytes)
      }),
    )
  })

  it.each([
    ['is shorter than its header', new Uint8Array(63), 1],
    ['counts more segments than there are planes', buildFrame([0, 1], [0, 2]), 1],
    ['has a segment that begins behind its end', buildFrame([0, 1]).map((byte, i) => (i === 4 ? 200 : byte)), 1],
    ['has a segment that begins inside its header', buildFrame([0, 1]).map((byte, i) => (i === 4 ? 10 : byte)), 1],
    ['has a run that is longer than its plane', buildFrame([250, 1]), 3],
    ['has a literal run that is longer than its segment', buildFrame([5, 1, 2]), 6],
    ['ends before its plane is full', buildFrame([0, 1]), 2],
  ])('refuses a frame that %s', (_, frame, pixels) => {
    expect(() => decodeRle(frame, eight(pixels))).toThrow(expect.objectContaining({ code: 'codec-failed' }))
  })
})
