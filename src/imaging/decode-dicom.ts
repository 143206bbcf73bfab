/** Bytes of a DICOM file in, one decoded frame and the reference to its source out. */
import { isConformantUid, readDecimals, readString, readUid } from '../dicom/read-attributes.ts'
import { type DicomFile, readPart10 } from '../dicom/read-part10.ts'
import type { DecodedImage, ImageWarning } from '../domain/image.ts'
import { Problem } from '../domain/problem.ts'
import type { SourceReference } from '../domain/source-reference.ts'
import { type FrameDecoder, openFrames, type StoredFrame } from './decode-frame.ts'
import { type FrameAttributes, findFrameAttributes } from './frame-attributes.ts'
import { readAnatomy } from './read-anatomy.ts'
import { type PixelDescription, readPixelDescription } from './read-pixel-description.ts'
import { readSourceReference } from './read-source-reference.ts'
import { toDisplay } from './to-display.ts'
import { warning } from './window.ts'

export interface DecodedDicom {
  readonly image: DecodedImage
  readonly source: SourceReference
}

/** A DICOM image whose header was read and whose pixels were not. */
export interface DicomImage {
  readonly file: DicomFile
  readonly description: PixelDescription
  readonly decodeFrame: FrameDecoder
}

/**
 * The image, every guard before the pixels passed.
 *
 * Throws: every code of the DICOM group of domain/problem.ts.
 */
export function openDicom(bytes: Uint8Array): DicomImage {
  const file = readPart10(bytes)
  const description = readPixelDescription(file)
  return { file, description, decodeFrame: openFrames(file, description) }
}

/**
 * One frame (from 1) as it is shown, and whose it is.
 *
 * Throws: "parameter-invalid" for a frame that is not there; every code of the DICOM group of domain/problem.ts.
 */
export async function decodeDicom(bytes: Uint8Array, frame: number): Promise<DecodedDicom> {
  const opened = openDicom(bytes)
  checkFrame(frame, opened.description.numberOfFrames)
  const image = toDecodedImage(opened, await opened.decodeFrame(frame), frame)
  return { image, source: readSourceReference(opened.file, opened.description, frame) }
}

/** What is shown of a decoded frame, with the facts of its file. */
export function toDecodedImage({ file, description }: DicomImage, stored: StoredFrame, frame: number): DecodedImage {
  const { pixels, window, warnings } = toDisplay(file, stored, description, frame)
  const facts = {
    format: 'dicom',
    rows: description.rows,
    columns: description.columns,
    frame,
    frames: description.numberOfFrames,
    modality: readModalityCode(file),
    transferSyntaxUid: file.transferSyntax.uid,
    photometricInterpretation: description.photometricInterpretation,
    bitsStored: description.bitsStored,
    window,
    warnings: [...warnings, ...warnOfSpacing(findFrameAttributes(file.dataset, frame)), ...warnOfUids(file)],
  } as const
  return { facts, pixels, anatomy: readAnatomy(file.dataset) }
}

/**
 * Refuses a frame that the image does not have.
 *
 * Throws: "parameter-invalid".
 */
export function checkFrame(frame: number, frames: number): void {
  if (!Number.isInteger(frame) || frame < 1 || frame > frames) throw new Problem('parameter-invalid', `frame must be from 1 to ${frames}`, { parameter: 'frame' })
}

/** Modality is a code and goes into answers: what is no code string (PS3.5 6.2) could be anything, and is left out. */
function readModalityCode({ dataset }: DicomFile): string | null {
  const modality = readString(dataset, 'Modality')
  return modality !== null && /^[A-Z0-9_ ]{1,16}$/.test(modality) ? modality : null
}

/** Pixels are taken as squares: an image whose pixels are not is told of, by the ratio of height to width. */
function warnOfSpacing({ root, pixelMeasures }: FrameAttributes): ImageWarning[] {
  const candidates = [readDecimals(pixelMeasures, 'PixelSpacing'), readDecimals(root, 'ImagerPixelSpacing'), readDecimals(root, 'PixelAspectRatio')]
  const [vertical = 1, horizontal = 1] = candidates.find(({ length }) => length === 2) ?? []
  const ratio = vertical / horizontal
  const isSquare = !(ratio > 0) || Math.abs(ratio - 1) < 0.01
  return isSquare ? [] : [warning('pixels-not-square', `a pixel is ${ratio.toFixed(3)} times as high as wide; the model sees it as square`)]
}

/** Results cannot point at a source by a UID that is none. */
function warnOfUids({ dataset }: DicomFile): ImageWarning[] {
  const uids = (['SOPInstanceUID', 'StudyInstanceUID', 'SeriesInstanceUID'] as const).map((keyword) => readUid(dataset, keyword))
  if (uids.includes(null)) return [warning('uid-missing', 'the instance names no study or no series; no DICOM result can be made for it')]
  return uids.every((uid) => uid !== null && isConformantUid(uid))
    ? []
    : [warning('uid-not-conformant', 'a UID of the instance is none by PS3.5 9.1; no DICOM result can be made for it')]
}
