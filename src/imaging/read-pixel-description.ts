/** A parsed data set in, a checked description of its pixels out: nothing is allocated before these numbers agree with each other. */
import type { Keyword } from '../dicom/keywords.ts'
import { findElement, hasValue, readInteger, readString, readUid, readUnsignedShort } from '../dicom/read-attributes.ts'
import type { Dataset, DicomFile } from '../dicom/read-part10.ts'
import { Problem } from '../domain/problem.ts'
import { MAX_DECODED_BYTES, MAX_FRAMES, MAX_PIXELS } from './limits.ts'

export type PhotometricInterpretation = (typeof PHOTOMETRIC_INTERPRETATIONS)[number]

const PHOTOMETRIC_INTERPRETATIONS = ['MONOCHROME1', 'MONOCHROME2', 'PALETTE COLOR', 'RGB', 'YBR_FULL', 'YBR_FULL_422', 'YBR_RCT', 'YBR_ICT'] as const

/** The Image Pixel module, checked (PS3.3 C.7.6.3). */
export interface PixelDescription {
  readonly rows: number
  readonly columns: number
  readonly samplesPerPixel: 1 | 3
  readonly photometricInterpretation: PhotometricInterpretation
  readonly bitsAllocated: 1 | 8 | 16 | 24 | 32
  readonly bitsStored: number
  readonly highBit: number
  readonly isSigned: boolean
  /** 0: samples of a pixel side by side; 1: one plane a sample. */
  readonly planarConfiguration: 0 | 1
  readonly numberOfFrames: number
}

/**
 * SOP classes whose pixels are no image of a patient but a result about one.
 *
 * Source: PS3.4 table B.5-1: Segmentation, Label Map Segmentation, Parametric Map.
 */
const RESULT_SOP_CLASSES = new Set(['1.2.840.10008.5.1.4.1.1.66.4', '1.2.840.10008.5.1.4.1.1.66.7', '1.2.840.10008.5.1.4.1.1.30'])

/**
 * The description of the file's pixels.
 *
 * Throws: "sop-class-unsupported", "pixel-data-missing", "attribute-missing", "uid-invalid", "attributes-inconsistent", "bits-unsupported",
 * "dimensions-invalid", "number-of-frames-invalid", "frames-too-many", "image-too-large".
 */
export function readPixelDescription({ dataset }: DicomFile): PixelDescription {
  checkSopClass(dataset)
  if (!hasValue(dataset, 'PixelData')) throw new Problem('pixel-data-missing', 'the instance holds no PixelData', {})
  checkUids(dataset)
  const samplesPerPixel = required(readUnsignedShort(dataset, 'SamplesPerPixel'), 'SamplesPerPixel')
  const photometricInterpretation = readPhotometricInterpretation(dataset)
  if (samplesPerPixel !== samplesOf(photometricInterpretation)) throw inconsistent('SamplesPerPixel', `${samplesPerPixel} samples a pixel do not fit ${photometricInterpretation}`)
  const size = readSize(dataset)
  const bits = readBits(dataset)
  const numberOfFrames = readNumberOfFrames(dataset)
  const planarConfiguration = readPlanarConfiguration(dataset, samplesPerPixel)
  const description = { ...size, ...bits, samplesPerPixel, photometricInterpretation, planarConfiguration, numberOfFrames } as PixelDescription
  checkCombination(description)
  return description
}

/** The stored samples of one frame. */
export const samplesOfFrame = ({ rows, columns, samplesPerPixel }: PixelDescription): number => rows * columns * samplesPerPixel

/**
 * Refuses to decode all frames at once where they would need too much memory.
 *
 * Throws: "image-too-large".
 */
export function checkAllFramesFit(description: PixelDescription): void {
  const bytes = samplesOfFrame(description) * description.numberOfFrames * Math.ceil(description.bitsAllocated / 8)
  if (bytes > MAX_DECODED_BYTES) throw tooLarge()
}

function checkSopClass(dataset: Dataset): void {
  const sopClass = readString(dataset, 'SOPClassUID')
  const isResult = sopClass !== null && RESULT_SOP_CLASSES.has(sopClass)
  const isFloat = findElement(dataset, 'FloatPixelData') !== undefined || findElement(dataset, 'DoubleFloatPixelData') !== undefined
  if (isResult || isFloat) throw new Problem('sop-class-unsupported', 'the instance is a result about an image, not an image', {})
}

/** Results point at the instance by the first two; the study and the series may be missing from captures, and are checked where they are there. */
function checkUids(dataset: Dataset): void {
  for (const keyword of ['SOPClassUID', 'SOPInstanceUID'] as const) required(readUid(dataset, keyword), keyword)
  for (const keyword of ['StudyInstanceUID', 'SeriesInstanceUID'] as const) readUid(dataset, keyword)
}

