/** A parsed file in, the identity of its source out, byte for byte: what results repeat and no model room sees. */
import { KEYWORDS, type Keyword } from '../dicom/keywords.ts'
import { findElement, readBytes, readDecimals, readString, readStrings, readUid } from '../dicom/read-attributes.ts'
import type { Dataset, DicomFile } from '../dicom/read-part10.ts'
import type { SourceAttribute, SourceReference } from '../domain/source-reference.ts'
import { findFrameAttributes } from './frame-attributes.ts'
import type { PixelDescription } from './read-pixel-description.ts'

/** Patient, General Study and Patient Study attributes that a new instance of the same study repeats (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2), in the order of their tags. */
const COPIED = [
  'StudyDate',
  'StudyTime',
  'AccessionNumber',
  'ReferringPhysicianName',
  'StudyDescription',
  'PatientName',
  'PatientID',
  'IssuerOfPatientID',
  'PatientBirthDate',
  'PatientSex',
  'OtherPatientIDs',
  'PatientAge',
  'PatientSize',
  'PatientWeight',
  'PatientIdentityRemoved',
  'DeidentificationMethod',
  'StudyInstanceUID',
  'StudyID',
] as const satisfies readonly Keyword[]

/**
 * The source of an image, its frame (from 1) included.
 *
 * Throws: "uid-invalid"; the UIDs that must exist were checked with the pixels' description.
 */
export function readSourceReference(file: DicomFile, description: PixelDescription, frame: number): SourceReference {
  const { dataset, transferSyntax } = file
  return {
    ...readUids(dataset),
    transferSyntaxUid: transferSyntax.uid,
    modality: readString(dataset, 'Modality'),
    rows: description.rows,
    columns: description.columns,
    frame,
    numberOfFrames: description.numberOfFrames,
    ...readGeometry(dataset, frame),
    specificCharacterSet: readStrings(dataset, 'SpecificCharacterSet'),
    ...readPixelHistory(dataset),
    attributes: COPIED.flatMap((keyword) => copyAttribute(dataset, keyword) ?? []),
  }
}

type Uids = Pick<SourceReference, 'sopClassUid' | 'sopInstanceUid' | 'studyInstanceUid' | 'seriesInstanceUid' | 'frameOfReferenceUid'>

function readUids(dataset: Dataset): Uids {
  return {
    sopClassUid: readUid(dataset, 'SOPClassUID') ?? '',
    sopInstanceUid: readUid(dataset, 'SOPInstanceUID') ?? '',
    studyInstanceUid: readUid(dataset, 'StudyInstanceUID'),
    seriesInstanceUid: readUid(dataset, 'SeriesInstanceUID'),
    frameOfReferenceUid: readUid(dataset, 'FrameOfReferenceUID'),
  }
}

type Geometry = Pick<SourceReference, 'pixelSpacing' | 'imagePositionPatient' | 'imageOrientationPatient' | 'sliceThickness'>

function readGeometry(dataset: Dataset, frame: number): Geometry {
  const { pixelMeasures, planePosition, planeOrientation } = findFrameAttributes(dataset, frame)
  const [row, column] = readNumbers(pixelMeasures, 'PixelSpacing', 2) ?? []
  return {
    pixelSpacing: row === undefined || column === undefined ? null : [row, column],
    imagePositionPatient: readNumbers(planePosition, 'ImagePositionPatient', 3),
    imageOrientationPatient: readNumbers(planeOrientation, 'ImageOrientationPatient', 6),
    sliceThickness: readNumbers(pixelMeasures, 'SliceThickness', 1)?.[0] ?? null,
  }
}

/** Exactly so many finite numbers, null for anything else. */
function readNumbers(dataset: Dataset, keyword: Keyword, count: number): readonly number[] | null {
  const numbers = readDecimals(dataset, keyword)
  return numbers.length === count && numbers.every(Number.isFinite) ? numbers : null
}

type PixelHistory = Pick<SourceReference, 'burnedInAnnotation' | 'lossyImageCompression' | 'lossyImageCompressionRatio' | 'lossyImageCompressionMethod'>

function readPixelHistory(dataset: Dataset): PixelHistory {
  const burnedIn = readString(dataset, 'BurnedInAnnotation')
  const lossy = readString(dataset, 'LossyImageCompression')
  return {
    burnedInAnnotation: burnedIn === 'YES' || burnedIn === 'NO' ? burnedIn : null,
    lossyImageCompression: lossy === '00' || lossy === '01' ? lossy : null,
    lossyImageCompressionRatio: readStrings(dataset, 'LossyImageCompressionRatio').join('\\') || null,
    lossyImageCompressionMethod: readStrings(dataset, 'LossyImageCompressionMethod').join('\\') || null,
  }
}

/** A copy, so that a reference does not keep the whole file in memory. */
function copyAttribute(dataset: Dataset, keyword: Keyword): SourceAttribute | undefined {
  if (findElement(dataset, keyword) === undefined) return undefined
  const [tag = '', vr = ''] = KEYWORDS[keyword].split(' ')
  return { tag, vr, bytes: readBytes(dataset, keyword).slice() }
}
