/** Frames of encapsulated pixel data: every form of offset table that PS3.5 A.4 knows, and none. */
import { describe, expect, it } from 'vitest'
import { findEncapsulatedFrames, findNativePixels } from '../../src/dicom/find-frames.ts'
import { type DicomFile, readPart10 } from '../../src/dicom/read-part10.ts'
import { buildPart10, EXPLICIT, IMAGE, type SyntheticDataset } from '../support/synthetic-dicom.ts'

const JPEG = '1.2.840.10008.1.2.4.50'
const soi = (...rest: number[]): Uint8Array => Uint8Array.of(0xff, 0xd8, 0xff, ...rest)
/** Two frames in five fragments: [a1 a2 a3] [b1 b2]; the last of each ends with EOI. */
const a1 = soi(1)
const a2 = Uint8Array.of(2, 2)
const a3 = Uint8Array.of(3, 0xff, 0xd9, 0)
const b1 = soi(4)
const b2 = Uint8Array.of(5, 5, 0xff, 0xd9)
const fragments = [a1, a2, a3, b1, b2]
const frames = [Uint8Array.of(...a1, ...a2, ...a3), Uint8Array.of(...b1, ...b2)]
/** Items before b1: three headers of 8 bytes and 4 + 2 + 4 bytes. */
const OFFSET_OF_B = 3 * 8 + 4 + 2 + 4

const file = (offsets: readonly number[], parts: readonly Uint8Array[], more: SyntheticDataset = {}): DicomFile =>
  readPart10(buildPart10({ transferSyntaxUid: JPEG, dataset: { ...IMAGE, ...more }, encapsulated: { offsets, fragments: parts } }))

const longs = (...values: bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(values).buffer)

describe('findEncapsulatedFrames', () => {
  it('joins all fragments of a single frame', () => {
    expect(findEncapsulatedFrames(file([], [a1, a2, a3]), 1)).toEqual([frames[0]])
  })

  it('takes one fragment a frame where their numbers agree', () => {
    expect(findEncapsulatedFrames(file([], [a1, b1]), 2)).toEqual([a1, b1])
  })

  it('follows the Basic Offset Table', () => {
    expect(findEncapsulatedFrames(file([0, OFFSET_OF_B], fragments), 2)).toEqual(frames)
  })

  it('follows the Extended Offset Table', () => {
    const more = { ExtendedOffsetTable: longs(0n, BigInt(OFFSET_OF_B)), ExtendedOffsetTableLengths: longs(10n, 8n) }
    expect(findEncapsulatedFrames(file([], fragments, more), 2)).toEqual(frames)
  })

  it('finds where codestreams begin where there is no table', () => {
    expect(findEncapsulatedFrames(file([], fragments), 2)).toEqual(frames)
  })

  it('does not take the magic inside an open codestream for a new frame', () => {
    const inside = [soi(1), soi(9), Uint8Array.of(3, 0xff, 0xd9, 0), b1, b2]
    expect(findEncapsulatedFrames(file([], inside), 2).map(({ length }) => length)).toEqual([12, 8])
  })

  it('accepts fragments of no bytes', () => {
    expect(findEncapsulatedFrames(file([], [new Uint8Array(0), a1, a2, a3]), 1)).toEqual([frames[0]])
  })

  it.each([
    ['more frames are claimed than fragments are there', [], [a1, b1], 3, { expected: 3, actual: 2 }],
    ['more frames are claimed than codestreams begin', [], fragments, 4, { expected: 4, actual: 2 }],
    ['the table has another length', [0], fragments, 2, { expected: 2, actual: 1 }],
    ['the table points between items', [0, OFFSET_OF_B + 2], fragments, 2, { expected: 2, actual: 1 }],
    ['the table does not begin at the first fragment', [12, OFFSET_OF_B], fragments, 2, { expected: 2, actual: 2 }],
    ['the table names one fragment twice', [0, 0], fragments, 2, { expected: 2, actual: 1 }],
  ])('refuses pixels where %s', (_, offsets, parts, claimed, facts) => {
    expect(() => findEncapsulatedFrames(file(offsets, parts), claimed)).toThrow(expect.objectContaining({ code: 'frame-count-mismatch', facts }))
  })

  it('refuses pixels without a byte', () => {
    expect(() => findEncapsulatedFrames(file([], []), 1)).toThrow(expect.objectContaining({ code: 'pixel-data-missing' }))
    expect(() => findEncapsulatedFrames(file([], [new Uint8Array(0)]), 1)).toThrow(expect.objectContaining({ code: 'pixel-data-missing' }))
  })
})

describe('findNativePixels', () => {
  it('gives the pixels as stored', () => {
    const native = readPart10(buildPart10({ dataset: { ...IMAGE, PixelData: Uint8Array.of(1, 2, 3, 4) } }))
    expect(findNativePixels(native)).toEqual(Uint8Array.of(1, 2, 3, 4))
    expect(findNativePixels(file([], [a1]))).toBeUndefined()
  })

  it('refuses a file whose pixels are encoded otherwise than its transfer syntax says', () => {
    const encapsulated = readPart10(buildPart10({ transferSyntaxUid: EXPLICIT, dataset: IMAGE, encapsulated: { offsets: [], fragments: [a1] } }))
    const native = readPart10(buildPart10({ transferSyntaxUid: JPEG, dataset: { ...IMAGE, PixelData: Uint8Array.of(1, 2) } }))
    for (const wrong of [encapsulated, native]) expect(() => findNativePixels(wrong)).toThrow(expect.objectContaining({ code: 'attributes-inconsistent' }))
  })
})
