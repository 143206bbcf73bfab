/** A result's context in, the modules that all our objects share out: patient, study, series, equipment, SOP common. */
import { CODES, PRIVATE_SCHEME_IDENTIFICATION, toCodeSequence } from '../dicom/coded-concepts.ts'
import type { NewDataset, NewInstance } from '../dicom/dataset.ts'
import { KEYWORDS, type Keyword } from '../dicom/keywords.ts'
import { type CopiedElement, writePart10 } from '../dicom/write-part10.ts'
import type { DicomResult, ResultKind } from '../domain/dicom-result.ts'
import type { SourceReference } from '../domain/source-reference.ts'
import { deviceUid, type ResultContext, seriesUid, sourceText, text } from './result-context.ts'

/** Program, as manufacturer and as model name: there is no company behind it. */
const PRODUCT = 'attending'

/** Patient and study attributes that are repeated where the source has them (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2, C.7.1.3): what an archive matches by, no comments and no histories. */
const COPIED: readonly Keyword[] = [
  'TimezoneOffsetFromUTC',
  'StudyDate',
  'StudyTime',
  'AccessionNumber',
  'ReferringPhysicianName',
  'StudyDescription',
  'PatientName',
  'PatientID',
  'IssuerOfPatientID',
  'TypeOfPatientID',
  'PatientBirthDate',
  'PatientBirthTime',
  'PatientSex',
  'OtherPatientIDs',
  'PatientAge',
  'PatientSize',
  'PatientWeight',
  'PatientIdentityRemoved',
  'DeidentificationMethod',
  'ClinicalTrialSponsorName',
  'ClinicalTrialProtocolID',
  'ClinicalTrialProtocolName',
  'ClinicalTrialSiteID',
  'ClinicalTrialSiteName',
  'ClinicalTrialSubjectID',
  'ClinicalTrialSubjectReadingID',
  'ClinicalTrialTimePointID',
  'ClinicalTrialTimePointDescription',
  'ClinicalTrialCoordinatingCenterName',
  'StudyID',
]
const COPIED_TAGS = new Set(COPIED.map((keyword) => KEYWORDS[keyword].slice(0, 8)))

/** Of these, the ones that every object has, though they be empty (type 2). */
const ALWAYS_PRESENT = [
  'StudyDate',
  'StudyTime',
  'AccessionNumber',
  'ReferringPhysicianName',
  'PatientName',
  'PatientID',
  'PatientBirthDate',
  'PatientSex',
  'StudyID',
] as const satisfies readonly Keyword[]

/** One kind of result as a series: its modality, its number among the study's series, what it is called. */
interface SeriesFacts {
  readonly modality: string
  readonly number: number
  readonly description: string
}

/** Numbers far above a scanner's, so that results sort behind the images. */
const SERIES: Readonly<Record<ResultKind, SeriesFacts>> = {
  sr: { modality: 'SR', number: 9901, description: 'AI report' },
  sc: { modality: 'OT', number: 9902, description: 'AI explanation panel' },
  seg: { modality: 'SEG', number: 9903, description: 'AI patch communities' },
  pm: { modality: 'OT', number: 9904, description: 'AI explanation maps' },
  ko: { modality: 'KO', number: 9905, description: 'AI key images' },
}

/** What the builder of one object gives: its class, its instance UID, its own modules. */
export interface ResultModules {
  readonly kind: ResultKind
  readonly map: string | null
  readonly sopClassUid: string
  readonly sopInstanceUid: string
  readonly dataset: NewDataset
}

/**
 * The object as a file: its own modules between those that all results share, identity copied byte for byte.
 *
 * Throws: "result-invalid" where a value is not legal.
 */
