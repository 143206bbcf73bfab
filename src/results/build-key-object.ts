/** A prediction's objects in, a Key Object Selection out: the pointer that worklists show, to the image and to what was made of it. */
import { CODES, toCodeSequence } from '../dicom/coded-concepts.ts'
import type { DicomResult } from '../domain/dicom-result.ts'
import { NOTICE } from '../domain/prediction.ts'
import { writeResult } from './common-modules.ts'
import { imageItem, textItem } from './content-items.ts'
import { evidence, observerContext, type ReportedObject } from './report-context.ts'
import { answerUid, predictedClass, type ResultContext, text } from './result-context.ts'
import { sourceReference } from './source-image.ts'

export const KEY_OBJECT_SELECTION = '1.2.840.10008.5.1.4.1.1.88.59'

/**
 * The source and the images made of it as objects of interest (PS3.3 A.35.4, PS3.16 TID 2010).
 *
 * images  results that are images
 *
 * It says that a model gave an output, not that the image shows a disease.
 */
export function buildKeyObject(context: ResultContext, images: readonly ReportedObject[]): DicomResult {
  const { model } = context.prediction
  const { name } = predictedClass(context)
  return writeResult(context, {
    kind: 'ko',
    map: null,
    sopClassUid: KEY_OBJECT_SELECTION,
    sopInstanceUid: answerUid(context, 'ko'),
    dataset: {
      ReferencedPerformedProcedureStepSequence: [],
      CurrentRequestedProcedureEvidenceSequence: evidence(context, images),
      ValueType: 'CONTAINER',
      ConceptNameCodeSequence: toCodeSequence(CODES.ofInterest),
      ContinuityOfContent: 'SEPARATE',
      ContentTemplateSequence: [{ MappingResource: 'DCMR', TemplateIdentifier: '2010' }],
      ContentSequence: [
        ...observerContext(context),
        textItem('CONTAINS', CODES.keyObjectDescription, text(context, `${NOTICE} Output of model ${model.id} ${model.version}: ${name}.`, 1024)),
        imageItem(null, sourceReference(context.source)),
        ...images.map(({ sopClassUid, sopInstanceUid }) => imageItem(null, { ReferencedSOPClassUID: sopClassUid, ReferencedSOPInstanceUID: sopInstanceUid })),
      ],
    },
  })
}
