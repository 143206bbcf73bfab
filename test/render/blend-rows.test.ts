import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { blendColors, blendPatches, spreadGray } from '../../src/render/blend-rows.ts'
import { placeGrid } from '../../src/render/place-grid.ts'
import type { Raster } from '../../src/render/raster.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'
import { cropPlacement, padPlacement } from './render-case.ts'

const canvasOf = (height: number, width: number) => ({ width, height, source: { top: 0, left: 0, height, width } })
const single = Math.fround

/** A picture, a grid over the part of it that the network saw, and how strongly it is laid over. */
const scenes = fc
  .record({ height: fc.integer({ min: 1, max: 17 }), width: fc.integer({ min: 1, max: 17 }), rows: fc.integer({ min: 1, max: 4 }), columns: fc.integer({ min: 1, max: 4 }) })
  .chain((size) =>
    fc.record({
      size: fc.constant(size),
      pixels: fc.uint8Array({ minLength: 3 * size.height * size.width, maxLength: 3 * size.height * size.width }),
      grid: fc.array(fc.float({ min: -40, max: 300, noNaN: true }), { minLength: size.rows * size.columns, maxLength: size.rows * size.columns }),
      alpha: fc.oneof(fc.constantFrom(0, 1, 0.4), fc.double({ min: 0, max: 1, noNaN: true })),
      placed: fc.constantFrom(cropPlacement, padPlacement),
    }),
  )

describe('blendColors', () => {
  it('is (1 - alpha) pixel + alpha color, rounded, inside the view, and nothing outside', () => {
    const table = Uint8Array.from({ length: 768 }, (_, i) => i * 37)
    fc.assert(
      fc.property(scenes, ({ size, pixels, grid, alpha, placed }) => {
        const { height, width } = size
        const place = () => placeGrid(tensorOf(Float32Array.from(grid), [size.rows, size.columns]), placed(height, width), canvasOf(height, width), 'bilinear')
        const raster: Raster = { width, height, channels: 3, pixels: pixels.slice() }
        blendColors(raster, place(), table, alpha)
        const { view, row } = place()
        const expected = pixels.slice()
        for (let y = view.top; y < view.bottom; y++) {
          row(y).forEach((value, x) => {
            const entry = Math.floor(Math.max(0, Math.min(255, value)) + 0.5)
            for (let c = 0; c < 3; c++) {
              const at = 3 * (y * width + view.left + x) + c
              expected[at] = Math.floor(single((1 - alpha) * pixels[at]!) + single(alpha * table[3 * entry + c]! + 0.5))
            }
          })
        }
        expect([...raster.pixels]).toEqual([...expected])
      }),
    )
  })
})

describe('blendPatches', () => {
  it('keeps part of a pixel, adds the color of its patch, and draws white where the label on the right or below is another', () => {
    fc.assert(
      fc.property(scenes, fc.option(fc.double({ min: 0, max: 1, noNaN: true })), ({ size, pixels, grid, placed }, border) => {
        const { height, width } = size
        const labels = Uint8Array.from(grid, (value) => (Math.abs(value) | 0) % 3)
        const kept = Float64Array.from(grid, (value) => Math.abs(value) / 300)
        const added = Float32Array.from({ length: 3 * grid.length }, (_, i) => (1 - kept[Math.floor(i / 3)]!) * (i % 200) + 0.5)
        const numbers = tensorOf(
          Float32Array.from(grid, (_, patch) => patch),
          [size.rows, size.columns],
        )
        const place = () => placeGrid(numbers, placed(height, width), canvasOf(height, width), 'nearest')
        const raster: Raster = { width, height, channels: 3, pixels: pixels.slice() }
        blendPatches(raster, place(), { labels, kept, added }, border)
        const { view, row } = place()
        const patchAt = (y: number, x: number): number => row(Math.min(y, view.bottom - 1))[Math.min(x, view.right - view.left - 1)]!
        const expected = pixels.slice()
        for (let y = view.top; y < view.bottom; y++) {
          for (let x = 0; x < view.right - view.left; x++) {
            const patch = patchAt(y, x)
            const isEdge = labels[patch] !== labels[patchAt(y, x + 1)] || labels[patch] !== labels[patchAt(y + 1, x)]
            for (let c = 0; c < 3; c++) {
              const at = 3 * (y * width + view.left + x) + c
              expected[at] = Math.floor(kept[patch]! * pixels[at]! + added[3 * patch + c]!)
              if (border !== null && isEdge) expected[at] = Math.floor((1 - border) * expected[at]! + border * 255 + 0.5)
            }
          }
        }
        expect([...raster.pixels]).toEqual([...expected])
      }),
    )
  })
})

describe('spreadGray', () => {
  it.each([0, 1, 15, 16, 17, 16_384, 16_385, 40_000])('makes three equal bytes of each of %i', (count) => {
    const gray = Uint8Array.from({ length: count }, (_, i) => i * 7 + (i >> 8))
    const pixels = new Uint8Array(3 * count)
    spreadGray(gray, pixels)
    expect(pixels.every((value, i) => value === gray[Math.floor(i / 3)])).toBe(true)
  })
})
