/** Bytes of an upload in, a decoded image out. */
import type { DecodedImage } from '../domain/image.ts'
import type { SourceReference } from '../domain/source-reference.ts'
import { checkFrame, decodeDicom } from './decode-dicom.ts'
import { decodeRaster } from './decode-raster.ts'
import { findFormat } from './find-format.ts'

export interface DecodeOptions {
  /** From 1. */
  readonly frame: number
}

export interface ImageWithSource {
  readonly image: DecodedImage
  /** null for PNG and JPEG, which belong to nobody. */
  readonly source: SourceReference | null
}

/**
 * One frame of an image, ready to be shown or fed to a model, and whose it is.
 *
 * Throws: "media-type-unsupported", "dicom-not-part10", "parameter-invalid", "image-undecodable", "image-too-large", and every code of the DICOM group of domain/problem.ts.
 */
export async function decodeImage(bytes: Uint8Array, { frame }: DecodeOptions): Promise<ImageWithSource> {
  const format = findFormat(bytes)
  if (format === 'dicom') return decodeDicom(bytes, frame)
  checkFrame(frame, 1)
  return { image: await decodeRaster(bytes, format), source: null }
}
