/** A parsed file and a frame's number in, that frame's stored values out, from whichever encoding it is kept in. */
import { findEncapsulatedFrames, findNativePixels } from '../dicom/find-frames.ts'
import { findElement } from '../dicom/read-attributes.ts'
import type { DicomFile } from '../dicom/read-part10.ts'
import { Problem } from '../domain/problem.ts'
import { decodeCodestream } from './decode-codestream.ts'
import { decodeRle } from './decode-rle.ts'
import { type CodestreamHeader, readCodestream } from './read-codestream.ts'
import { type PhotometricInterpretation, type PixelDescription, samplesOfFrame } from './read-pixel-description.ts'
import { interleave, maskValues, type StoredValues, unpackNativeFrame, unpackSamples } from './stored-values.ts'

/** One frame as stored, and in which color space: a decoder may have undone a transform that the attributes still name. */
export interface StoredFrame {
  /** [rows, columns, sample], interleaved. */
  readonly values: StoredValues
  readonly photometricInterpretation: PhotometricInterpretation
}

/** Decodes one frame of a file after another, its tables of offsets read once. */
export type FrameDecoder = (frame: number) => Promise<StoredFrame>

/**
 * A decoder for the frames of a file, numbered from 1.
 *
 * Throws, here or for a frame: "attributes-inconsistent", "frame-count-mismatch", "dicom-truncated", "pixel-data-missing", "pixel-data-truncated",
 * "codestream-mismatch", "codec-failed", "codec-timeout", "bits-unsupported".
 */
export function openFrames(file: DicomFile, description: PixelDescription): FrameDecoder {
  checkColorTransform(file, description)
  const native = findNativePixels(file)
  if (native !== undefined) {
    const order = { bigEndian: file.transferSyntax.bigEndian, words: findElement(file.dataset, 'PixelData')?.vr === 'OW' }
    const { photometricInterpretation } = description
    return async (frame) => ({ values: unpackNativeFrame(native, description, frame, order), photometricInterpretation })
  }
  checkCompressible(file, description)
  const frames = findEncapsulatedFrames(file, description.numberOfFrames)
  return (frame) => decodeEncapsulated(frames[frame - 1] ?? new Uint8Array(0), file, description)
}

/** RCT and ICT are steps of JPEG 2000 and mean nothing elsewhere (PS3.3 C.7.6.3.1.2). */
function checkColorTransform({ transferSyntax }: DicomFile, { photometricInterpretation }: PixelDescription): void {
  const isTransformed = photometricInterpretation === 'YBR_RCT' || photometricInterpretation === 'YBR_ICT'
  if (!isTransformed || transferSyntax.codec === 'jpeg-2000' || transferSyntax.codec === 'htj2k') return
  throw new Problem('attributes-inconsistent', `${photometricInterpretation} is not used with ${transferSyntax.name}`, { keyword: 'PhotometricInterpretation' })
}

/** RLE holds any whole bytes; the decoders of codestreams give 8 or 16 bits. */
function checkCompressible({ transferSyntax }: DicomFile, { bitsAllocated, bitsStored }: PixelDescription): void {
  const isHeld = transferSyntax.codec === 'rle' ? bitsAllocated > 1 : bitsAllocated === 8 || bitsAllocated === 16
  if (!isHeld) throw new Problem('bits-unsupported', `${bitsAllocated} bits allocated are not read from ${transferSyntax.name}`, { bitsAllocated, bitsStored })
}

async function decodeEncapsulated(bytes: Uint8Array, file: DicomFile, description: PixelDescription): Promise<StoredFrame> {
  const { transferSyntax } = file
  if (transferSyntax.codec === 'rle') return decodeRleFrame(bytes, description)
  const header = readCodestream(bytes, transferSyntax.codec)
  if (header === undefined) throw new Problem('codec-failed', 'a compressed frame does not begin with the header of its codestream', { transferSyntaxUid: transferSyntax.uid })
  checkHeader(header, description)
  checkColorDepth(header, file, description)
  const samples = await decodeCodestream(bytes, header, description, transferSyntax)
  const values = maskValues(samples, description, 0)
  const isPlanar = transferSyntax.codec === 'jpeg-ls' && header.isPlanar
  return { values: isPlanar ? interleave(values) : values, photometricInterpretation: photometricAfter(file, header, description) }
}

function decodeRleFrame(bytes: Uint8Array, description: PixelDescription): StoredFrame {
  const { rows, columns, samplesPerPixel, bitsAllocated, photometricInterpretation } = description
  const decoded = decodeRle(bytes, { pixels: rows * columns, samplesPerPixel, bytesPerSample: bitsAllocated / 8 })
  return { values: unpackSamples(decoded, description, samplesOfFrame(description)), photometricInterpretation }
}

/** Width, height and components must be the data set's; the precision must fit the bits allocated, and may differ from those stored. */
function checkHeader(header: CodestreamHeader, description: PixelDescription): void {
  const pairs: readonly (readonly [string, number, number])[] = [
    ['Rows', description.rows, header.rows],
    ['Columns', description.columns, header.columns],
    ['SamplesPerPixel', description.samplesPerPixel, header.components],
    ['BitsAllocated', description.bitsAllocated, Math.max(description.bitsAllocated, header.precision)],
  ]
  for (const [attribute, dataset, codestream] of pairs) {
    if (dataset !== codestream)
      throw new Problem('codestream-mismatch', `${attribute} is ${dataset} in the data set and ${codestream} in the codestream`, { attribute, dataset, codestream })
  }
}

/** dcmjs-codecs 0.0.8 cuts JPEG 2000 color of more than 8 bits to its low bytes, and raises no error: refused, since wrong pixels are worse than none. */
function checkColorDepth({ components, precision }: CodestreamHeader, { transferSyntax }: DicomFile, { bitsAllocated, bitsStored }: PixelDescription): void {
  const isJpeg2000 = transferSyntax.codec === 'jpeg-2000' || transferSyntax.codec === 'htj2k'
  if (!isJpeg2000 || components === 1 || precision <= 8) return
  throw new Problem('bits-unsupported', `color of ${precision} bits is not read from ${transferSyntax.name}`, { bitsAllocated, bitsStored })
}

/** The color space of what a decoder gave back: JPEG was asked for RGB, JPEG 2000 undoes its own transform, JPEG-LS has none. */
function photometricAfter(file: DicomFile, header: CodestreamHeader, { photometricInterpretation }: PixelDescription): PhotometricInterpretation {
  if (!photometricInterpretation.startsWith('YBR')) return photometricInterpretation
  const isFull = photometricInterpretation === 'YBR_FULL' || photometricInterpretation === 'YBR_FULL_422'
  const isUntouched = isFull && file.transferSyntax.codec !== 'jpeg' && !header.isColorTransformed
  return isUntouched ? 'YBR_FULL' : 'RGB'
}
