import { describe, expect, it } from 'vitest'
import { labelColor } from '../../src/render/label-colors.ts'
import { segmentColor, toPcsLab } from '../../src/results/segment-color.ts'

/** L*, a*, b* from their 16-bit form. */
const unscale = ([l, a, b]: readonly [number, number, number]): number[] => [(l / 0xffff) * 100, (a / 0xffff) * 255 - 128, (b / 0xffff) * 255 - 128]

describe('the color of a segment', () => {
  it('is the one in which the drawn maps show the same community', () => {
    for (let index = 0; index < 10; index++) expect(segmentColor(index)).toEqual(labelColor(index))
  })

  // computedBy: B. Lindbloom's CIE color calculator, sRGB to Lab under D50 with Bradford adaptation.
  it.each([
    [
      [255, 255, 255],
      [100, 0, 0],
    ],
    [
      [0, 0, 0],
      [0, 0, 0],
    ],
    [
      [255, 0, 0],
      [54.29, 80.81, 69.89],
    ],
    [
      [0, 255, 0],
      [87.82, -79.27, 80.99],
    ],
    [
      [0, 0, 255],
      [29.57, 68.3, -112.03],
    ],
  ] as const)('of sRGB %j is L*a*b* %j', (rgb, lab) => {
    const found = unscale(toPcsLab(rgb))
    for (let i = 0; i < 3; i++) expect(Math.abs(found[i]! - lab[i]!)).toBeLessThan(0.02)
  })
})
