/** A prediction in, a structured report of its numbers out: Comprehensive SR by TID 1500, preliminary and unverified. */
import { CODES, modalityCode, procedureCode, toCodeSequence } from '../dicom/coded-concepts.ts'
import type { NewDataset } from '../dicom/dataset.ts'
import type { DicomResult } from '../domain/dicom-result.ts'
import type { InputCheck } from '../domain/input-check.ts'
import { NOTICE } from '../domain/prediction.ts'
import { writeResult } from './common-modules.ts'
import { codeItem, containerItem, imageItem, numberItem, textItem, uidItem } from './content-items.ts'
import { evidence, observerContext, type ReportedObject } from './report-context.ts'
import { answerUid, classCode, instanceUid, predictedClass, type ResultContext, text } from './result-context.ts'
import { sourceReference } from './source-image.ts'

export const COMPREHENSIVE_SR = '1.2.840.10008.5.1.4.1.1.88.33'

export const comprehensiveSrUid = (context: ResultContext): string => answerUid(context, 'sr')

/**
 * The report (PS3.3 A.35.3, PS3.16 TID 1500).
 *
 * others  objects of the same prediction that are sent with it
 *
 * Every class has the model's output as a number without unit under a concept of our own: it is no probability of a disease.
 */
export function buildComprehensiveSr(context: ResultContext, others: readonly ReportedObject[]): DicomResult {
  return writeResult(context, {
    kind: 'sr',
    map: null,
    sopClassUid: COMPREHENSIVE_SR,
    sopInstanceUid: comprehensiveSrUid(context),
    dataset: {
      ReferencedPerformedProcedureStepSequence: [],
      PerformedProcedureCodeSequence: [],
      CompletionFlag: 'COMPLETE',
      CompletionFlagDescription: 'Complete output of a research algorithm',
      VerificationFlag: 'UNVERIFIED',
      PreliminaryFlag: 'PRELIMINARY',
      CurrentRequestedProcedureEvidenceSequence: evidence(context, others),
      ValueType: 'CONTAINER',
      ConceptNameCodeSequence: toCodeSequence(CODES.imagingMeasurementReport),
      ContinuityOfContent: 'SEPARATE',
      ContentTemplateSequence: [{ MappingResource: 'DCMR', TemplateIdentifier: '1500' }],
      ContentSequence: [
        codeItem('HAS CONCEPT MOD', CODES.language, CODES.english),
        ...observerContext(context),
        codeItem('HAS CONCEPT MOD', CODES.procedureReported, procedureCode(context.source.modality)),
        imageLibrary(context),
        containerItem(CODES.imagingMeasurements, [measurementGroup(context, others)]),
      ],
    },
  })
}

/** TID 1600: the one image that was looked at. */
function imageLibrary({ source }: ResultContext): NewDataset {
  const modality = modalityCode(source.modality)
  const descriptors = modality === null ? [] : [codeItem('HAS ACQ CONTEXT', CODES.modality, modality)]
  return containerItem(CODES.imageLibrary, [containerItem(CODES.imageLibraryGroup, [imageItem(null, sourceReference(source), descriptors)])])
}

/** TID 1501: who was measured by what, the finding, the numbers, where they come from. */
function measurementGroup(context: ResultContext, others: readonly ReportedObject[]): NewDataset {
  const finding = predictedClass(context)
  return containerItem(CODES.measurementGroup, [
    textItem('HAS OBS CONTEXT', CODES.trackingIdentifier, text(context, `${context.prediction.model.id} whole image`)),
    uidItem('HAS OBS CONTEXT', CODES.trackingUniqueIdentifier, instanceUid(context, 'tracking')),
    codeItem('CONTAINS', CODES.finding, classCode(context, finding.name, finding.code)),
    ...algorithmIdentification(context),
    imageItem(CODES.source, sourceReference(context.source)),
    ...others.flatMap(referenceTo),
    ...outputs(context),
    ...counterfactual(context),
    ...uncertainty(context),
    textItem('CONTAINS', CODES.comment, text(context, commentOf(context), 1024)),
  ])
}

