/**
 * A prediction and whose image it was in, the same of nobody out: what results made from these can't hold, they can't give away.
 *
 * By whitelist: a source's new reference is built from nothing, and only what is listed here goes into it. Source: PS3.15 annex E, basic application level
 * confidentiality profile; its "replace with a dummy value" is a pseudonym by HMAC-SHA-256, the same for all images of one patient under one key.
 */
import { createHmac } from 'node:crypto'
import { KEYWORDS, type Keyword } from '../dicom/keywords.ts'
import { findTransferSyntax } from '../dicom/transfer-syntaxes.ts'
import type { Deidentification } from '../domain/deidentification.ts'
import type { ResultEnvironment } from '../domain/dicom-result.ts'
import type { InputCheck } from '../domain/input-check.ts'
import type { Prediction } from '../domain/prediction.ts'
import { Problem, type ProblemData } from '../domain/problem.ts'
import type { SourceAttribute, SourceReference } from '../domain/source-reference.ts'

const SHORTEST_KEY = 16

/** Storage classes as PS3.4 table B.5-1 numbers them, in arcs too short for anyone's number or date; a class of a vendor's might be someone's. */
const STORAGE_CLASS = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.\d{1,3}(\.\d{1,2}){0,4}$/

/** Lossy Image Compression Method (PS3.3 C.7.6.1.1.5.1). */
const LOSSY_METHODS = new Set(['10918_1', '14495_1', '15444_1', '15444_2', '15444_15', '18181_1', '13818_2', '14496_10', '23008_2'].map((standard) => `ISO_${standard}`))

/** A ratio above this is none, and with two decimals what is left can't hold a number of anyone's. */
const GREATEST_RATIO = 1000

/** Modalities of images (PS3.3 C.7.3.1.1.1): a code string can hold a name. */
const MODALITIES = new Set('BI CR CT DX ECG ES GM IO IVOCT IVUS LS MG MR NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OT PT PX RF RG SC SM TG US VA XA XC'.split(' '))

/** The moment of everything in a de-identified export. */
export const DUMMY_TIME = '1970-01-01T00:00:00.000Z'

/** Throws: "parameter-invalid" for a key that could be guessed. */
export function checkDeidentification({ key }: Deidentification): void {
  if (key.length < SHORTEST_KEY) throw new Problem('parameter-invalid', `the key of a de-identified export has at least ${SHORTEST_KEY} bytes`, { parameter: 'deidentify-key' })
}

/** 32 hexadecimal digits for something that must not be known: the same ones for the same thing under the same key. */
export function pseudonym({ key }: Deidentification, kind: string, ...parts: readonly string[]): string {
  return keyed(key, kind, parts).subarray(0, 16).toString('hex')
}

/** The source of nobody. */
export function deidentifySource(source: SourceReference, deidentification: Deidentification): SourceReference {
  const uid = <T extends string | null>(kind: string, original: T): T => (original === null ? original : (newUid(deidentification, kind, original) as T))
  const { rows, columns, frame, numberOfFrames, pixelSpacing, imagePositionPatient, imageOrientationPatient, sliceThickness } = source
  return {
    rows,
    columns,
    frame,
    numberOfFrames,
    pixelSpacing,
    imagePositionPatient,
    imageOrientationPatient,
    sliceThickness,
    sopClassUid: STORAGE_CLASS.test(source.sopClassUid) ? source.sopClassUid : newUid(deidentification, 'class', source.sopClassUid),
    sopInstanceUid: uid('instance', source.sopInstanceUid),
    studyInstanceUid: uid('study', source.studyInstanceUid),
    seriesInstanceUid: uid('series', source.seriesInstanceUid),
    frameOfReferenceUid: uid('frame of reference', source.frameOfReferenceUid),
    transferSyntaxUid: findTransferSyntax(source.transferSyntaxUid) === undefined ? '' : source.transferSyntaxUid,
    modality: knownModality(source.modality),
    specificCharacterSet: [],
    burnedInAnnotation: source.burnedInAnnotation,
    lossyImageCompression: source.lossyImageCompression,
    lossyImageCompressionRatio: knownRatios(source.lossyImageCompressionRatio),
    lossyImageCompressionMethod: keepIf(source.lossyImageCompressionMethod, (method) => LOSSY_METHODS.has(method)),
    attributes: identityOf(source, deidentification),
    isDeidentified: true,
  }
}

const knownModality = (modality: string | null): string | null => (modality !== null && MODALITIES.has(modality) ? modality : null)

