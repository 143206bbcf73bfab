/** Headers of codestreams: read before a decoder sees them, and held against the data set. */
import { describe, expect, it } from 'vitest'
import { openDicom } from '../../src/imaging/decode-dicom.ts'
import { readCodestream } from '../../src/imaging/read-codestream.ts'
import { encodeFrame, type FrameToEncode } from '../support/encode-frame.ts'
import { buildPart10, IMAGE, type SyntheticDataset } from '../support/synthetic-dicom.ts'

const COLOR: FrameToEncode = {
  rows: 5,
  columns: 7,
  samplesPerPixel: 3,
  bitsAllocated: 8,
  bitsStored: 8,
  isSigned: false,
  bytes: Uint8Array.from({ length: 105 }, (_, i) => (i * 37) % 256),
}
const GRAY12: FrameToEncode = {
  rows: 5,
  columns: 7,
  samplesPerPixel: 1,
  bitsAllocated: 16,
  bitsStored: 12,
  isSigned: false,
  bytes: new Uint8Array(Uint16Array.from({ length: 35 }, (_, i) => (i * 117) % 4096).buffer),
}

const JPEG_LOSSLESS = '1.2.840.10008.1.2.4.70'
const JPEG_LS = '1.2.840.10008.1.2.4.80'
const JPEG_2000 = '1.2.840.10008.1.2.4.90'
const HTJ2K = '1.2.840.10008.1.2.4.201'
const CODECS = [
  ['jpeg', '1.2.840.10008.1.2.4.50'],
  ['jpeg', JPEG_LOSSLESS],
  ['jpeg-ls', JPEG_LS],
  ['jpeg-2000', JPEG_2000],
  ['htj2k', HTJ2K],
] as const

describe('readCodestream', () => {
  it.each(CODECS)('reads %s as %s writes it', async (codec, uid) => {
    expect(readCodestream(await encodeFrame(COLOR, uid), codec)).toMatchObject({ rows: 5, columns: 7, components: 3, precision: 8 })
  })

  // the tests' encoder writes the bits allocated into JPEG-LS and HTJ2K, the bits stored into the others
  it.each([
    ['jpeg', JPEG_LOSSLESS, 12],
    ['jpeg-ls', JPEG_LS, 16],
    ['jpeg-2000', JPEG_2000, 12],
    ['htj2k', HTJ2K, 16],
  ] as const)('reads the precision of %s', async (codec, uid, precision) => {
    expect(readCodestream(await encodeFrame(GRAY12, uid), codec)).toMatchObject({ components: 1, precision, isPlanar: false, isColorTransformed: false })
  })

  it('reads a JPEG 2000 stream inside the boxes of a JP2 file', async () => {
    const stream = await encodeFrame(GRAY12, JPEG_2000)
    const signature = Buffer.from('0000000c6a5020200d0a870a', 'hex')
    const box = Buffer.alloc(8)
    box.writeUInt32BE(stream.length + 8, 0)
    box.write('jp2c', 4, 'latin1')
    expect(readCodestream(Buffer.concat([signature, box, stream]), 'jpeg-2000')).toMatchObject({ rows: 5, columns: 7 })
  })

  it.each(CODECS)('gives nothing for a %s stream (%s) that is cut off in its header', async (codec, uid) => {
    const stream = await encodeFrame(COLOR, uid)
    for (const length of [0, 1, 2, 3, 4, 10, 18]) expect(readCodestream(stream.subarray(0, length), codec)).toBeUndefined()
  })

  it('gives nothing for tiles of no size, more tiles than JPEG 2000 numbers, or subsampled components', async () => {
    const stream = await encodeFrame(GRAY12, JPEG_2000)
    const spoil = (at: number, ...bytes: number[]): Uint8Array => stream.map((byte, i) => bytes[i - at] ?? byte)
    expect(readCodestream(spoil(24, 0, 0, 0, 0), 'jpeg-2000')).toBeUndefined()
    expect(readCodestream(spoil(8, 0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1), 'jpeg-2000')).toBeUndefined()
    expect(readCodestream(spoil(43, 2), 'jpeg-2000')).toBeUndefined()
  })

  // found by fuzzing: with TEM in front of a segment the JPEG lossless decoder did not come back
  it.each([
    ['TEM in its header', 0x01, 2],
    ['a reserved marker in its header', 0x02, 2],
    ['a restart in its header', 0xd0, 2],
    ['a second start in its header', 0xd8, 2],
    ['TEM in its coded data', 0x01, -12],
    ['a reserved marker in its coded data', 0xbf, -12],
  ])('gives nothing for a JPEG with %s', async (_, marker, at) => {
    const stream = await encodeFrame(GRAY12, JPEG_LOSSLESS)
    const cut = at < 0 ? stream.length + at : at
    const spoilt = Buffer.concat([stream.subarray(0, cut), Buffer.from([0xff, marker]), stream.subarray(cut)])
    expect(readCodestream(stream, 'jpeg')).toBeDefined()
    expect(readCodestream(spoilt, 'jpeg')).toBeUndefined()
  })

  // found by fuzzing: the JPEG-LS decoder does not come back from a stream whose end was damaged too
  it.each([
    ['jpeg', JPEG_LOSSLESS],
    ['jpeg-ls', JPEG_LS],
  ] as const)('gives nothing for a %s stream without its end', async (codec, uid) => {
    const stream = await encodeFrame(GRAY12, uid)
    expect(readCodestream(stream.subarray(0, stream.lastIndexOf(0xff)), codec)).toBeUndefined()
  })

  it('takes restarts and stuffed bytes for coded data, and JPEG-LS for what stuffs otherwise', async () => {
    const insert = (stream: Uint8Array, ...bytes: number[]): Uint8Array => Buffer.concat([stream.subarray(0, -12), Buffer.from(bytes), stream.subarray(-12)])
    const jpeg = await encodeFrame(GRAY12, JPEG_LOSSLESS)
    for (const next of [0x00, 0xd0, 0xd7]) expect(readCodestream(insert(jpeg, 0xff, next), 'jpeg')).toEqual(readCodestream(jpeg, 'jpeg'))
    const jpegLs = await encodeFrame(GRAY12, JPEG_LS)
    for (const next of [0x00, 0x01, 0x7f]) expect(readCodestream(insert(jpegLs, 0xff, next), 'jpeg-ls')).toEqual(readCodestream(jpegLs, 'jpeg-ls'))
  })

  // found by fuzzing: with YTOsiz 8 over an image that begins at 0 the HTJ2K decoder did not come back
  it.each([
    ['ends before it begins', 16, 7],
    ['begins before its first tile, across', 32, 1],
    ['begins before its first tile, down', 36, 8],
    ['begins behind its first tile', 24, 3, 20],
  ])('gives nothing for an image that %s', async (_, at, value, origin = 0) => {
    const stream = Buffer.from(await encodeFrame(GRAY12, HTJ2K))
    stream.writeUInt32BE(value, at)
    if (origin > 0) {
      // move the image to the right of its first tile, its size unchanged
      stream.writeUInt32BE(origin, 16)
      stream.writeUInt32BE(origin + 7, 8)
    }
    expect(readCodestream(stream, 'htj2k')).toBeUndefined()
  })
})

