import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Placement, toInputPoint } from '../../src/domain/placement.ts'
import { placedValues, placeGrid } from '../../src/render/place-grid.ts'
import { labelPixels, UNSEEN } from '../../src/results/label-pixels.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'

const placement: Placement = { sourceRows: 2, sourceColumns: 6, top: 0, left: 1, height: 2, width: 4, quarterTurns: 0, inputHeight: 8, inputWidth: 8 }
const grid = tensorOf(Float32Array.of(0, 1, 2, 3), [2, 2])

const placements = fc.record({
  sourceRows: fc.integer({ min: 1, max: 12 }),
  sourceColumns: fc.integer({ min: 1, max: 12 }),
  top: fc.integer({ min: -6, max: 6 }).map((n) => n / 2),
  left: fc.integer({ min: -6, max: 6 }).map((n) => n / 2),
  height: fc.integer({ min: 1, max: 20 }),
  width: fc.integer({ min: 1, max: 20 }),
  quarterTurns: fc.constantFrom(0 as const, 1 as const, 2 as const, 3 as const),
  inputHeight: fc.constant(12),
  inputWidth: fc.constant(20),
})
const cells = tensorOf(
  Float32Array.from({ length: 15 }, (_, i) => i),
  [3, 5],
)

describe('labelPixels', () => {
  it('gives each source pixel the patch under its center and marks what the network did not see, worked out by hand', () => {
    expect([...labelPixels(grid, placement)]).toEqual([UNSEEN, 0, 0, 1, 1, UNSEEN, UNSEEN, 2, 2, 3, 3, UNSEEN])
  })

  it('turns with the input: a quarter turn clockwise brings the source to the left of the input to its top', () => {
    const turned = { ...placement, quarterTurns: 1 as const }
    // Clockwise, the source's left column becomes the top row: source top left shows the input's top right patch.
    expect([...labelPixels(grid, turned)]).toEqual([UNSEEN, 1, 1, 3, 3, UNSEEN, UNSEEN, 0, 0, 2, 2, UNSEEN])
  })

  it('labels the very pixels that the drawn map colors, for any crop, padding and turn', () => {
    fc.assert(
      fc.property(placements, (any) => {
        const canvas = { width: any.sourceColumns, height: any.sourceRows, source: { top: 0, left: 0, height: any.sourceRows, width: any.sourceColumns } }
        const drawn = placeGrid(cells, any, canvas, 'nearest')
        const values = placedValues(drawn)
        const { top, bottom, left, right } = drawn.view
        const expected = Array.from({ length: any.sourceRows * any.sourceColumns }, (_, pixel) => {
          const [row, column] = [Math.floor(pixel / any.sourceColumns), pixel % any.sourceColumns]
          return row < top || row >= bottom || column < left || column >= right ? UNSEEN : values[(row - top) * (right - left) + column - left]
        })
        expect([...labelPixels(cells, any)]).toEqual(expected)
      }),
    )
  })

  it('agrees with the placement at every pixel that lies on no border between patches, for any crop, padding and turn', () => {
    const isOnBorder = (position: number): boolean => Math.abs(position - Math.round(position)) < 1e-9
    fc.assert(
      fc.property(placements, (any) => {
        const labels = labelPixels(cells, any)
        for (let pixel = 0; pixel < labels.length; pixel++) {
          const { y, x } = toInputPoint(any, { y: Math.floor(pixel / any.sourceColumns) + 0.5, x: (pixel % any.sourceColumns) + 0.5 })
          if (isOnBorder(y / 4) || isOnBorder(x / 4)) continue
          const isSeen = y >= 0 && y < 12 && x >= 0 && x < 20
          expect(labels[pixel]).toBe(isSeen ? Math.floor(y / 4) * 5 + Math.floor(x / 4) : UNSEEN)
        }
      }),
    )
  })
})
