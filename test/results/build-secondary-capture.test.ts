import { describe, expect, it } from 'vitest'
import { buildSecondaryCapture } from '../../src/results/build-secondary-capture.ts'
import { resultContext } from '../../src/results/result-context.ts'
import { dciodvfyErrors, hasDciodvfy, hasPydicom, pydicomReads } from '../support/dicom-tools.ts'
import { environment, panel, predictionOf, radiographSource, sliceSource } from '../support/result-fixtures.ts'

const prediction = predictionOf({ rows: 23, columns: 38, modality: 'CT' })
const build = (source = sliceSource): Uint8Array => buildSecondaryCapture(resultContext(prediction, source, environment), panel).bytes

describe('buildSecondaryCapture', () => {
  it.skipIf(!hasDciodvfy)('passes dciodvfy without an error, with and without the identity of a source (needs dciodvfy)', () => {
    expect(dciodvfyErrors(build())).toEqual([])
    expect(dciodvfyErrors(build(radiographSource))).toEqual([])
  })

  it.skipIf(!hasPydicom)('holds the panel pixel for pixel, and says that text is burned in (needs pydicom)', () => {
    expect(pydicomReads(build(), '[ds.pixel_array.tolist(), ds.BurnedInAnnotation, ds.PhotometricInterpretation]')).toEqual([
      Array.from({ length: 5 }, (_, row) => Array.from({ length: 7 }, (__, column) => [0, 1, 2].map((channel) => ((row * 7 + column) * 3 + channel) * 2))),
      'YES',
      'RGB',
    ])
  })

  it.skipIf(!hasPydicom)('names the model, its hash and the moment of the contribution (needs pydicom)', () => {
    const item = 'ds.ContributingEquipmentSequence[0]'
    const expression = `[${item}.PurposeOfReferenceCodeSequence[0].CodeValue, ${item}.ContributionDateTime, ds.ContentDate, ds.ContentTime, ds.SeriesDescription, ${item}.ContributionDescription]`
    // 23:30:05.25 UTC is the next day an hour east.
    expect(pydicomReads(build(), expression)).toEqual([
      '109102',
      '20260305003005.250+0100',
      '20260305',
      '003005.250',
      'AI explanation panel (research use only)',
      expect.stringContaining('ab'.repeat(32)),
    ])
  })

  it('refuses a panel whose bytes are not its size', () => {
    const context = resultContext(prediction, sliceSource, environment)
    expect(() => buildSecondaryCapture(context, { ...panel, columns: 8 })).toThrow(expect.objectContaining({ code: 'result-invalid' }))
  })
})