/** All values of a multi-valued attribute where each is known, none where one is not. */
const keepIf = (values: string | null, isKnown: (value: string) => boolean): string | null => (values?.split('\\').every(isKnown) ? values : null)

function knownRatios(ratios: string | null): string | null {
  const known = keepIf(ratios, (ratio) => /^\d+(\.\d*)?$/.test(ratio) && Number(ratio) <= GREATEST_RATIO)
  return (
    known
      ?.split('\\')
      .map((ratio) => String(Math.round(100 * Number(ratio)) / 100))
      .join('\\') ?? null
  )
}

/** The prediction without the digest of the file, by which whoever has the file would know it again, and without what the file calls its modality where that is no modality. */
export function deidentifyPrediction(prediction: Prediction, deidentification: Deidentification): Prediction {
  const { provenance, input, inputCheck } = prediction
  return {
    ...prediction,
    input: { ...input, modality: knownModality(input.modality) },
    ...(inputCheck && { inputCheck: deidentifyCheck(inputCheck) }),
    provenance: { ...provenance, inputSha256: keyed(deidentification.key, 'input', [provenance.inputSha256]).toString('hex') },
  }
}

/** A modality that is none was neither in scope nor out of it, and no reason speaks of it; body part and view are known terms already. */
function deidentifyCheck(check: InputCheck): InputCheck {
  return { ...check, findings: check.findings.map((finding) => (finding.check === 'modality' ? { ...finding, value: knownModality(finding.value) } : finding)) }
}

/** What failed by its code alone: details and facts may repeat what the file says, as a UID or a modality that is none. */
export const deidentifyProblem = ({ code }: ProblemData): ProblemData => ({ code, detail: 'the detail is left out of a de-identified export', facts: {} })

/** No time of the work, and no name of the installation. */
export const deidentifyEnvironment = (): ResultEnvironment => ({ createdAt: DUMMY_TIME, utcOffsetMinutes: 0, deviceSerialNumber: 'removed' })

/** Whether a picture of the pixels may leave; the reason where it may not. */
export function pixelsRefusal({ burnedInAnnotation }: SourceReference, { pixelsAreClean }: Deidentification): string | null {
  if (burnedInAnnotation === 'NO') return null
  if (burnedInAnnotation === 'YES') return 'the source says that its pixels have annotation burned in, which may identify'
  return pixelsAreClean ? null : 'the source does not say whether annotation is burned into its pixels, which may identify; --pixels-are-clean takes the word of whoever knows'
}

/** A pseudonym in the place of the patient, and what was done. */
function identityOf(source: SourceReference, deidentification: Deidentification): readonly SourceAttribute[] {
  const original = (keyword: Keyword): string => textOf(source, keyword)
  const patient = original('PatientID') === '' ? (source.studyInstanceUid ?? source.sopInstanceUid) : `${original('IssuerOfPatientID')}\\${original('PatientID')}`
  const name = `P${pseudonym(deidentification, 'patient', patient).slice(0, 15)}`
  return [
    attribute('PatientName', name),
    attribute('PatientID', name),
    attribute('PatientIdentityRemoved', 'YES'),
    attribute('DeidentificationMethod', 'PS3.15 Basic Profile, by whitelist'),
  ]
}

/** Bytes as they are: only their equality counts. */
function textOf({ attributes }: SourceReference, keyword: Keyword): string {
  const tag = KEYWORDS[keyword].slice(0, 8)
  return Buffer.from(attributes.find((candidate) => candidate.tag === tag)?.bytes ?? [])
    .toString('latin1')
    .replace(/[ \0]+$/, '')
}

function attribute(keyword: Keyword, value: string): SourceAttribute {
  const [tag = '', vr = ''] = KEYWORDS[keyword].split(' ')
  return { tag, vr, bytes: Buffer.from(value.length % 2 === 0 ? value : `${value} `, 'latin1') }
}

/** A UID under 2.25 (PS3.5 section B.2): a version 8 UUID of the digest (RFC 9562 section 5.8). */
function newUid({ key }: Deidentification, kind: string, original: string): string {
  const uuid = keyed(key, kind, [original]).subarray(0, 16)
  uuid.writeUInt8((uuid.readUInt8(6) & 0x0f) | 0x80, 6)
  uuid.writeUInt8((uuid.readUInt8(8) & 0x3f) | 0x80, 8)
  return `2.25.${BigInt(`0x${uuid.toString('hex')}`)}`
}

const keyed = (key: Uint8Array, kind: string, parts: readonly string[]): Buffer =>
  createHmac('sha256', key)
    .update(JSON.stringify([kind, ...parts]))
    .digest()
