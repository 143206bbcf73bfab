/** Windows: the examples of PS3.3 C.11.2.1, the order in which they are taken, and laws of every window. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { fromRange, windowFunction } from '../../src/imaging/window.ts'
import { buildGray16, type SyntheticDataset, words } from '../support/synthetic-dicom.ts'

describe('windowFunction', () => {
  // PS3.3 C.11.2.1.2.1 note 2: c=2048 w=4096 maps -0.5 .. 4095.5 shifted: x<=0 black, x>4095 white, (x-2047.5)/4095+0.5 between
  it.each([
    [2048, 4096, 0, 0],
    [2048, 4096, 1, 1 / 4095],
    [2048, 4096, 4095, 1],
    [2048, 4096, 4096, 1],
    // c=2048 w=1: x<=2047.5 black, above white
    [2048, 1, 2047, 0],
    [2048, 1, 2048, 1],
    // c=0 w=100: x<=-50 black, x>49 white, (x+0.5)/99+0.5
    [0, 100, -50, 0],
    [0, 100, 0, 0.5 / 99 + 0.5],
    [0, 100, 50, 1],
    // c=0 w=1
    [0, 1, -1, 0],
    [0, 1, 0, 1],
  ])('LINEAR center %d width %d shows %d as %d', (center, width, value, shown) => {
    expect(windowFunction({ center, width, function: 'LINEAR' })(value)).toBeCloseTo(shown, 12)
  })

  it.each([
    // PS3.3 C.11.2.1.3.2: c=2048 w=4096: x<=0 black, x>4096 white, x/4096 between
    [2048, 4096, 0, 0],
    [2048, 4096, 1024, 0.25],
    [2048, 4096, 4096, 1],
    // c=0 w=1: x<=-0.5 black, x>0.5 white, x+0.5 between
    [0, 1, 0.25, 0.75],
    [0, 0.5, 0.25, 1],
  ])('LINEAR_EXACT center %d width %d shows %d as %d', (center, width, value, shown) => {
    expect(windowFunction({ center, width, function: 'LINEAR_EXACT' })(value)).toBeCloseTo(shown, 12)
  })

  it('SIGMOID shows its center as middle gray and is steepest there', () => {
    const sigmoid = windowFunction({ center: 40, width: 400, function: 'SIGMOID' })
    expect(sigmoid(40)).toBe(0.5)
    expect(sigmoid(140)).toBeCloseTo(1 / (1 + Math.E ** -1), 12)
    expect(sigmoid(41) - sigmoid(39)).toBeCloseTo(2 / 400, 5) // slope 4 / (4 w)
  })

  it('never falls and stays in [0, 1]', () => {
    const kind = fc.constantFrom('LINEAR', 'LINEAR_EXACT', 'SIGMOID')
    const number = fc.double({ min: -70_000, max: 70_000, noNaN: true })
    fc.assert(
      fc.property(kind, number, fc.double({ min: 1, max: 70_000, noNaN: true }), number, number, (name, center, width, a, b) => {
        const show = windowFunction({ center, width, function: name })
        const [low, high] = [show(Math.min(a, b)), show(Math.max(a, b))]
        expect(low).toBeLessThanOrEqual(high)
        expect(low).toBeGreaterThanOrEqual(0)
        expect(high).toBeLessThanOrEqual(1)
      }),
    )
  })
})

describe('fromRange', () => {
  it('shows a flat image middle gray, and says so', () => {
    const { apply, warnings } = fromRange({ min: 7, max: 7 })
    expect(apply(7)).toBe(0.5)
    expect(warnings.map(({ code }) => code)).toEqual(['image-flat'])
  })
})

describe('the window of a DICOM image', () => {
  const open = async (more: SyntheticDataset): Promise<{ window: unknown; codes: string[]; pixels: number[] }> => {
    const { image } = await decodeImage(buildGray16([0, 100, 200, 300], 2, more), { frame: 1 })
    return { window: image.facts.window, codes: image.facts.warnings.map(({ code }) => code), pixels: Array.from(image.pixels.data) }
  }
  const lut: SyntheticDataset = { VOILUTSequence: [{ LUTDescriptor: [3, 100, 8], LUTData: words([10, 20, 255]) }] }

  it('is the first of several, and the answer says how many there were', async () => {
    const { window, codes } = await open({ WindowCenter: '150\\10', WindowWidth: '300\\5' })
    expect(window).toEqual({ center: 150, width: 300, function: 'LINEAR' })
    expect(codes).toEqual(['several-windows'])
  })

  it('comes before a VOI LUT', async () => {
    const { window, codes } = await open({ WindowCenter: '150', WindowWidth: '300', VOILUTFunction: 'LINEAR_EXACT', ...lut })
    expect(window).toEqual({ center: 150, width: 300, function: 'LINEAR_EXACT' })
    expect(codes).toEqual(['voi-lut-not-applied'])
  })

  it('is a VOI LUT where no window is given; values beyond it read its ends', async () => {
    const { window, pixels, codes } = await open({ VOILUTSequence: [{ LUTDescriptor: [3, 100, 8], LUTData: words([0, 51, 255]) }] })
    expect(window).toEqual({ center: 101.5, width: 3, function: 'LUT' })
    expect(pixels).toEqual([0, 0, 1, 1])
    expect(codes).toEqual([])
  })

  it.each([
    ['LINEAR', '0.5'],
    ['LINEAR', '0'],
    ['LINEAR_EXACT', '0'],
    ['SIGMOID', '-3'],
    ['LINEAR', 'wide'],
  ])("is the image's own range where a %s window has the width %s", async (name, width) => {
    const { window, codes, pixels } = await open({ WindowCenter: '150', WindowWidth: width, VOILUTFunction: name })
    expect(window).toEqual({ center: 150, width: 300, function: 'RANGE' })
    expect(codes).toEqual(['window-invalid', 'window-missing'])
    expect(pixels).toEqual([0, 1 / 3, 2 / 3, 1].map(Math.fround))
  })

  it('is LINEAR where its function is unknown, and says so', async () => {
    const { window, codes } = await open({ WindowCenter: '150', WindowWidth: '300', VOILUTFunction: 'CUBIC' })
    expect(window).toMatchObject({ function: 'LINEAR' })
    expect(codes).toEqual(['voi-function-unknown'])
  })

  it('is taken from the functional groups of the frame', async () => {
    const frames = (values: readonly number[]): SyntheticDataset => ({
      NumberOfFrames: '2',
      SharedFunctionalGroupsSequence: [{ PixelValueTransformationSequence: [{ RescaleSlope: '2', RescaleIntercept: '0' }] }],
      PerFrameFunctionalGroupsSequence: values.map((center) => ({ FrameVOILUTSequence: [{ WindowCenter: String(center), WindowWidth: '100' }] })),
    })
    const file = buildGray16([0, 100, 200, 300], 2, { Rows: 1, ...frames([50, 500]) })
    expect((await decodeImage(file, { frame: 2 })).image.facts.window).toEqual({ center: 500, width: 100, function: 'LINEAR' })
    // 200 and 300 through the shared slope of 2 are 400 and 600: below and above the window
    expect(Array.from((await decodeImage(file, { frame: 2 })).image.pixels.data)).toEqual([0, 1])
  })
})
