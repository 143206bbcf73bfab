import { describe, expect, it } from 'vitest'
import { CODES } from '../../src/dicom/coded-concepts.ts'
import { buildComprehensiveSr } from '../../src/results/build-comprehensive-sr.ts'
import type { ReportedObject } from '../../src/results/report-context.ts'
import { resultContext } from '../../src/results/result-context.ts'
import { dciodvfyErrors, hasDciodvfy, hasDcmtk, hasPydicom, pydicomReads, runOn } from '../support/dicom-tools.ts'
import { environment, predictionOf, radiographSource, sliceSource } from '../support/result-fixtures.ts'

const prediction = predictionOf({ rows: 23, columns: 38, modality: 'CT' })
const context = resultContext(prediction, sliceSource, environment)
const other: ReportedObject = {
  sopClassUid: '1.2.840.10008.5.1.4.1.1.66.4',
  sopInstanceUid: '2.25.7',
  seriesInstanceUid: '2.25.8',
  concept: CODES.referencedSegment,
  segments: [1, 2],
}
const { bytes } = buildComprehensiveSr(context, [other])

describe('buildComprehensiveSr', () => {
  it.skipIf(!hasDciodvfy)('passes dciodvfy without an error (needs dciodvfy)', () => {
    expect(dciodvfyErrors(bytes)).toEqual([])
    expect(dciodvfyErrors(buildComprehensiveSr(resultContext(prediction, radiographSource, environment), []).bytes)).toEqual([])
  })

  it.skipIf(!hasDcmtk)('is printed by dsrdump as a report of TID 1500 (needs dcmtk)', () => {
    const { status, stdout, stderr } = runOn(bytes, 'dsrdump', '+Pc', '+Pl', '+Pu')
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/PRELIMINARY|Preliminary/)
    for (const line of [
      'Imaging Measurement Report',
      '(121049,DCM,"Language of Content Item and Descendants")=(en-US,RFC5646,"English (United States)")',
      '(121005,DCM,"Observer Type")=(121007,DCM,"Device")',
      '(121058,DCM,"Procedure reported")=(77477000,SCT,"Computed tomography")',
      '(121071,DCM,"Finding")=(233604007,SCT,"Pneumonia")',
      '(111001,DCM,"Algorithm Name")="dcmm-vit-tiny-patch16-64.unit-v1"',
      '(111003,DCM,"Algorithm Version")="1.0.3"',
      `"graph SHA-256 ${'ab'.repeat(32)}"`,
      '(MODEL_OUTPUT,99ATTENDING,"Model output score")="0.876543211" (1,UCUM,"no units")',
      '(LOGIT_CHANGE,99ATTENDING,"Change of the logit by the structure")="-1.23e-7"',
      '(260753009,SCT,"Source")=(CT image,"2.25.1001")',
    ]) {
      expect(stdout.replaceAll('\n', '')).toContain(line)
    }
    expect(stdout).not.toMatch(/probability of/i)
  })

  it.skipIf(!hasPydicom)('holds the very numbers of the prediction, each with its class (needs pydicom)', () => {
    const found = pydicomReads(
      bytes,
      `[[i.ConceptNameCodeSequence[0].CodeValue, i.MeasuredValueSequence[0].FloatingPointValue, i.ContentSequence[0].ConceptCodeSequence[0].CodeMeaning if 'ContentSequence' in i else None]
        for i in ds.ContentSequence[-1].ContentSequence[0].ContentSequence if i.ValueType == 'NUM']`.replaceAll('\n', ' '),
    )
    const [first, second] = prediction.explanation.classes
    expect(found).toEqual([
      ['MODEL_OUTPUT', first!.probability, 'Pneumonia'],
      ['MODEL_OUTPUT_CAL', first!.calibratedProbability, 'Pneumonia'],
      ['MODEL_LOGIT', first!.logit, 'Pneumonia'],
      // The source's set is ISO_IR 100, so our own words are ASCII.
      ['MODEL_OUTPUT', second!.probability, 'ubrig'],
      ['MODEL_OUTPUT_CAL', second!.calibratedProbability, 'ubrig'],
      ['MODEL_LOGIT', second!.logit, 'ubrig'],
      ['MODEL_OUTPUT_WOS', 0.75, 'Pneumonia'],
      ['LOGIT_CHANGE', 0.1345678901234567, 'Pneumonia'],
      ['MODEL_OUTPUT_WOS', 0.25, 'ubrig'],
      ['LOGIT_CHANGE', -1.23e-7, 'ubrig'],
      ['MODEL_OUTPUT', 0.87, 'Pneumonia'],
      ['MODEL_OUTPUT', 0.0123, 'Pneumonia'],
      ['FLIP_RATE', 0.0625, null],
    ])
  })

  it.skipIf(!hasPydicom)('lists the source and every referenced object as evidence, and is neither verified nor final (needs pydicom)', () => {
    const expression =
      '[[ds.CompletionFlag, ds.VerificationFlag, ds.PreliminaryFlag], [[s.SeriesInstanceUID, s.ReferencedSOPSequence[0].ReferencedSOPInstanceUID] for s in ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence], len(ds.PerformedProcedureCodeSequence), len(ds.ReferencedPerformedProcedureStepSequence)]'
    expect(pydicomReads(bytes, expression)).toEqual([
      ['COMPLETE', 'UNVERIFIED', 'PRELIMINARY'],
      [
        ['2.25.1003', '2.25.1001'],
        ['2.25.8', '2.25.7'],
      ],
      0,
      0,
    ])
  })

  it.skipIf(!hasPydicom)('refers to the frame of a multi-frame source (needs pydicom)', () => {
    const frames = { ...sliceSource, sopClassUid: '1.2.840.10008.5.1.4.1.1.2.1', frame: 3, numberOfFrames: 10 }
    const report = buildComprehensiveSr(resultContext(prediction, frames, environment), [])
    const expression =
      '[int(i.ReferencedSOPSequence[0].ReferencedFrameNumber) for i in ds.ContentSequence[-1].ContentSequence[0].ContentSequence if i.ValueType == "IMAGE"] + [int(ds.InstanceNumber)]'
    expect(pydicomReads(report.bytes, expression)).toEqual([3, 3])
  })
})