function readPhotometricInterpretation(dataset: Dataset): PhotometricInterpretation {
  const text = required(readString(dataset, 'PhotometricInterpretation'), 'PhotometricInterpretation')
  const known = PHOTOMETRIC_INTERPRETATIONS.find((name) => name === text)
  if (known === undefined) throw inconsistent('PhotometricInterpretation', 'the photometric interpretation is not one that is read')
  return known
}

const samplesOf = (photometric: PhotometricInterpretation): 1 | 3 => (photometric.startsWith('MONOCHROME') || photometric === 'PALETTE COLOR' ? 1 : 3)

function readSize(dataset: Dataset): Pick<PixelDescription, 'rows' | 'columns'> {
  const rows = required(readUnsignedShort(dataset, 'Rows'), 'Rows')
  const columns = required(readUnsignedShort(dataset, 'Columns'), 'Columns')
  if (rows === 0 || columns === 0) throw new Problem('dimensions-invalid', `an image of ${rows} rows and ${columns} columns has no pixels`, { rows, columns })
  if (rows * columns > MAX_PIXELS) throw tooLarge()
  return { rows, columns }
}

function readBits(dataset: Dataset): Pick<PixelDescription, 'bitsAllocated' | 'bitsStored' | 'highBit' | 'isSigned'> {
  const bitsAllocated = required(readUnsignedShort(dataset, 'BitsAllocated'), 'BitsAllocated')
  const bitsStored = readUnsignedShort(dataset, 'BitsStored') ?? bitsAllocated
  const highBit = readUnsignedShort(dataset, 'HighBit') ?? bitsStored - 1
  const isAllocatable = bitsAllocated === 1 || [8, 16, 24, 32].includes(bitsAllocated)
  if (!isAllocatable || bitsStored < 1 || bitsStored > bitsAllocated || highBit >= bitsAllocated || highBit < bitsStored - 1) {
    throw new Problem('bits-unsupported', `${bitsStored} bits stored up to bit ${highBit} in ${bitsAllocated} bits allocated are not read`, { bitsAllocated, bitsStored })
  }
  const pixelRepresentation = required(readUnsignedShort(dataset, 'PixelRepresentation'), 'PixelRepresentation')
  if (pixelRepresentation > 1) throw inconsistent('PixelRepresentation', 'PixelRepresentation is neither 0 nor 1')
  return { bitsAllocated: bitsAllocated as PixelDescription['bitsAllocated'], bitsStored, highBit, isSigned: pixelRepresentation === 1 }
}

/** One frame where the attribute is absent: it is demanded of multi-frame images only. */
function readNumberOfFrames(dataset: Dataset): number {
  const frames = readInteger(dataset, 'NumberOfFrames') ?? 1
  if (!(frames >= 1)) throw new Problem('number-of-frames-invalid', 'NumberOfFrames is no positive integer', {})
  if (frames > MAX_FRAMES) throw new Problem('frames-too-many', `the instance holds more than ${MAX_FRAMES} frames`, { limitFrames: MAX_FRAMES })
  return frames
}

function readPlanarConfiguration(dataset: Dataset, samplesPerPixel: number): 0 | 1 {
  if (samplesPerPixel === 1) return 0
  const value = readUnsignedShort(dataset, 'PlanarConfiguration') ?? 0
  if (value !== 0 && value !== 1) throw inconsistent('PlanarConfiguration', 'PlanarConfiguration is neither 0 nor 1')
  return value
}

/** Rules between attributes that no single reader can see. */
function checkCombination(description: PixelDescription): void {
  const { photometricInterpretation, bitsAllocated, bitsStored, isSigned, samplesPerPixel } = description
  const isColor = samplesPerPixel === 3 || photometricInterpretation === 'PALETTE COLOR'
  if (samplesPerPixel === 3 && isSigned) throw inconsistent('PixelRepresentation', 'color samples cannot be signed')
  if (isColor && bitsAllocated !== 8 && bitsAllocated !== 16) throw new Problem('bits-unsupported', 'color is read with 8 or 16 bits allocated', { bitsAllocated, bitsStored })
}

function required<T>(value: T | null, keyword: Keyword): T {
  if (value === null) throw new Problem('attribute-missing', `the instance has no ${keyword}`, { keyword })
  return value
}

const inconsistent = (keyword: Keyword, detail: string): Problem => new Problem('attributes-inconsistent', detail, { keyword })
const tooLarge = (): Problem =>
  new Problem('image-too-large', `the image holds more than ${MAX_PIXELS} pixels, or its frames need more than ${MAX_DECODED_BYTES} bytes`, { limitPixels: MAX_PIXELS })
