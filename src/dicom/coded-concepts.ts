/** A concept in, a code sequence item out; and the concepts that our objects use. */
import { buildUid } from './build-uid.ts'
import type { NewDataset } from './dataset.ts'

/** A code, its coding scheme and its meaning (PS3.3 section 8). */
export interface Code {
  readonly value: string
  readonly scheme: string
  readonly meaning: string
}

/** Our own coding scheme: its designator begins with 99, as private ones must (PS3.3 section 8.2). */
export const PRIVATE_SCHEME = '99ATTENDING'

const dcm = (value: string, meaning: string): Code => ({ value, scheme: 'DCM', meaning })
const sct = (value: string, meaning: string): Code => ({ value, scheme: 'SCT', meaning })
const own = (value: string, meaning: string): Code => ({ value, scheme: PRIVATE_SCHEME, meaning })

/** Names and values, from PS3.16 annex D (DCM) and SNOMED CT where no other source is named. */
export const CODES = {
  // TID 1500 and what it includes
  imagingMeasurementReport: dcm('126000', 'Imaging Measurement Report'),
  language: dcm('121049', 'Language of Content Item and Descendants'),
  english: { value: 'en-US', scheme: 'RFC5646', meaning: 'English (United States)' },
  observerType: dcm('121005', 'Observer Type'),
  device: dcm('121007', 'Device'),
  deviceObserverUid: dcm('121012', 'Device Observer UID'),
  deviceObserverName: dcm('121013', 'Device Observer Name'),
  deviceObserverManufacturer: dcm('121014', 'Device Observer Manufacturer'),
  deviceObserverModelName: dcm('121015', 'Device Observer Model Name'),
  deviceObserverSerialNumber: dcm('121016', 'Device Observer Serial Number'),
  procedureReported: dcm('121058', 'Procedure reported'),
  imageLibrary: dcm('111028', 'Image Library'),
  imageLibraryGroup: dcm('126200', 'Image Library Group'),
  modality: dcm('121139', 'Modality'),
  imagingMeasurements: dcm('126010', 'Imaging Measurements'),
  measurementGroup: dcm('125007', 'Measurement Group'),
  trackingIdentifier: dcm('112039', 'Tracking Identifier'),
  trackingUniqueIdentifier: dcm('112040', 'Tracking Unique Identifier'),
  finding: dcm('121071', 'Finding'),
  source: sct('260753009', 'Source'),
  comment: dcm('121106', 'Comment'),
  derivation: dcm('121401', 'Derivation'),
  mean: sct('373098007', 'Mean'),
  standardDeviation: sct('386136009', 'Standard Deviation'),
  noUnits: { value: '1', scheme: 'UCUM', meaning: 'no units' },
  referencedSegment: dcm('121191', 'Referenced Segment'),
  // TID 4019
  algorithmName: dcm('111001', 'Algorithm Name'),
  algorithmParameters: dcm('111002', 'Algorithm Parameters'),
  algorithmVersion: dcm('111003', 'Algorithm Version'),
  /** CID 7162; 123109 is "Manual Processing". */
  artificialIntelligence: dcm('123110', 'Artificial Intelligence'),
  // CID 217, quantities of a parametric map
  quantity: sct('246205007', 'Quantity'),
  visualExplanation: dcm('130401', 'Visual explanation'),
  saliency: dcm('130404', 'Saliency'),
  // References between images
  basicConfidentialityProfile: dcm('113100', 'Basic Application Confidentiality Profile'),
  processingEquipment: dcm('109102', 'Processing Equipment'),
  sourceImage: dcm('121322', 'Source image for image processing operation'),
  segmentation: dcm('113076', 'Segmentation'),
  /** CID 7150, categories of segments. */
  spatialConcept: sct('309825002', 'Spatial and Relational Concept'),
  // TID 2010
  ofInterest: dcm('113000', 'Of Interest'),
  keyObjectDescription: dcm('113012', 'Key Object Description'),
  // Outputs of a network are no probabilities of a disease: none of the standard's concepts for those is borrowed.
  modelOutput: own('MODEL_OUTPUT', 'Model output score'),
  calibratedModelOutput: own('MODEL_OUTPUT_CAL', 'Calibrated model output score'),
  modelLogit: own('MODEL_LOGIT', 'Model output logit'),
  modelOutputWithoutStructure: own('MODEL_OUTPUT_WOS', 'Model output score with the structure removed'),
  logitChangeByStructure: own('LOGIT_CHANGE', 'Change of the logit by the structure'),
  flipRate: own('FLIP_RATE', 'Part of drawn masks that change the class'),
  outputClass: own('OUTPUT_CLASS', 'Output class of the model'),
  community: own('COMMUNITY', 'Community of image patches'),
} as const satisfies Readonly<Record<string, Code>>

/** A modality's concept where PS3.16 CID 29 has it, null elsewhere. */
export function modalityCode(modality: string | null): Code | null {
  const meaning = modality === null ? undefined : MODALITY_MEANINGS[modality]
  return modality === null || meaning === undefined ? null : dcm(modality, meaning)
}

const MODALITY_MEANINGS: Readonly<Record<string, string>> = {
  CR: 'Computed Radiography',
  CT: 'Computed Tomography',
  DX: 'Digital Radiography',
  ES: 'Endoscopy',
  GM: 'General Microscopy',
  IO: 'Intra-oral Radiography',
  IVOCT: 'Intravascular Optical Coherence Tomography',
  MG: 'Mammography',
  MR: 'Magnetic Resonance',
  NM: 'Nuclear Medicine',
  OP: 'Ophthalmic Photography',
  OPT: 'Ophthalmic Tomography',
  OT: 'Other',
  PT: 'Positron emission tomography',
  PX: 'Panoramic X-Ray',
  RF: 'Radiofluoroscopy',
  RG: 'Radiographic imaging',
  SM: 'Slide Microscopy',
  US: 'Ultrasound',
  XA: 'X-Ray Angiography',
  XC: 'External-camera Photography',
}

/** What kind of procedure made images of this modality; any imaging where none is known. */
export function procedureCode(modality: string | null): Code {
  return PROCEDURES[modality ?? ''] ?? sct('363679005', 'Imaging')
}

const RADIOGRAPHY = sct('168537006', 'Plain radiography')
const PROCEDURES: Readonly<Record<string, Code>> = {
  CR: RADIOGRAPHY,
  CT: sct('77477000', 'Computed tomography'),
  DX: RADIOGRAPHY,
  MG: sct('71651007', 'Mammography'),
  MR: sct('113091000', 'Magnetic resonance imaging'),
  US: sct('16310003', 'Ultrasonography'),
}

/** One item of a code sequence. A value of more than 16 characters is a long one (PS3.3 table 8.8-1). */
export function toCodeItem(code: Code): NewDataset {
  const value = code.value.length > 16 ? { LongCodeValue: code.value } : { CodeValue: code.value }
  return { ...value, CodingSchemeDesignator: code.scheme, CodeMeaning: code.meaning }
}

/** A code sequence of one item. */
export const toCodeSequence = (code: Code): readonly NewDataset[] => [toCodeItem(code)]

/** What tells a reader whose scheme 99ATTENDING is (PS3.3 table C.12-1). */
export const PRIVATE_SCHEME_IDENTIFICATION: readonly NewDataset[] = [
  {
    CodingSchemeDesignator: PRIVATE_SCHEME,
    CodingSchemeUID: buildUid('attending', 'coding-scheme'),
    CodingSchemeName: 'attending, research use only',
    CodingSchemeResponsibleOrganization: 'attending',
  },
]