export function writeResult(context: ResultContext, { kind, map, sopClassUid, sopInstanceUid, dataset }: ResultModules): DicomResult {
  const copied = copiedIdentity(context.source)
  const instance: NewInstance = {
    ...patientAndStudy(context, copied),
    ...series(context, kind),
    ...equipment(context),
    ...sopCommon(context),
    ...dataset,
    SOPClassUID: sopClassUid,
    SOPInstanceUID: sopInstanceUid,
  }
  return {
    kind,
    map,
    studyInstanceUid: context.source.studyInstanceUid,
    seriesInstanceUid: seriesUid(context, kind),
    sopClassUid,
    sopInstanceUid,
    bytes: writePart10(instance, { copied }),
  }
}

/** The source's attributes that a result repeats. */
function copiedIdentity(source: SourceReference): readonly CopiedElement[] {
  return source.attributes.filter(({ tag, vr }) => COPIED_TAGS.has(tag) && vr !== 'SQ' && vr !== 'UN')
}

function patientAndStudy({ source, characterSet }: ResultContext, copied: readonly CopiedElement[]): NewDataset {
  const tags = new Set(copied.map(({ tag }) => tag))
  const missing = ALWAYS_PRESENT.filter((keyword) => !tags.has(KEYWORDS[keyword].slice(0, 8)))
  return {
    ...(Object.fromEntries(missing.map((keyword) => [keyword, null])) as NewDataset),
    ...deidentification(source, tags),
    SpecificCharacterSet: characterSet.length === 0 ? undefined : characterSet,
    StudyInstanceUID: source.studyInstanceUid,
  }
}

/** By which profile we took identity out, and that no time is true; where the source says that others did and not how, a result says no more, but does say that (type 1C). */
function deidentification(source: SourceReference, tags: ReadonlySet<string>): NewDataset {
  if (source.isDeidentified) return { DeidentificationMethodCodeSequence: toCodeSequence(CODES.basicConfidentialityProfile), LongitudinalTemporalInformationModified: 'REMOVED' }
  const isUnexplained = sourceText(source, 'PatientIdentityRemoved') === 'YES' && !tags.has(KEYWORDS.DeidentificationMethod.slice(0, 8))
  return isUnexplained ? { DeidentificationMethod: 'Not stated by the source image' } : {}
}

function series(context: ResultContext, kind: ResultKind): NewDataset {
  const { modality, number, description } = SERIES[kind]
  return {
    Modality: modality,
    SeriesInstanceUID: seriesUid(context, kind),
    SeriesNumber: number,
    SeriesDescription: `${description} (research use only)`,
  }
}

/** General Equipment and Enhanced General Equipment (PS3.3 C.7.5.1, C.7.5.2), and our part in the making (C.12-1). */
function equipment(context: ResultContext): NewDataset {
  const { model, provenance } = context.prediction
  const facts = {
    Manufacturer: PRODUCT,
    ManufacturerModelName: PRODUCT,
    DeviceSerialNumber: text(context, context.environment.deviceSerialNumber),
    SoftwareVersions: [text(context, provenance.software), text(context, `${model.id} ${model.version}`)],
  }
  const { date, time, offset } = context.moment
  return {
    ...facts,
    ContributingEquipmentSequence: [
      {
        PurposeOfReferenceCodeSequence: toCodeSequence(CODES.processingEquipment),
        ...facts,
        ContributionDateTime: `${date}${time}${offset}`,
        ContributionDescription: text(context, `Model ${model.id} ${model.version}, graph SHA-256 ${model.graphSha256}, runtime ${provenance.runtime}. Research use only.`, 1024),
      },
    ],
  }
}

function sopCommon(context: ResultContext): NewDataset {
  const { moment, source } = context
  const number = source.numberOfFrames > 1 ? source.frame : Number(sourceText(source, 'InstanceNumber'))
  return {
    InstanceCreationDate: moment.date,
    InstanceCreationTime: moment.time,
    InstanceCreatorUID: deviceUid(context),
    InstanceNumber: Number.isInteger(number) && number > 0 && number < 2 ** 31 ? number : 1,
    ContentDate: moment.date,
    ContentTime: moment.time,
    CodingSchemeIdentificationSequence: PRIVATE_SCHEME_IDENTIFICATION,
  }
}
