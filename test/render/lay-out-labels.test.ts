import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keyHeight } from '../../src/render/draw-key.ts'
import { layOutLabels, rowsOf } from '../../src/render/lay-out-labels.ts'
import { chooseLook } from '../../src/render/map-look.ts'
import { gridOf, mapOf } from './render-case.ts'

describe('layOutLabels', () => {
  it('centers labels at their places, inside the bar, in one row where there is room', () => {
    const labels = [
      { at: 0, length: 20 },
      { at: 50, length: 20 },
      { at: 99, length: 20 },
    ]
    expect(layOutLabels(labels, 100, 6)).toEqual([
      { left: 0, row: 0 },
      { left: 40, row: 0 },
      { left: 80, row: 0 },
    ])
  })

  it('moves a label down where it would lie on one before it', () => {
    const labels = [
      { at: 0, length: 45 },
      { at: 99, length: 45 },
      { at: 50, length: 45 },
      { at: 50, length: 10 },
    ]
    const places = layOutLabels(labels, 100, 6)
    expect(places.map(({ row }) => row)).toEqual([0, 0, 1, 2])
    expect(rowsOf(places)).toBe(3)
  })

  it('never lays one label on another, nor beyond a bar that has room for it', () => {
    const label = fc.record({ at: fc.integer({ min: 0, max: 299 }), length: fc.integer({ min: 1, max: 120 }) })
    const property = fc.property(fc.array(label, { maxLength: 7 }), fc.integer({ min: 120, max: 300 }), fc.integer({ min: 0, max: 12 }), (given, width, gap) => {
      const labels = given.map(({ at, length }) => ({ at: at % width, length }))
      const places = layOutLabels(labels, width, gap)
      places.forEach(({ left, row }, i) => {
        const right = left + labels[i]!.length
        expect(left).toBeGreaterThanOrEqual(0)
        expect(right).toBeLessThanOrEqual(width)
        for (const [j, other] of places.entries()) {
          if (j === i || other.row !== row) continue
          expect(right + gap <= other.left || other.left + labels[j]!.length + gap <= left).toBe(true)
        }
      })
    })
    fc.assert(property, { numRuns: 200 })
  })
})

describe('keyHeight', () => {
  it('grows by a line where the ticks of a narrow bar do not fit beside each other', () => {
    const map = mapOf(
      gridOf(2, 2, (row, column) => row - column),
      { kind: 'diverging', range: { min: -0.00123, max: 0.00123 } },
    )
    const look = chooseLook(map, { head: null, colormap: null })
    expect(keyHeight(look, 200, 2) - keyHeight(look, 400, 2)).toBe(24)
  })
})
