import { describe, expect, it } from 'vitest'
import { COLORMAP_NAMES, colormap } from '../../src/render/colormaps.ts'
import { LABEL_COLORS, OTHER_COLOR, type Rgb } from '../../src/render/label-colors.ts'
import { colorDifference, deuteranopia, type Lab, labDifference, relativeLuminance } from './color-science.ts'

const entry = (name: (typeof COLORMAP_NAMES)[number], index: number): Rgb => {
  const table = colormap(name)
  return [table[3 * index]!, table[3 * index + 1]!, table[3 * index + 2]!]
}

describe('colormaps', () => {
  it('hold 256 colors each', () => {
    for (const name of COLORMAP_NAMES) expect(colormap(name).length).toBe(768)
  })

  it('meet the published ends and middles', () => {
    expect([entry('viridis', 0), entry('viridis', 128), entry('viridis', 255)]).toEqual([
      [68, 1, 84],
      [33, 145, 140],
      [253, 231, 37],
    ])
    expect([entry('inferno', 0), entry('inferno', 255)]).toEqual([
      [0, 0, 4],
      [252, 255, 164],
    ])
    expect([entry('magma', 0), entry('magma', 255)]).toEqual([
      [0, 0, 4],
      [252, 253, 191],
    ])
    expect([entry('rdbu', 0), entry('rdbu', 255)]).toEqual([
      [5, 48, 97],
      [103, 0, 31],
    ])
  })

  it.each(['viridis', 'inferno', 'cividis', 'magma'] as const)('%s grows lighter from each tenth entry to the next', (name) => {
    for (let i = 10; i < 256; i += 10) expect(relativeLuminance(entry(name, i))).toBeGreaterThan(relativeLuminance(entry(name, i - 10)))
  })

  it('rdbu is lightest in the middle and darkens to both ends', () => {
    for (let i = 10; i < 128; i += 10) {
      expect(relativeLuminance(entry('rdbu', i))).toBeGreaterThan(relativeLuminance(entry('rdbu', i - 10)))
      expect(relativeLuminance(entry('rdbu', 255 - i))).toBeGreaterThan(relativeLuminance(entry('rdbu', 265 - i)))
    }
  })
})

describe('label colors', () => {
  it('stay more than 10 apart in CIEDE2000 for every pair, seen with deuteranopia', () => {
    const colors = [...LABEL_COLORS, OTHER_COLOR]
    for (let i = 0; i < colors.length; i++) {
      for (let j = 0; j < i; j++) expect(colorDifference(deuteranopia(colors[i]!), deuteranopia(colors[j]!))).toBeGreaterThan(10)
    }
  })

  it('are measured by a difference that meets the published pairs', () => {
    // Sharma, Wu and Dalal, Color Res. Appl. 30 (2005) 21-30, table 1: pairs 1, 7, 9, 13, 17, 25.
    const pairs: readonly (readonly [Lab, Lab, number])[] = [
      [[50, 2.6772, -79.7751], [50, 0, -82.7485], 2.0425],
      [[50, 0, 0], [50, -1, 2], 2.3669],
      [[50, 2.49, -0.001], [50, -2.49, 0.0009], 7.1792],
      [[50, -0.001, 2.49], [50, 0.0009, -2.49], 4.8045],
      [[50, 2.5, 0], [73, 25, -18], 27.1492],
      [[60.2574, -34.0099, 36.2677], [60.4626, -34.1751, 39.4387], 1.2644],
    ]
    for (const [first, second, difference] of pairs) expect(labDifference(first, second)).toBeCloseTo(difference, 4)
    expect(colorDifference([0, 0, 0], [255, 255, 255])).toBeCloseTo(100, 1)
    expect(colorDifference([10, 200, 30], [10, 200, 30])).toBe(0)
  })
})
