import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Canvas, placedValues, placeGrid } from '../../src/render/place-grid.ts'
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'
import { cropPlacement, gridOf, padPlacement, wholePlacement } from './render-case.ts'

const canvasOf = (rows: number, columns: number): Canvas => ({ width: columns, height: rows, source: { top: 0, left: 0, height: rows, width: columns } })
const whole = (grid: Tensor, rows: number, columns: number, interpolation: 'bilinear' | 'nearest' = 'bilinear'): Float32Array =>
  placedValues(placeGrid(grid, wholePlacement(rows, columns), canvasOf(rows, columns), interpolation))
const sides = fc.integer({ min: 1, max: 97 })
const patches = fc.constantFrom(7, 8, 14, 16, 24)

describe('placeGrid', () => {
  it('meets the half-pixel formula worked out by hand: 2 cells on 4 pixels are 0, 1/4, 3/4, 1', () => {
    expect([...whole(tensorOf(Float32Array.of(0, 1), [1, 2]), 1, 4)]).toEqual([0, 0.25, 0.75, 1])
  })

  it('is symmetric: larger after flipping is flipped after larger', () => {
    fc.assert(
      fc.property(sides, sides, patches, fc.array(fc.float({ min: 0, max: 1, noNaN: true }), { minLength: 3, maxLength: 30 }), (rows, columns, g, raw) => {
        const grid = gridOf(g, g, (row, column) => raw[(row * g + column) % raw.length]!)
        const flipped = gridOf(g, g, (row, column) => grid.data[row * g + (g - 1 - column)]!)
        const [straight, turned] = [whole(grid, rows, columns), whole(flipped, rows, columns)]
        for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) expect(Math.abs(straight[y * columns + x]! - turned[y * columns + (columns - 1 - x)]!)).toBeLessThan(1e-5)
      }),
      { numRuns: 40 },
    )
  })

  it('keeps the centroid of an inner patch within half a pixel of the middle of its box', () => {
    fc.assert(
      fc.property(fc.integer({ min: 40, max: 200 }), fc.integer({ min: 40, max: 200 }), patches, fc.nat(1000), (rows, columns, g, seed) => {
        const row = 1 + (seed % (g - 2))
        const column = 1 + (Math.floor(seed / g) % (g - 2))
        const values = whole(
          gridOf(g, g, (r, c) => (r === row && c === column ? 1 : 0)),
          rows,
          columns,
        )
        let [mass, y, x] = [0, 0, 0]
        values.forEach((value, i) => {
          mass += value
          y += value * (Math.floor(i / columns) + 0.5)
          x += value * ((i % columns) + 0.5)
        })
        expect(Math.abs(y / mass - ((row + 0.5) * rows) / g)).toBeLessThan(0.5)
        expect(Math.abs(x / mass - ((column + 0.5) * columns) / g)).toBeLessThan(0.5)
      }),
      { numRuns: 40 },
    )
  })

  it('keeps a constant exactly constant', () => {
    for (const value of [0.1, 1 / 3, 123.456]) {
      const grid = gridOf(7, 7, () => value)
      expect(new Set(whole(grid, 61, 83))).toEqual(new Set([grid.data[0]]))
    }
  })

  it('sees as much as was cropped, and all of what was padded', () => {
    fc.assert(
      fc.property(sides, sides, (rows, columns) => {
        const grid = gridOf(7, 7, () => 1)
        const crop = placeGrid(grid, cropPlacement(rows, columns), canvasOf(rows, columns), 'nearest').view
        const side = Math.min(rows, columns)
        expect(Math.abs(crop.bottom - crop.top - side)).toBeLessThanOrEqual(1)
        expect(Math.abs(crop.right - crop.left - side)).toBeLessThanOrEqual(1)
        expect(placeGrid(grid, padPlacement(rows, columns), canvasOf(rows, columns), 'nearest').view).toEqual({ top: 0, bottom: rows, left: 0, right: columns })
      }),
    )
  })

  it('gives every pixel the patch under its center when it does not interpolate', () => {
    fc.assert(
      fc.property(sides, sides, patches, (rows, columns, g) => {
        const values = whole(
          gridOf(g, g, (row, column) => row * g + column),
          rows,
          columns,
          'nearest',
        )
        for (let y = 0; y < rows; y++) {
          for (let x = 0; x < columns; x++) {
            // Integers alone: (2y + 1) g / (2 rows) without rounding.
            const row = Math.floor(((2 * y + 1) * g) / (2 * rows))
            const column = Math.floor(((2 * x + 1) * g) / (2 * columns))
            const isOnEdge = ((2 * y + 1) * g) % (2 * rows) === 0 || ((2 * x + 1) * g) % (2 * columns) === 0
            if (!isOnEdge) expect(values[y * columns + x]).toBe(row * g + column)
          }
        }
      }),
      { numRuns: 30 },
    )
  })
})
