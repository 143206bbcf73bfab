import fc from 'fast-check'
import { expect, it } from 'vitest'
import { emptyRaster, fillRectangle, paste, type Raster, setPixel } from '../../src/render/raster.ts'

const place = fc.integer({ min: -6, max: 6 })
const side = fc.integer({ min: 0, max: 7 })
const GROUND = [9, 8, 7] as const

/** Another value in each byte. */
function numbered(width: number, height: number): Raster {
  const raster = emptyRaster(width, height, 3)
  for (let i = 0; i < raster.pixels.length; i++) raster.pixels[i] = i + 1
  return raster
}

/** What must come of it: the picture's pixel where one lies, the ground everywhere else. */
function pixelByPixel(width: number, height: number, at: (x: number, y: number) => readonly [number, number, number] | null): Uint8Array {
  const raster = emptyRaster(width, height, 3, [...GROUND])
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) setPixel(raster, x, y, [...(at(x, y) ?? GROUND)])
  return raster.pixels
}

it('lays a picture at any place, and leaves out what falls outside', () => {
  fc.assert(
    fc.property(side, side, side, side, place, place, (width, height, ontoWidth, ontoHeight, left, top) => {
      const [picture, onto] = [numbered(width, height), emptyRaster(ontoWidth, ontoHeight, 3, [...GROUND])]
      paste(onto, picture, left, top)
      const expected = pixelByPixel(ontoWidth, ontoHeight, (x, y) => {
        const isOn = x >= left && y >= top && x < left + width && y < top + height
        const at = 3 * ((y - top) * width + x - left)
        return isOn ? [at + 1, at + 2, at + 3] : null
      })
      expect(onto.pixels).toEqual(expected)
    }),
  )
})

it('paints the part of a rectangle that lies on the picture, and nothing else', () => {
  fc.assert(
    fc.property(side, side, side, side, place, place, (width, height, ontoWidth, ontoHeight, x, y) => {
      const onto = emptyRaster(ontoWidth, ontoHeight, 3, [...GROUND])
      fillRectangle(onto, { x, y, width, height }, [1, 2, 3])
      const expected = pixelByPixel(ontoWidth, ontoHeight, (column, row) => (column >= x && row >= y && column < x + width && row < y + height ? [1, 2, 3] : null))
      expect(onto.pixels).toEqual(expected)
    }),
  )
})
