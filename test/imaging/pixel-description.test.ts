/** Attributes of pixels that do not agree, each refused by its own name before anything is allocated. */
import { describe, expect, it } from 'vitest'
import { openDicom } from '../../src/imaging/decode-dicom.ts'
import { inspectImage } from '../../src/imaging/inspect-image.ts'
import { buildGray16, type SyntheticDataset } from '../support/synthetic-dicom.ts'

const image = (more: SyntheticDataset): Uint8Array => buildGray16([1, 2, 3, 4, 5, 6], 3, more)

describe('openDicom', () => {
  it.each([
    ['sop-class-unsupported', { SOPClassUID: '1.2.840.10008.5.1.4.1.1.66.4' }],
    ['sop-class-unsupported', { SOPClassUID: '1.2.840.10008.5.1.4.1.1.30' }],
    ['sop-class-unsupported', { FloatPixelData: new Uint8Array(4) }],
    ['pixel-data-missing', { PixelData: new Uint8Array(0) }],
    ['pixel-data-missing', { PixelData: undefined }],
    ['attribute-missing', { SOPInstanceUID: undefined }],
    ['attribute-missing', { Rows: undefined }],
    ['attribute-missing', { PhotometricInterpretation: undefined }],
    ['attribute-missing', { BitsAllocated: undefined }],
    ['attribute-missing', { PixelRepresentation: undefined }],
    ['uid-invalid', { SeriesInstanceUID: '../x' }],
    ['attributes-inconsistent', { SamplesPerPixel: 3 }],
    ['attributes-inconsistent', { PhotometricInterpretation: 'CMYK' }],
    ['attributes-inconsistent', { PixelRepresentation: 2 }],
    ['attributes-inconsistent', { SamplesPerPixel: 3, PhotometricInterpretation: 'RGB', PlanarConfiguration: 2 }],
    ['attributes-inconsistent', { SamplesPerPixel: 3, PhotometricInterpretation: 'RGB', PixelRepresentation: 1 }],
    ['attributes-inconsistent', { Rows: [2, 0] }],
    ['attributes-inconsistent', { SamplesPerPixel: 3, PhotometricInterpretation: 'YBR_RCT', BitsAllocated: 8, BitsStored: 8, HighBit: 7 }],
    ['bits-unsupported', { BitsAllocated: 0 }],
    ['bits-unsupported', { BitsAllocated: 12, BitsStored: 12, HighBit: 11 }],
    ['bits-unsupported', { BitsAllocated: 64 }],
    ['bits-unsupported', { BitsStored: 17 }],
    ['bits-unsupported', { BitsStored: 0 }],
    ['bits-unsupported', { HighBit: 16 }],
    ['bits-unsupported', { BitsStored: 12, HighBit: 10 }],
    ['bits-unsupported', { SamplesPerPixel: 3, PhotometricInterpretation: 'RGB', BitsAllocated: 32, BitsStored: 32, HighBit: 31 }],
    ['dimensions-invalid', { Rows: 0 }],
    ['dimensions-invalid', { Columns: 0 }],
    ['image-too-large', { Rows: 65_535, Columns: 65_535 }],
    ['number-of-frames-invalid', { NumberOfFrames: '0' }],
    ['number-of-frames-invalid', { NumberOfFrames: '-1' }],
    ['number-of-frames-invalid', { NumberOfFrames: '1A' }],
    ['frames-too-many', { NumberOfFrames: '513' }],
  ] as const)('refuses as "%s" an image with %j', (code, more) => {
    expect(() => openDicom(image(more as SyntheticDataset))).toThrow(expect.objectContaining({ code }))
  })

  it('takes bits stored and the high bit from the bits allocated where they are missing', () => {
    expect(openDicom(image({ BitsStored: undefined, HighBit: undefined })).description).toMatchObject({ bitsStored: 16, highBit: 15 })
  })

  it('names the keyword and never the value', () => {
    expect(() => openDicom(image({ PhotometricInterpretation: 'SECRET' }))).toThrow(
      expect.objectContaining({ facts: { keyword: 'PhotometricInterpretation' }, message: expect.not.stringContaining('SECRET') }),
    )
  })
})

describe('native pixels', () => {
  it('that are fewer than their attributes need are refused', async () => {
    await expect(openDicom(image({ Rows: 3 })).decodeFrame(1)).rejects.toMatchObject({ code: 'pixel-data-truncated', facts: { expectedBytes: 18, actualBytes: 12 } })
  })

  it('that are more are read, the rest is padding', async () => {
    expect(Array.from((await openDicom(image({ Rows: 1 })).decodeFrame(1)).values)).toEqual([1, 2, 3])
  })
})

it('does not decode all frames where they would need more than half a gibibyte', async () => {
  // 8192 x 8192 x 16 bits x 5 frames claimed; refused before the twelve bytes are found to be too few
  await expect(inspectImage(image({ Rows: 8192, Columns: 8192, NumberOfFrames: '5' }), 1)).rejects.toMatchObject({ code: 'image-too-large' })
})
