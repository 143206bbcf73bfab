/** Uploads of every kind: what they decode to, and what they are refused for. */
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { toDisplayImage } from '../../src/imaging/to-display-image.ts'
import { BIG_ENDIAN, buildGray16, DEFLATED, EXPLICIT, IMPLICIT } from '../support/synthetic-dicom.ts'
import { buildGray16Png, buildPng } from '../support/synthetic-png.ts'

const FIRST = { frame: 1 }

describe('a DICOM image of 16 bits', () => {
  const values = [0, 100, 200, 300, 400, 500]

  it.each([
    ['implicit little endian', IMPLICIT],
    ['explicit little endian', EXPLICIT],
    ['explicit big endian', BIG_ENDIAN],
    ['deflated', DEFLATED],
  ])('is the same picture in %s', async (_, transferSyntaxUid) => {
    const { image, source } = await decodeImage(buildGray16(values, 3, {}, { transferSyntaxUid }), FIRST)
    expect(image.pixels.shape).toEqual([2, 3, 1])
    expect(Array.from(image.pixels.data)).toEqual(values.map((value) => Math.fround(value / 500)))
    expect(image.facts).toMatchObject({ format: 'dicom', transferSyntaxUid, rows: 2, columns: 3, frames: 1, modality: 'OT', bitsStored: 16 })
    expect(image.facts.window).toEqual({ center: 250, width: 500, function: 'RANGE' })
    expect(image.facts.warnings.map(({ code }) => code)).toEqual(['window-missing'])
    expect(source).toMatchObject({ sopInstanceUid: '1.2.3.4', studyInstanceUid: '1.2.3.1' })
  })

  it('has no frame beside its own', async () => {
    await expect(decodeImage(buildGray16(values, 3), { frame: 2 })).rejects.toMatchObject({ code: 'parameter-invalid', facts: { parameter: 'frame' } })
  })
})

