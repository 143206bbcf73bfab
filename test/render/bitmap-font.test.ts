import { describe, expect, it } from 'vitest'
import { drawText } from '../../src/render/bitmap-font.ts'
import { emptyRaster } from '../../src/render/raster.ts'

/** The text as pixels. */
function drawn(text: string): Uint8Array {
  const raster = emptyRaster(200, 12, 3)
  drawText(raster, text, 0, 0, 1, [255, 255, 255])
  return raster.pixels
}

describe('drawText', () => {
  it.each([
    ['“lesion”', '"lesion"'],
    ['the class token’s row', "the class token's row"],
    ['−0.5 – 1 × 2', '-0.5 - 1 x 2'],
    ['Müller é', 'Muller e'],
  ])('draws %s as %s', (text, plain) => {
    expect(drawn(text)).toEqual(drawn(plain))
  })

  it('draws what it has no glyph for as a question mark, and nothing else so', () => {
    expect(drawn('肺')).toEqual(drawn('?'))
    const printable = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i))
    expect(printable.filter((character) => character !== '?' && Buffer.compare(drawn(character), drawn('?')) === 0)).toEqual([])
    expect(new Set(printable.map((character) => drawn(character).join())).size).toBe(95)
  })
})