describe('a codestream beside its data set', () => {
  const file = async (frame: FrameToEncode, uid: string, more: SyntheticDataset): Promise<Uint8Array> =>
    buildPart10({
      transferSyntaxUid: uid,
      dataset: { ...IMAGE, Rows: frame.rows, Columns: frame.columns, BitsAllocated: frame.bitsAllocated, BitsStored: frame.bitsStored, HighBit: frame.bitsStored - 1, ...more },
      encapsulated: { offsets: [], fragments: [await encodeFrame(frame, uid)] },
    })

  it.each([
    ['Rows', { Rows: 6 }, 6, 5],
    ['Columns', { Columns: 70 }, 70, 7],
  ])('is refused where %s differ', async (attribute, more, dataset, codestream) => {
    for (const uid of [JPEG_LOSSLESS, JPEG_LS, JPEG_2000, HTJ2K]) {
      const { decodeFrame } = openDicom(await file(GRAY12, uid, more))
      await expect(decodeFrame(1)).rejects.toMatchObject({ code: 'codestream-mismatch', facts: { attribute, dataset, codestream } })
    }
  })

  it('is refused where it has other components, or more bits than are allocated', async () => {
    const color = openDicom(await file(COLOR, JPEG_LS, {}))
    await expect(color.decodeFrame(1)).rejects.toMatchObject({ code: 'codestream-mismatch', facts: { attribute: 'SamplesPerPixel', dataset: 1, codestream: 3 } })
    const deep = openDicom(await file(GRAY12, JPEG_LS, { BitsAllocated: 8, BitsStored: 8, HighBit: 7 }))
    await expect(deep.decodeFrame(1)).rejects.toMatchObject({ code: 'codestream-mismatch', facts: { attribute: 'BitsAllocated', dataset: 8, codestream: 16 } })
  })

  it('is refused where it is none', async () => {
    const nothing = buildPart10({ transferSyntaxUid: JPEG_2000, dataset: IMAGE, encapsulated: { offsets: [], fragments: [new Uint8Array(64).fill(0xaa)] } })
    await expect(openDicom(nothing).decodeFrame(1)).rejects.toMatchObject({ code: 'codec-failed', facts: { transferSyntaxUid: JPEG_2000 } })
  })

  it.each(CODECS.slice(1))('leaves the next frame alone where it is damaged (%s, %s)', async (_, uid) => {
    const good = await encodeFrame(GRAY12, uid)
    const dataset: SyntheticDataset = { ...IMAGE, Rows: 5, Columns: 7, BitsStored: 12, HighBit: 11 }
    const open = (fragment: Uint8Array): ReturnType<typeof openDicom> =>
      openDicom(buildPart10({ transferSyntaxUid: uid, dataset, encapsulated: { offsets: [], fragments: [fragment] } }))
    const before = (await open(good).decodeFrame(1)).values
    // five damages behind the header, each decoded or refused, then the good one again
    for (let i = 1; i <= 5; i++) {
      const at = Math.floor((good.length * (i + 3)) / 9)
      const bad = good.map((byte, j) => (j >= at && j < at + 4 ? byte ^ 0x5a : byte))
      await open(bad)
        .decodeFrame(1)
        .catch((error: unknown) => expect(error).toMatchObject({ name: 'Problem' }))
      expect((await open(good).decodeFrame(1)).values).toEqual(before)
    }
  })
})
