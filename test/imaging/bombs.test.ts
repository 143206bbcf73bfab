/** Small files that claim to be huge: refused before memory is reserved for what they claim, and loaders that nobody asked for stay closed. */
import { deflateRawSync } from 'node:zlib'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { encodeFrame } from '../support/encode-frame.ts'
import { buildGray16, buildPart10, DEFLATED, IMAGE } from '../support/synthetic-dicom.ts'
import { buildPng } from '../support/synthetic-png.ts'

const MiB = 1024 * 1024

/** Bytes outside the JavaScript heap, buffers among them, that decoding needed and nobody has collected. */
const outsideHeap = (): number => process.memoryUsage().external

const jpegHeader = (rows: number, columns: number): Buffer =>
  Buffer.from([0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, rows >> 8, rows & 0xff, columns >> 8, columns & 0xff, 1, 1, 0x11, 0, 0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0, 0xff, 0xd9])

const inJpeg2000 = async (): Promise<Uint8Array> => {
  const frame = { rows: 8, columns: 8, samplesPerPixel: 1, bitsAllocated: 16, bitsStored: 16, isSigned: false, bytes: new Uint8Array(128) } as const
  const stream = Buffer.from(await encodeFrame(frame, '1.2.840.10008.1.2.4.90'))
  // Xsiz, Ysiz, XTsiz and YTsiz: one tile of all of it
  for (const at of [8, 12, 24, 28]) stream.writeUInt32BE(60_000, at)
  return buildPart10({ transferSyntaxUid: '1.2.840.10008.1.2.4.90', dataset: { ...IMAGE, Rows: 8, Columns: 8 }, encapsulated: { offsets: [], fragments: [stream] } })
}

describe('a file that claims to be huge', () => {
  it.each([
    ['a PNG of 196 megapixels', async () => buildPng({ width: 14_000, height: 14_000, bitDepth: 1, colorType: 0, rows: [[0]] }), 'image-too-large'],
    ['a PNG of 2^31 - 1 columns and rows', async () => buildPng({ width: 2 ** 31 - 1, height: 2 ** 31 - 1, bitDepth: 8, colorType: 0, rows: [[0]] }), 'image-too-large'],
    ['a JPEG of 65,535 columns and rows', async () => jpegHeader(65_535, 65_535), 'image-too-large'],
    ['a DICOM of 65,535 columns and rows', async () => buildGray16([1, 2], 2, { Rows: 65_535, Columns: 65_535 }), 'image-too-large'],
    ['a DICOM of 512 frames of 64 megapixels', async () => buildGray16([1, 2], 2, { Rows: 8192, Columns: 8192, NumberOfFrames: '512' }), 'pixel-data-truncated'],
    ['a JPEG 2000 codestream of 60,000 columns and rows', inJpeg2000, 'codestream-mismatch'],
    [
      'a deflated data set of 64 MiB',
      async () => Buffer.concat([buildPart10({ transferSyntaxUid: DEFLATED, dataset: {} }).slice(0, -2), deflateRawSync(Buffer.alloc(64 * MiB))]),
      'dicom-too-large',
    ],
  ])('(%s) is refused for a few bytes', async (_, build, code) => {
    const bytes = await build()
    const before = outsideHeap()
    await expect(decodeImage(bytes, { frame: 1 })).rejects.toMatchObject({ code })
    expect(outsideHeap() - before).toBeLessThan(32 * MiB)
  })
})

it('leaves no loader of sharp open but those of PNG and JPEG', async () => {
  const gif = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64')
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>')
  const tiff = Buffer.from('49492a000800000000000000', 'hex')
  const webp = Buffer.from('UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==', 'base64')
  for (const bytes of [gif, svg, tiff, webp]) await expect(sharp(bytes).metadata()).rejects.toThrow(/unsupported|blocked|format/)
})