describe('a PNG', () => {
  it.each([
    [1, [0b1010_0000], [1, 0, 1, 0]],
    [2, [0b0001_1011], [0, 1 / 3, 2 / 3, 1]],
    [4, [0x0f, 0x3c], [0, 1, 0.2, 0.8]],
    [8, [0, 51, 102, 255], [0, 0.2, 0.4, 1]],
    [16, [0x00, 0x00, 0x00, 0x01, 0x80, 0x00, 0xff, 0xff], [0, 1 / 65_535, 32_768 / 65_535, 1]],
  ])('of %i bits gray keeps every level', async (bitDepth, row, expected) => {
    const { image } = await decodeImage(buildPng({ width: 4, height: 1, bitDepth, colorType: 0, rows: [row] }), FIRST)
    expect(image.pixels.shape).toEqual([1, 4, 1])
    expect(Array.from(image.pixels.data)).toEqual(expected.map(Math.fround))
    expect(image.facts).toMatchObject({ format: 'png', bitsStored: bitDepth, photometricInterpretation: 'MONOCHROME2', warnings: [] })
  })

  it('of 16 bits gives each of 65,536 levels back', async () => {
    const levels = Uint16Array.from({ length: 65_536 }, (_, i) => i)
    const { image } = await decodeImage(buildGray16Png(levels, 256), FIRST)
    expect(Array.from(image.pixels.data, (value) => Math.round(value * 65_535))).toEqual(Array.from(levels))
  })

  it('of 16 bits that never reaches half its range is shown over its own range', async () => {
    const { image } = await decodeImage(buildGray16Png([1000, 1500, 2000, 3000], 2), FIRST)
    expect(Array.from(image.pixels.data)).toEqual([0, 0.25, 0.5, 1])
    expect(image.facts.window.function).toBe('RANGE')
    expect(image.facts.warnings.map(({ code }) => code)).toEqual(['window-missing'])
  })

  it('of a palette, and of RGB in 8 and 16 bits, keeps its colors', async () => {
    const palette = buildPng({ width: 2, height: 1, bitDepth: 8, colorType: 3, rows: [[1, 0]], chunks: [['PLTE', [255, 0, 51, 0, 102, 255]]] })
    expect(toDisplayImage((await decodeImage(palette, FIRST)).image).pixels).toEqual(Uint8Array.of(0, 102, 255, 255, 0, 51))
    const rgb = buildPng({ width: 1, height: 1, bitDepth: 8, colorType: 2, rows: [[255, 0, 51]] })
    expect(Array.from((await decodeImage(rgb, FIRST)).image.pixels.data)).toEqual([1, 0, Math.fround(0.2)])
    const wide = buildPng({ width: 1, height: 1, bitDepth: 16, colorType: 2, rows: [[0xff, 0xff, 0x00, 0x01, 0x80, 0x00]] })
    expect(Array.from((await decodeImage(wide, FIRST)).image.pixels.data)).toEqual([1, 1 / 65_535, 32_768 / 65_535].map(Math.fround))
  })

  it.each([
    ['gray and alpha, 8 bits', 8, 4, [255, 128, 255, 255], [128 / 255, 1]],
    ['gray and alpha, 16 bits', 16, 4, [0xff, 0xff, 0x80, 0x00, 0xff, 0xff, 0xff, 0xff], [32_768 / 65_535, 1]],
    ['RGB and alpha', 8, 6, [255, 255, 0, 0, 0, 255, 51, 255], [0, 0, 0, 0, 1, 0.2]],
  ])('of %s is composited over black', async (_, bitDepth, colorType, row, expected) => {
    const { image } = await decodeImage(buildPng({ width: 2, height: 1, bitDepth, colorType, rows: [row] }), FIRST)
    expect(Array.from(image.pixels.data)).toEqual(expected.map(Math.fround))
    expect(image.facts.warnings.map(({ code }) => code)).toEqual(['alpha-composited'])
  })

  it('whose alpha covers everything loses it, and says so', async () => {
    const { image } = await decodeImage(buildPng({ width: 1, height: 1, bitDepth: 8, colorType: 4, rows: [[51, 255]] }), FIRST)
    expect(Array.from(image.pixels.data)).toEqual([Math.fround(0.2)])
    expect(image.facts.warnings.map(({ code }) => code)).toEqual(['alpha-dropped'])
  })

  it('with gAMA keeps its samples as they are encoded', async () => {
    const { image } = await decodeImage(buildPng({ width: 1, height: 1, bitDepth: 8, colorType: 0, rows: [[51]], chunks: [['gAMA', [0, 0, 0xb1, 0x8f]]] }), FIRST)
    expect(Array.from(image.pixels.data)).toEqual([Math.fround(0.2)])
    expect(image.facts.warnings.map(({ code }) => code)).toEqual(['color-profile-ignored'])
  })

  it('that is interlaced equals the one that is not', async () => {
    const raw = Uint8Array.from({ length: 64 }, (_, i) => i * 4)
    const encode = (progressive: boolean): Promise<Buffer> =>
      sharp(raw, { raw: { width: 8, height: 8, channels: 1 } })
        .toColourspace('b-w')
        .png({ progressive })
        .toBuffer()
    const [straight, interlaced] = await Promise.all([decodeImage(await encode(false), FIRST), decodeImage(await encode(true), FIRST)])
    expect(interlaced.image.pixels.data).toEqual(straight.image.pixels.data)
    expect(toDisplayImage(straight.image).pixels).toEqual(raw)
  })

  it.each([
    ['cut off', (png: Uint8Array) => png.subarray(0, png.length - 20)],
    ['damaged', (png: Uint8Array) => png.map((byte, i) => (i === 60 ? byte ^ 0xff : byte))],
    ['of a bit depth that PNG does not know', (png: Uint8Array) => png.map((byte, i) => (i === 24 ? 7 : byte))],
  ])('that is %s is refused', async (_, spoil) => {
    const png = buildGray16Png(
      Array.from({ length: 256 }, (__, i) => (i * 40_503) % 65_536),
      16,
    )
    await expect(decodeImage(spoil(png), FIRST)).rejects.toMatchObject({ code: 'image-undecodable' })
  })

  it('of more than 64 Mi pixels is refused by its header', async () => {
    const bomb = buildPng({ width: 20_000, height: 20_000, bitDepth: 8, colorType: 0, rows: [[0]] })
    await expect(decodeImage(bomb, FIRST)).rejects.toMatchObject({ code: 'image-too-large', facts: { limitPixels: 67_108_864 } })
  })
})

