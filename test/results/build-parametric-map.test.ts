import { describe, expect, it } from 'vitest'
import { buildParametricMap } from '../../src/results/build-parametric-map.ts'
import { type SourcePlane, sourcePlane } from '../../src/results/patient-plane.ts'
import { resultContext } from '../../src/results/result-context.ts'
import { dciodvfyErrors, hasDciodvfy, hasPydicom, pydicomReads, pydicomReadsEach } from '../support/dicom-tools.ts'
import { attentionMap, communitiesMap, deltaMap, environment, mapOf, padPlacement, predictionOf, sliceSource } from '../support/result-fixtures.ts'

const prediction = predictionOf({ rows: 23, columns: 38, modality: 'CT' })
const plane = sourcePlane(sliceSource) as SourcePlane
const build = (map = attentionMap, shown = prediction): Uint8Array => buildParametricMap(resultContext(shown, sliceSource, environment), map, plane).bytes

describe('buildParametricMap', () => {
  it.skipIf(!hasDciodvfy)('passes dciodvfy without an error (needs dciodvfy)', () => {
    expect(dciodvfyErrors(build())).toEqual([])
    expect(dciodvfyErrors(build(deltaMap))).toEqual([])
    expect(dciodvfyErrors(build(mapOf('flat', () => 0, { range: { min: 0, max: 0 } })))).toEqual([])
  })

  it.skipIf(!hasPydicom)('holds the very float32 values of the map (needs pydicom)', () => {
    const expression = '[np.frombuffer(ds.FloatPixelData, "<f4").astype(float).tolist(), ds.Rows, ds.Columns, "PixelData" in ds, "BitsStored" in ds]'
    expect(pydicomReads(build(), expression)).toEqual([[...attentionMap.grid.data], 4, 5, false, false])
  })

  it.skipIf(!hasPydicom)('lies by the half-pixel rule: cells of 5.75 x 4.6 pixels, worked out by hand (needs pydicom)', () => {
    const groups = 'ds.SharedFunctionalGroupsSequence[0]'
    const expression = `[[float(v) for v in ${groups}.PixelMeasuresSequence[0].PixelSpacing], [float(v) for v in ds.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient]]`
    const [spacing, position] = pydicomReads(build(), expression) as [number[], number[]]
    // See patient-plane.test.ts for the arithmetic; ten significant digits are written.
    const expected = [2.875, 3.45, -10, 26.6, 28.8125]
    ;[...spacing, ...position].forEach((value, i) => {
      expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-8)
    })
  })

  it.skipIf(!hasPydicom)('leaves out what lies on padding (needs pydicom)', () => {
    const padded = predictionOf({ rows: 23, columns: 38, modality: 'CT', placement: padPlacement(23, 38) })
    const expression = '[np.frombuffer(ds.FloatPixelData, "<f4").astype(float).tolist(), ds.Rows, ds.Columns]'
    expect(pydicomReads(build(attentionMap, padded), expression)).toEqual([[...attentionMap.grid.data.subarray(5, 15)], 2, 5])
  })

  it.skipIf(!hasPydicom)('states quantity, unit and window of its values (needs pydicom)', () => {
    const groups = 'ds.SharedFunctionalGroupsSequence[0]'
    const mapping = `${groups}.RealWorldValueMappingSequence[0]`
    const expression = `[${mapping}.QuantityDefinitionSequence[0].ConceptCodeSequence[0].CodeValue, ${mapping}.MeasurementUnitsCodeSequence[0].CodeValue, ${mapping}.RealWorldValueSlope, ${mapping}.DoubleFloatRealWorldValueLastValueMapped, float(${groups}.FrameVOILUTSequence[0].WindowWidth), ds.ContentQualification, ds.ContentLabel]`
    expect(pydicomReadsEach([build(), build(mapOf('edge-probability', (cell) => cell))], expression)).toEqual([
      ['130404', '1', 1, Math.fround(19 / 190), 1, 'RESEARCH', 'ATTENTION'],
      ['130401', '1', 1, 19, 1, 'RESEARCH', 'EDGE_PROBABILITY'],
    ])
  })

  it('refuses labels, values that are not finite, and a map beside the image', () => {
    const refusal = expect.objectContaining({ code: 'result-invalid' })
    expect(() => build(communitiesMap)).toThrow(refusal)
    expect(() => build(mapOf('broken', () => Number.NaN))).toThrow(refusal)
    const beside = { ...padPlacement(23, 38), top: 500 }
    expect(() => build(attentionMap, predictionOf({ rows: 23, columns: 38, modality: 'CT', placement: beside }))).toThrow(refusal)
  })
})
