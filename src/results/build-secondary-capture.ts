/** The explanation panel's pixels in, a Secondary Capture of them out: the one display that every viewer has. */
import type { DicomResult, RgbImage } from '../domain/dicom-result.ts'
import { Problem } from '../domain/problem.ts'
import { writeResult } from './common-modules.ts'
import { answerUid, type ResultContext } from './result-context.ts'
import { derivationDescription, lossyHistory, sourceImageSequence } from './source-image.ts'

export const SECONDARY_CAPTURE = '1.2.840.10008.5.1.4.1.1.7'

export const secondaryCaptureUid = (context: ResultContext): string => answerUid(context, 'sc')

/**
 * The panel as a Secondary Capture Image (PS3.3 A.8.1).
 *
 * Its legend is burned in, and whatever the source has burned in shows through it: BurnedInAnnotation is YES.
 * Throws: "result-invalid" where the panel's size and bytes disagree, or exceed what Rows and Columns can say.
 */
export function buildSecondaryCapture(context: ResultContext, panel: RgbImage): DicomResult {
  const { rows, columns, pixels } = panel
  if (pixels.length !== rows * columns * 3 || rows > 0xffff || columns > 0xffff) throw new Problem('result-invalid', 'the panel is no RGB image of its size', {})
  const { source, moment } = context
  return writeResult(context, {
    kind: 'sc',
    map: null,
    sopClassUid: SECONDARY_CAPTURE,
    sopInstanceUid: secondaryCaptureUid(context),
    dataset: {
      ConversionType: 'WSD',
      Laterality: null,
      ImageType: ['DERIVED', 'SECONDARY'],
      DateOfSecondaryCapture: moment.date,
      TimeOfSecondaryCapture: moment.time,
      PatientOrientation: null,
      BurnedInAnnotation: 'YES',
      ...lossyHistory(source),
      DerivationDescription: derivationDescription(context, 'Image, explanation maps and legend side by side.'),
      SourceImageSequence: sourceImageSequence(source),
      SamplesPerPixel: 3,
      PhotometricInterpretation: 'RGB',
      PlanarConfiguration: 0,
      Rows: rows,
      Columns: columns,
      BitsAllocated: 8,
      BitsStored: 8,
      HighBit: 7,
      PixelRepresentation: 0,
      PixelData: pixels,
    },
  })
}
