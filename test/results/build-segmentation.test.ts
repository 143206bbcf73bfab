import { describe, expect, it } from 'vitest'
import { buildSegmentation } from '../../src/results/build-segmentation.ts'
import { resultContext } from '../../src/results/result-context.ts'
import { dciodvfyErrors, hasDciodvfy, hasPydicom, pydicomReads, pydicomReadsEach } from '../support/dicom-tools.ts'
import { attentionMap, communitiesMap, environment, predictionOf, radiographSource, sliceSource } from '../support/result-fixtures.ts'

const prediction = predictionOf({ rows: 23, columns: 38, modality: 'CT' })
const build = (source = sliceSource): Uint8Array => buildSegmentation(resultContext(prediction, source, environment), communitiesMap).bytes

describe('buildSegmentation', () => {
  it.skipIf(!hasDciodvfy)('passes dciodvfy without an error, in the patient and without a place in it (needs dciodvfy)', () => {
    expect(dciodvfyErrors(build())).toEqual([])
    expect(dciodvfyErrors(build(radiographSource))).toEqual([])
    expect(dciodvfyErrors(build({ ...sliceSource, sliceThickness: null }))).toEqual([])
  })

  it.skipIf(!hasPydicom)('holds each community as a frame of 23 x 38 pixels, unpacked by pydicom (needs pydicom)', () => {
    // Cropped to columns 7 to 30 of 38; five patches of 4.6 pixels, the first two are community 0, then two of 1, one of 2.
    const community = (column: number): number => (column < 7 || column >= 30 ? -1 : Math.floor(Math.floor((column + 0.5 - 7) / 4.6) / 2))
    const row = (frame: number): number[] => Array.from({ length: 38 }, (_, column) => (community(column) === frame ? 1 : 0))
    const expected = [0, 1, 2].map((frame) => Array.from({ length: 23 }, () => row(frame)))
    expect(pydicomReads(build(), '[ds.pixel_array.tolist(), len(ds.PixelData)]')).toEqual([expected, Math.ceil((3 * 23 * 38) / 8)])
  })

  it.skipIf(!hasPydicom)('lies where the source lies, a frame for each segment (needs pydicom)', () => {
    const groups = 'ds.SharedFunctionalGroupsSequence[0]'
    const expression = `[ds.FrameOfReferenceUID, [float(v) for v in ${groups}.PixelMeasuresSequence[0].PixelSpacing], [float(v) for v in ${groups}.PlaneOrientationSequence[0].ImageOrientationPatient],
      [[float(v) for v in f.PlanePositionSequence[0].ImagePositionPatient] for f in ds.PerFrameFunctionalGroupsSequence],
      [f.SegmentIdentificationSequence[0].ReferencedSegmentNumber for f in ds.PerFrameFunctionalGroupsSequence],
      [[int(v) for v in f.FrameContentSequence[0].DimensionIndexValues] for f in ds.PerFrameFunctionalGroupsSequence]]`
    expect(pydicomReads(build(), expression)).toEqual([
      '2.25.1004',
      [0.5, 0.75],
      [0, 1, 0, 0, 0, -1],
      [
        [-10, 20, 30],
        [-10, 20, 30],
        [-10, 20, 30],
      ],
      [1, 2, 3],
      [
        [1, 1],
        [2, 1],
        [3, 1],
      ],
    ])
  })

  it.skipIf(!hasPydicom)('says of each segment what it is: a pattern of a named network, made by no one (needs pydicom)', () => {
    const expression =
      '[[s.SegmentNumber, s.SegmentLabel, s.SegmentAlgorithmType, s.SegmentedPropertyTypeCodeSequence[0].CodingSchemeDesignator, s.SegmentationAlgorithmIdentificationSequence[0].AlgorithmFamilyCodeSequence[0].CodeValue] for s in ds.SegmentSequence]'
    expect(pydicomReads(build(), expression)).toEqual([1, 2, 3].map((number) => [number, `Community ${number}`, 'AUTOMATIC', '99ATTENDING', '123110']))
  })

  it.skipIf(!hasPydicom)('refers to the source, and to its frame where it has several (needs pydicom)', () => {
    const multiFrame = { ...sliceSource, sopClassUid: '1.2.840.10008.5.1.4.1.1.2.1', frame: 4, numberOfFrames: 9 }
    const image = 'ds.PerFrameFunctionalGroupsSequence[2].DerivationImageSequence[0].SourceImageSequence[0]'
    expect(pydicomReadsEach([build(multiFrame), build()], `[${image}.ReferencedSOPInstanceUID, str(${image}.get('ReferencedFrameNumber'))]`)).toEqual([
      ['2.25.1001', '4'],
      ['2.25.1001', 'None'],
    ])
  })

  it('refuses a map without communities and a placement of another image', () => {
    const context = resultContext(prediction, sliceSource, environment)
    expect(() => buildSegmentation(context, attentionMap)).toThrow(expect.objectContaining({ code: 'result-invalid' }))
    expect(() => buildSegmentation(resultContext(prediction, { ...sliceSource, rows: 24 }, environment), communitiesMap)).toThrow(
      expect.objectContaining({ code: 'result-invalid' }),
    )
  })
})