function referenceTo({ concept, sopClassUid, sopInstanceUid, segments }: ReportedObject): readonly NewDataset[] {
  if (concept === null) return []
  const segment = segments.length === 0 ? {} : { ReferencedSegmentNumber: segments }
  return [imageItem(concept, { ReferencedSOPClassUID: sopClassUid, ReferencedSOPInstanceUID: sopInstanceUid, ...segment })]
}

/** TID 4019. The hash names the weights beyond any version number. */
function algorithmIdentification(context: ResultContext): readonly NewDataset[] {
  const { model, provenance } = context.prediction
  const parameters = [
    `graph SHA-256 ${model.graphSha256}`,
    `preprocessing SHA-256 ${provenance.preprocessingSha256}`,
    `input SHA-256 ${provenance.inputSha256}`,
    `network ${model.network}`,
    `runtime ${provenance.runtime}`,
    ...(provenance.seed === null ? [] : [`seed ${provenance.seed}`]),
  ]
  return [
    textItem('HAS CONCEPT MOD', CODES.algorithmName, text(context, model.id, 1024)),
    textItem('HAS CONCEPT MOD', CODES.algorithmVersion, text(context, model.version, 1024)),
    ...parameters.map((parameter) => textItem('HAS CONCEPT MOD', CODES.algorithmParameters, text(context, parameter, 1024))),
  ]
}

/** Which class a number is about. */
const about = (context: ResultContext, name: string): NewDataset => {
  const code = context.prediction.explanation.classes.find((candidate) => candidate.name === name)?.code ?? null
  return codeItem('HAS CONCEPT MOD', CODES.outputClass, classCode(context, name, code))
}

function outputs(context: ResultContext): readonly NewDataset[] {
  return context.prediction.explanation.classes.flatMap(({ name, probability, calibratedProbability, logit }) => [
    numberItem(CODES.modelOutput, probability, [about(context, name)]),
    ...(calibratedProbability === null ? [] : [numberItem(CODES.calibratedModelOutput, calibratedProbability, [about(context, name)])]),
    numberItem(CODES.modelLogit, logit, [about(context, name)]),
  ])
}

/** The same network with its structure taken out. */
function counterfactual(context: ResultContext): readonly NewDataset[] {
  const classes = context.prediction.explanation.counterfactual?.classes ?? []
  return classes.flatMap(({ name, probability, deltaLogit }) => [
    numberItem(CODES.modelOutputWithoutStructure, probability, [about(context, name)]),
    numberItem(CODES.logitChangeByStructure, deltaLogit, [about(context, name)]),
  ])
}

/** Mean and standard deviation over drawn masks, where the network draws any. */
function uncertainty(context: ResultContext): readonly NewDataset[] {
  const facts = context.prediction.explanation.uncertainty
  if (facts === null) return []
  const spread = facts.classes.flatMap(({ name, meanProbability, standardDeviation }) => [
    numberItem(CODES.modelOutput, meanProbability, [about(context, name), codeItem('HAS CONCEPT MOD', CODES.derivation, CODES.mean)]),
    numberItem(CODES.modelOutput, standardDeviation, [about(context, name), codeItem('HAS CONCEPT MOD', CODES.derivation, CODES.standardDeviation)]),
  ])
  return [...spread, numberItem(CODES.flipRate, facts.flipRate, [])]
}

/** What a reader must know before the numbers: whether the image is what the model was trained on. */
function scopeOf(check: InputCheck | undefined): readonly string[] {
  return check === undefined ? [] : [`Input check: ${check.verdict}.`, ...check.reasons]
}

function commentOf({ prediction }: ResultContext): string {
  const { counterfactual: removed, uncertainty: drawn } = prediction.explanation
  const sentences = [
    NOTICE,
    'Scores are outputs of a model, not probabilities of a disease.',
    removed === null ? null : `The structure was removed in ${removed.scope === 'network' ? 'every layer' : 'the last layer alone'}.`,
    ...scopeOf(prediction.inputCheck),
    drawn === null ? null : `Means and deviations are over ${drawn.samples} masks drawn from seed ${drawn.seed}.`,
  ]
  return sentences.filter((sentence) => sentence !== null).join(' ')
}
