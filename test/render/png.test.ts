import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { encodePng } from '../../src/render/png.ts'

/** Noise in a disc, black around it: runs, and bytes that are none. */
const discOf = (width: number, height: number, channels: number): Uint8Array =>
  Uint8Array.from({ length: width * height * channels }, (_, i) => {
    const pixel = Math.floor(i / channels)
    const isInside = Math.hypot((pixel % width) - width / 2, Math.floor(pixel / width) - height / 2) < Math.min(width, height) / 2
    return isInside ? Math.imul(i, 2654435761) >>> 24 : 0
  })

describe('encodePng', () => {
  it.each([
    ['rgb', 3, 700, 601],
    ['rgba', 4, 700, 601],
    ['rgb', 3, 31, 17],
    ['rgba', 4, 31, 17],
  ] as const)('is read by libvips as the same pixels: %s, %i channels, %i x %i', async (color, channels, width, height) => {
    const pixels = discOf(width, height, channels)
    const { data, info } = await sharp(await encodePng({ width, height, color, pixels, texts: [] }))
      .raw()
      .toBuffer({ resolveWithObject: true })
    expect(info).toMatchObject({ width, height, channels })
    expect(data.equals(pixels)).toBe(true)
  })
})
