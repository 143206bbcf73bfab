/** From stored values to what is shown: rescale, modality LUT, padding, inversion, color. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { buildGray16, buildPart10, IMAGE, type SyntheticDataset, words } from '../support/synthetic-dicom.ts'

async function show(values: readonly number[], more: SyntheticDataset): Promise<number[]> {
  const { image } = await decodeImage(buildGray16(values, values.length, more), { frame: 1 })
  return Array.from(image.pixels.data)
}

const exact = (center: number, width: number): SyntheticDataset => ({ WindowCenter: String(center), WindowWidth: String(width), VOILUTFunction: 'LINEAR_EXACT' })

describe('the modality transform', () => {
  it('is slope and intercept, before the window', async () => {
    expect(await show([1000, 1100], { RescaleSlope: '2', RescaleIntercept: '-2000', ...exact(100, 400) })).toEqual([0.25, 0.75])
  })

  it('does not round: a slope of 5.9e-8 keeps the picture', async () => {
    expect(await show([0, 1, 2, 4], { RescaleSlope: '5.9e-8', RescaleIntercept: '0' })).toEqual([0, 0.25, 0.5, 1])
  })

  it('is a LUT, whose output is unsigned whatever the pixels are', async () => {
    // signed pixels -1, 0, 1; the descriptor's first value is signed too; 0x8000 is 32768 and not negative
    const lut = { ModalityLUTSequence: [{ LUTDescriptor: [3, 0xffff, 16], LUTData: words([0, 0x4000, 0x8000]) }] }
    expect(await show([-1, 0, 1], { PixelRepresentation: 1, ...lut })).toEqual([0, 0.5, 1])
  })

  it.each([
    ['0', '5'],
    ['steep', '0'],
    ['1', 'NaN'],
    ['1e400', '0'],
  ])('of slope %s and intercept %s is refused', async (RescaleSlope, RescaleIntercept) => {
    await expect(show([1, 2], { RescaleSlope, RescaleIntercept })).rejects.toMatchObject({ code: 'rescale-invalid' })
  })

  it.each([
    ['holds fewer entries than it says', { LUTDescriptor: [4, 0, 16], LUTData: words([1, 2]) }],
    ['has 20 bits', { LUTDescriptor: [2, 0, 20], LUTData: words([1, 2]) }],
    ['has a descriptor of two values', { LUTDescriptor: [2, 0], LUTData: words([1, 2]) }],
  ])('is refused where its LUT %s', async (_, item) => {
    await expect(show([1, 2], { ModalityLUTSequence: [item] })).rejects.toMatchObject({ code: 'attributes-inconsistent' })
  })
})

describe('padding', () => {
  it('takes no part in the range and is shown as background', async () => {
    expect(await show([-2000, 0, 100, 200], { PixelRepresentation: 1, PixelPaddingValue: 0xf830 })).toEqual([0, 0, 0.5, 1])
  })

  it('may be a range', async () => {
    expect(await show([60_000, 65_535, 0, 100, 200], { PixelPaddingValue: 65_535, PixelPaddingRangeLimit: 60_000 })).toEqual([0, 0, 0, 0.5, 1])
  })

  it('stays background where the image is inverted', async () => {
    expect(await show([9, 0, 100], { PhotometricInterpretation: 'MONOCHROME1', PixelPaddingValue: 9 })).toEqual([0, 1, 0])
  })

  it('may be all there is', async () => {
    expect(await show([9, 9], { PixelPaddingValue: 9 })).toEqual([0, 0])
  })
})

describe('inversion', () => {
  it.each([
    [{ PhotometricInterpretation: 'MONOCHROME1' }, [1, 0]],
    [{ PhotometricInterpretation: 'MONOCHROME2', PresentationLUTShape: 'INVERSE' }, [1, 0]],
    [{ PhotometricInterpretation: 'MONOCHROME1', PresentationLUTShape: 'INVERSE' }, [1, 0]],
    [{ PhotometricInterpretation: 'MONOCHROME2', PresentationLUTShape: 'IDENTITY' }, [0, 1]],
  ])('happens once for %j', async (attributes, shown) => {
    expect(await show([5, 10], attributes)).toEqual(shown)
  })

  it('makes MONOCHROME1 of the mirrored values the same picture as MONOCHROME2 of the values, for 8, 12 and 16 bits, with and without a window', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(8, 12, 16), fc.boolean(), fc.array(fc.nat({ max: 65_535 }), { minLength: 2, maxLength: 30 }), async (bitsStored, isWindowed, raw) => {
        const top = 2 ** bitsStored - 1
        const values = raw.map((value) => value & top)
        const bits = { BitsStored: bitsStored, HighBit: bitsStored - 1 }
        const window = (center: number): SyntheticDataset => (isWindowed ? exact(center, top / 2) : {})
        const straight = await show(values, { ...bits, ...window(top / 3) })
        const mirrored = await show(
          values.map((value) => top - value),
          { ...bits, PhotometricInterpretation: 'MONOCHROME1', ...window(top - top / 3) },
        )
        straight.forEach((value, i) => {
          expect(mirrored[i]).toBeCloseTo(value, 6)
        })
      }),
    )
  })
})

describe('16 bits', () => {
  it('are never cut to 8: a ramp of 65,536 steps comes through', async () => {
    const ramp = Array.from({ length: 65_536 }, (_, i) => i)
    const { image } = await decodeImage(buildGray16(ramp, 256, exact(32_767.5, 65_535)), { frame: 1 })
    expect(Array.from(image.pixels.data, (value) => Math.round(value * 65_535))).toEqual(ramp)
  })

  it('make two images differ that differ in their low byte only', async () => {
    const window = exact(32_768, 65_536)
    expect(await show([256, 512], window)).not.toEqual(await show([257, 513], window))
  })
})

describe('color', () => {
  const color = (photometricInterpretation: string, pixels: readonly number[], more: SyntheticDataset = {}): Uint8Array =>
    buildPart10({
      pixelVr: 'OB',
      dataset: {
        ...IMAGE,
        Rows: 1,
        Columns: pixels.length / 3,
        SamplesPerPixel: 3,
        PhotometricInterpretation: photometricInterpretation,
        PlanarConfiguration: 0,
        BitsAllocated: 8,
        BitsStored: 8,
        HighBit: 7,
        PixelData: Uint8Array.from(pixels),
        ...more,
      },
    })
  const pixelsOf = async (file: Uint8Array): Promise<number[]> => Array.from((await decodeImage(file, { frame: 1 })).image.pixels.data)

  it('of RGB is its samples over their range, in no window', async () => {
    const { image } = await decodeImage(color('RGB', [255, 0, 51]), { frame: 1 })
    expect(Array.from(image.pixels.data)).toEqual([1, 0, Math.fround(0.2)])
    expect(image.facts.window).toEqual({ center: 127.5, width: 255, function: 'NONE' })
  })

  it('of YBR_FULL is BT.601 over the full range', async () => {
    // white, black, then the red of ITU-T T.871: Y 76, Cb 85, Cr 255 gives 254, 0, 0 after clamping (76 + 1.402 x 127 = 254.05)
    const [r, g, b, ...rest] = await pixelsOf(color('YBR_FULL', [76, 85, 255, 255, 128, 128, 0, 128, 128]))
    expect(r! * 255).toBeCloseTo(254.054, 3)
    expect(g! * 255).toBeCloseTo(76 + 0.344136 * 43 - 0.714136 * 127, 3)
    expect(b! * 255).toBeCloseTo(Math.max(0, 76 - 1.772 * 43), 3)
    expect(rest).toEqual([1, 1, 1, 0, 0, 0])
  })

  it('of a palette follows its tables, plain and segmented; an index outside reads the nearest end', async () => {
    const palette: SyntheticDataset = {
      SamplesPerPixel: 1,
      Columns: 4,
      RedPaletteColorLookupTableDescriptor: [3, 10, 16],
      RedPaletteColorLookupTableData: words([0, 0x8000, 0xffff]),
      GreenPaletteColorLookupTableDescriptor: [3, 10, 8],
      GreenPaletteColorLookupTableData: Uint8Array.of(255, 51, 0, 0),
      BluePaletteColorLookupTableDescriptor: [3, 10, 16],
      // one entry 0, then linear to 0xFFFF in two steps
      SegmentedBluePaletteColorLookupTableData: words([0, 1, 0, 1, 2, 0xffff]),
    }
    const pixels = await pixelsOf(color('PALETTE COLOR', [9, 10, 11, 200], palette))
    const half = Math.fround(0x8000 / 0xffff)
    expect(pixels).toEqual([0, 1, 0, 0, 1, 0, half, Math.fround(0.2), half, 1, 0, 1])
  })

  it('of a palette without tables is refused', async () => {
    await expect(pixelsOf(color('PALETTE COLOR', [1, 2, 3], { SamplesPerPixel: 1, Columns: 3 }))).rejects.toMatchObject({ code: 'attributes-inconsistent' })
  })
})

describe('pixels that are no squares', () => {
  it.each([
    [{ PixelSpacing: '0.5\\0.25' }, ['pixels-not-square']],
    [{ PixelAspectRatio: '2\\1' }, ['pixels-not-square']],
    [{ ImagerPixelSpacing: '0.2\\0.2' }, []],
    [{ PixelSpacing: '0\\0' }, []],
  ])('%j are told of as %j', async (attributes, codes) => {
    const { image } = await decodeImage(buildGray16([1, 2], 2, { ...exact(1, 2), ...attributes }), { frame: 1 })
    expect(image.facts.warnings.map(({ code }) => code)).toEqual(codes)
  })
})