describe('a JPEG', () => {
  const red = (): ReturnType<typeof sharp> => sharp({ create: { width: 16, height: 8, channels: 3, background: '#ff0000' } })

  it('of color keeps three channels, of gray one', async () => {
    const color = await decodeImage(await red().jpeg({ quality: 100 }).toBuffer(), FIRST)
    expect(color.image.pixels.shape).toEqual([8, 16, 3])
    expect(color.image.facts).toMatchObject({ format: 'jpeg', photometricInterpretation: 'RGB' })
    const gray = await decodeImage(await red().toColourspace('b-w').jpeg().toBuffer(), FIRST)
    expect(gray.image.pixels.shape).toEqual([8, 16, 1])
    expect(gray.source).toBeNull()
  })

  it('is turned upright as its EXIF orientation says', async () => {
    // left half black, right half white; orientation 6 turns it a quarter clockwise: black comes to lie on top
    const raw = Uint8Array.from({ length: 16 * 8 }, (_, i) => (i % 16 < 8 ? 0 : 255))
    const turned = await sharp(raw, { raw: { width: 16, height: 8, channels: 1 } })
      .toColourspace('b-w')
      .withMetadata({ orientation: 6 })
      .jpeg({ quality: 100 })
      .toBuffer()
    const { image } = await decodeImage(turned, FIRST)
    expect(image.facts).toMatchObject({ rows: 16, columns: 8 })
    expect(image.facts.warnings.map(({ code }) => code)).toEqual(['exif-orientation-applied'])
    expect(image.pixels.data[0]).toBe(0)
    expect(image.pixels.data.at(-1)).toBe(1)
  })

  it('of four inks is refused', async () => {
    await expect(decodeImage(await red().toColourspace('cmyk').jpeg().toBuffer(), FIRST)).rejects.toMatchObject({
      code: 'image-undecodable',
      message: 'the JPEG is CMYK; gray and RGB are read',
    })
  })

  it('that is cut off is refused', async () => {
    const jpeg = await red().jpeg().toBuffer()
    await expect(decodeImage(jpeg.subarray(0, jpeg.length - 30), FIRST)).rejects.toMatchObject({ code: 'image-undecodable' })
  })
})

describe('bytes of another kind', () => {
  it.each([
    ['nothing', new Uint8Array(0)],
    ['text', Buffer.from('Grüße, this is a letter about an image and no image at all, told at some length.')],
    ['an SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')],
    ['a PDF', Buffer.from('%PDF-1.7\n%\xe2\xe3', 'latin1')],
    ['a TIFF', Buffer.from([0x49, 0x49, 0x2a, 0x00, 0x08, 0x00, 0x00, 0x00, ...Array(200).fill(7)])],
    ['a VIPS image', Buffer.from([0x08, 0xf2, 0xa6, 0xb6, ...Array(60).fill(0)])],
  ])('(%s) are refused as no medium that is read', async (_, bytes) => {
    await expect(decodeImage(bytes, FIRST)).rejects.toMatchObject({ code: 'media-type-unsupported' })
  })

  it('(a GIF, made by sharp itself) are refused by their magic', async () => {
    const gif = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#fff' } })
      .gif()
      .toBuffer()
    await expect(decodeImage(gif, FIRST)).rejects.toMatchObject({ code: 'media-type-unsupported' })
  })

  it.each([
    ['a preamble alone', new Uint8Array(128)],
    ['a data set without a preamble', buildGray16([1, 2, 3, 4, 5, 6], 3).subarray(132)],
    ['a JPEG that ends before an image', Buffer.from('ffd8ffe000104a46494600010100000100010000ffd9', 'hex')],
  ])('(%s) are refused as no Part 10 file', async (_, bytes) => {
    await expect(decodeImage(bytes, FIRST)).rejects.toMatchObject({ code: 'dicom-not-part10' })
  })
})
