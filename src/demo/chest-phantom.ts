/** A seed in, a synthetic chest radiograph as a DICOM file out: nobody's picture, for demonstrations and tests. */
import { buildUid } from '../dicom/build-uid.ts'
import { writePart10 } from '../dicom/write-part10.ts'

/** Stored values use 12 bits of 16, as most digital radiographs do. */
const BITS_STORED = 12
const LARGEST = 2 ** BITS_STORED - 1

export interface PhantomOptions {
  readonly rows: number
  readonly columns: number
  readonly seed: number
  /** How strong the opacity in the right lung is: 0 for none, 1 for a dense one. */
  readonly opacity: number
}

/** An ellipse's depth at a point: 1 in the middle, 0 at its edge and outside. */
function depth(x: number, y: number, centerX: number, centerY: number, radiusX: number, radiusY: number): number {
  const r = ((x - centerX) / radiusX) ** 2 + ((y - centerY) / radiusY) ** 2
  return r < 1 ? Math.sqrt(1 - r) : 0
}

const bell = (distance: number, width: number): number => Math.exp(-0.5 * (distance / width) ** 2)

/** Attenuation along one ray, 0 to about 1.   x to the right, y downwards, both -1 to 1 over the image. */
function attenuation(x: number, y: number, opacity: number): number {
  const body = depth(x, y, 0, 0.25, 0.94, 1.5)
  if (body === 0) return 0
  const lungs = depth(x, y, -0.42, -0.06, 0.31, 0.62) + depth(x, y, 0.42, -0.06, 0.29, 0.6)
  const heart = depth(x, y, 0.13, 0.24, 0.3, 0.3)
  const diaphragm = 1 / (1 + Math.exp(-(y - 0.5 + 0.16 * Math.cos(4.6 * (Math.abs(x) - 0.42))) * 28))
  const spine = bell(x, 0.055) * (0.75 + 0.25 * Math.cos(y * 42))
  const inLung = Math.min(1, lungs * 1.6)
  let ribs = 0
  for (let k = 0; k < 8; k++) ribs += bell(y - (-0.72 + 0.17 * k + 0.34 * Math.abs(x) - 0.22 * x * x), 0.018)
  const clavicles = bell(y - (-0.66 + 0.22 * Math.abs(x)), 0.024) * (Math.abs(x) > 0.1 ? 1 : 0)
  const consolidation = opacity * bell(Math.hypot(x + 0.44, (y - 0.14) * 0.9), 0.13) * (0.8 + 0.2 * Math.sin(31 * x) * Math.sin(27 * y))
  const air = 0.52 * inLung * (1 - diaphragm) * (1 - 0.62 * heart)
  return Math.max(0.02, 0.66 * body ** 0.35 - air + 0.16 * heart + 0.13 * spine + 0.055 * ribs * body + 0.07 * clavicles + 0.3 * consolidation * inLung + 0.06 * diaphragm)
}

/** A repeatable value in [-1, 1) for each pixel (an integer finalizer by C. Wellons, "lowbias32"). */
function noiseAt(index: number, seed: number): number {
  let h = (index ^ Math.imul(seed, 0x9e3779b9)) >>> 0
  h = Math.imul(h ^ (h >>> 16), 0x21f0aaad)
  h = Math.imul(h ^ (h >>> 15), 0x735a2d97)
  return ((h ^ (h >>> 15)) >>> 0) / 2 ** 31 - 1
}

/** Stored values, [rows, columns], 12 bits; bone is bright. */
export function chestPhantomPixels({ rows, columns, seed, opacity }: PhantomOptions): Uint16Array<ArrayBuffer> {
  const pixels = new Uint16Array(rows * columns)
  for (let row = 0; row < rows; row++) {
    const y = ((row + 0.5) / rows) * 2 - 1
    for (let column = 0; column < columns; column++) {
      const x = ((column + 0.5) / columns) * 2 - 1
      const index = row * columns + column
      const value = attenuation(x, y, opacity) + 0.012 * (noiseAt(index, seed) + noiseAt(index, seed + 1))
      pixels[index] = Math.round(Math.min(1, Math.max(0, value)) * LARGEST)
    }
  }
  return pixels
}

/** Digital X-Ray Image Storage - For Presentation (PS3.4 table B.5-1). */
const DX_FOR_PRESENTATION = '1.2.840.10008.5.1.4.1.1.1.1'

/**
 * A digital radiograph of the phantom as a DICOM file: MONOCHROME2, 12 bits, one linear window.
 *
 * Every UID is derived from the options: the same options give the same bytes.
 */
export function buildChestPhantom(options: PhantomOptions): Uint8Array<ArrayBuffer> {
  const name = ['chest-phantom', options.rows, options.columns, options.seed, options.opacity].join('/')
  const uid = (kind: string): string => buildUid('attending', name, kind)
  return writePart10({
    SOPClassUID: DX_FOR_PRESENTATION,
    SOPInstanceUID: uid('instance'),
    StudyInstanceUID: uid('study'),
    SeriesInstanceUID: uid('series'),
    SpecificCharacterSet: 'ISO_IR 192',
    ImageType: ['ORIGINAL', 'PRIMARY', ''],
    StudyDate: null,
    StudyTime: null,
    AccessionNumber: null,
    ReferringPhysicianName: null,
    Modality: 'DX',
    PresentationIntentType: 'FOR PRESENTATION',
    SeriesDescription: 'Synthetic chest phantom',
    Manufacturer: 'attending',
    PatientName: 'Phantom^Chest',
    PatientID: 'PHANTOM',
    PatientBirthDate: null,
    PatientSex: 'O',
    StudyID: null,
    SeriesNumber: 1,
    InstanceNumber: 1,
    BodyPartExamined: 'CHEST',
    AnatomicRegionSequence: [{ CodeValue: '43799004', CodingSchemeDesignator: 'SCT', CodeMeaning: 'Thoracic cavity structure' }],
    ViewPosition: 'PA',
    PatientOrientation: ['L', 'F'],
    ImageLaterality: 'U',
    AcquisitionContextSequence: null,
    DetectorType: null,
    PositionerType: null,
    // mm between row centers, then column centers, at the detector; a field of 35 cm height.
    ImagerPixelSpacing: [350 / options.rows, 350 / options.rows],
    BurnedInAnnotation: 'NO',
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    Rows: options.rows,
    Columns: options.columns,
    BitsAllocated: 16,
    BitsStored: BITS_STORED,
    HighBit: BITS_STORED - 1,
    PixelRepresentation: 0,
    PixelIntensityRelationship: 'LOG',
    PixelIntensityRelationshipSign: 1,
    RescaleIntercept: 0,
    RescaleSlope: 1,
    RescaleType: 'US',
    PresentationLUTShape: 'IDENTITY',
    LossyImageCompression: '00',
    WindowCenter: 2048,
    WindowWidth: 4096,
    PixelData: chestPhantomPixels(options),
  })
}
