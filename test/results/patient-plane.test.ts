import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toInputPoint } from '../../src/domain/placement.ts'
import { cellsOnSource, planeOfCells, type SourcePlane, sourcePlane, type Vector } from '../../src/results/patient-plane.ts'
import { cropPlacement, padPlacement, radiographSource, sliceSource } from '../support/result-fixtures.ts'

const plane = sourcePlane(sliceSource) as SourcePlane
const GRID = [4, 5] as const
const expectNear = (actual: readonly number[], expected: readonly number[], bound = 1e-9): void => {
  expect(actual).toHaveLength(expected.length)
  for (let i = 0; i < expected.length; i++) expect(Math.abs(actual[i]! - expected[i]!)).toBeLessThan(bound)
}

describe('sourcePlane', () => {
  it('names what the source does not state', () => {
    expect(sourcePlane(radiographSource)).toEqual({
      reason: 'the source does not say where it lies in the patient: no FrameOfReferenceUID, PixelSpacing, ImagePositionPatient, ImageOrientationPatient',
    })
  })

  it('refuses directions that are not perpendicular and spacings that are not positive', () => {
    expect(sourcePlane({ ...sliceSource, imageOrientationPatient: [1, 0, 0, 1, 0, 0] })).toHaveProperty('reason')
    expect(sourcePlane({ ...sliceSource, imageOrientationPatient: [0, 0, 0, 0, 0, 0] })).toHaveProperty('reason')
    expect(sourcePlane({ ...sliceSource, pixelSpacing: [0, 1] })).toHaveProperty('reason')
  })
})

describe('planeOfCells', () => {
  it('meets the half-pixel rule worked out by hand', () => {
    // 23 x 38 pixels of 0.5 x 0.75 mm, cropped to columns 7 to 30, 4 x 5 cells of 5.75 x 4.6 pixels.
    // The first cell's center is 2.875 pixels down and 7 + 2.3 to the right of the image's corner: 2.375 and 8.8 from the first pixel's center.
    // Rows run along y, columns along -z: (-10, 20 + 8.8 * 0.75, 30 - 2.375 * 0.5).
    const placement = cropPlacement(23, 38)
    const cells = planeOfCells(plane, GRID, placement, cellsOnSource(GRID, placement))
    expectNear(cells.imagePositionPatient, [-10, 26.6, 28.8125])
    expectNear(cells.pixelSpacing, [2.875, 3.45])
    expectNear(cells.imageOrientationPatient.flat(), [0, 1, 0, 0, 0, -1])
  })

  it('leaves the cells beside the image out: padding of 7.5 rows above and below takes the first and the last row of cells', () => {
    expect(cellsOnSource(GRID, padPlacement(23, 38))).toEqual({ top: 1, left: 0, rows: 2, columns: 5 })
    expect(cellsOnSource(GRID, { ...cropPlacement(23, 38), top: 100 })).toEqual({ top: 0, left: 0, rows: 0, columns: 0 })
  })

  it('is the image plane itself where a cell is a pixel', () => {
    const placement = { ...cropPlacement(4, 5), top: 0, left: 0, height: 4, width: 5 }
    const cells = planeOfCells(plane, GRID, placement, cellsOnSource(GRID, placement))
    expectNear(cells.imagePositionPatient, plane.imagePositionPatient)
    expectNear(cells.pixelSpacing, plane.pixelSpacing)
  })

  it('puts every cell where the placement says that its patch was taken, for any crop and turn', () => {
    const placements = fc.record({
      sourceRows: fc.constant(40),
      sourceColumns: fc.constant(50),
      top: fc.double({ min: 0, max: 10, noNaN: true }),
      left: fc.double({ min: 0, max: 10, noNaN: true }),
      height: fc.double({ min: 1, max: 30, noNaN: true }),
      width: fc.double({ min: 1, max: 40, noNaN: true }),
      quarterTurns: fc.constantFrom(0 as const, 1 as const, 2 as const, 3 as const),
      inputHeight: fc.constant(64),
      inputWidth: fc.constant(80),
    })
    fc.assert(
      fc.property(placements, fc.nat(3), fc.nat(4), (placement, row, column) => {
        const cells = planeOfCells(plane, GRID, placement, { top: 0, left: 0, rows: 4, columns: 5 })
        const [alongRow, alongColumn] = cells.imageOrientationPatient
        const at = cells.imagePositionPatient.map(
          (first, i) => first + alongRow[i]! * column * cells.pixelSpacing[1] + alongColumn[i]! * row * cells.pixelSpacing[0],
        ) as unknown as Vector
        // Back from the patient to the source's pixels: rows run along y, columns along -z (see sliceSource).
        const x = (at[1] - 20) / 0.75 + 0.5
        const y = (30 - at[2]) / 0.5 + 0.5
        const input = toInputPoint(placement, { y, x })
        expectNear([at[0], input.y, input.x], [-10, (row + 0.5) * 16, (column + 0.5) * 16], 1e-6)
      }),
    )
  })
})
