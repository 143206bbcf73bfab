/** Bytes of an image in, what was read from them out: stored values and display as hashes that another reader can compare with. */
import { createHash } from 'node:crypto'
import type { AppliedWindow, DecodedImage, ImageFormat, ImageWarning } from '../domain/image.ts'
import { checkFrame, openDicom, toDecodedImage } from './decode-dicom.ts'
import { decodeRaster, openRaster } from './decode-raster.ts'
import { findFormat } from './find-format.ts'
import { checkAllFramesFit } from './read-pixel-description.ts'
import type { StoredValues } from './stored-values.ts'
import { toDisplayImage } from './to-display-image.ts'
import { toGray } from './to-input-tensor.ts'

export interface Inspection {
  readonly format: ImageFormat
  readonly transferSyntaxUid: string | null
  readonly photometricInterpretation: string | null
  readonly rows: number
  readonly columns: number
  readonly frames: number
  readonly bitsAllocated: number
  readonly bitsStored: number
  readonly pixelRepresentation: 0 | 1
  readonly window: AppliedWindow
  /** All frames: values little endian in the smallest type that holds the bits allocated, masked or sign-extended, color interleaved. */
  readonly storedPixels: { readonly sha256: string; readonly min: number; readonly max: number; readonly mean: number }
  /** The asked frame as 8-bit gray, one byte a pixel; color through its luma. */
  readonly display: { readonly sha256: string; readonly mean: number }
  readonly warnings: readonly ImageWarning[]
}

/**
 * What is in the file; all frames are decoded, frame `frame` (from 1) is shown.
 *
 * Throws: the codes of decodeImage.
 */
export function inspectImage(bytes: Uint8Array, frame: number): Promise<Inspection> {
  const format = findFormat(bytes)
  return format === 'dicom' ? inspectDicom(bytes, frame) : inspectRaster(bytes, format, frame)
}

async function inspectDicom(bytes: Uint8Array, frame: number): Promise<Inspection> {
  const opened = openDicom(bytes)
  const { description } = opened
  checkFrame(frame, description.numberOfFrames)
  checkAllFramesFit(description)
  const summary = new ValueSummary()
  let shown: DecodedImage | undefined
  for (let n = 1; n <= description.numberOfFrames; n++) {
    const stored = await opened.decodeFrame(n)
    summary.add(stored.values)
    if (n === frame) shown = toDecodedImage(opened, stored, frame)
  }
  if (shown === undefined) throw new RangeError(`frame ${frame} was checked and is not there`)
  return describe(shown, summary, description.bitsAllocated, description.isSigned ? 1 : 0)
}

async function inspectRaster(bytes: Uint8Array, format: 'png' | 'jpeg', frame: number): Promise<Inspection> {
  checkFrame(frame, 1)
  const { raster } = await openRaster(bytes, format)
  const summary = new ValueSummary()
  summary.add(raster.samples)
  return describe(await decodeRaster(bytes, format), summary, raster.samples.BYTES_PER_ELEMENT * 8, 0)
}

function describe(image: DecodedImage, summary: ValueSummary, bitsAllocated: number, pixelRepresentation: 0 | 1): Inspection {
  const { format, transferSyntaxUid, photometricInterpretation, rows, columns, frames, bitsStored, window, warnings } = image.facts
  const gray = toDisplayImage({ facts: image.facts, pixels: toGray(image.pixels) }).pixels
  const display = new ValueSummary()
  display.add(gray)
  const { sha256, mean } = display.finish()
  return {
    format,
    transferSyntaxUid,
    photometricInterpretation,
    rows,
    columns,
    frames,
    bitsAllocated,
    bitsStored,
    pixelRepresentation,
    window,
    storedPixels: summary.finish(),
    display: { sha256, mean },
    warnings,
  }
}

/** Hash, range and mean of values that come in parts. */
class ValueSummary {
  readonly #hash = createHash('sha256')
  #min = Number.POSITIVE_INFINITY
  #max = Number.NEGATIVE_INFINITY
  #sum = 0
  #count = 0

  add(values: StoredValues): void {
    this.#hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    for (let i = 0; i < values.length; i++) {
      const value = values[i] ?? 0
      if (value < this.#min) this.#min = value
      if (value > this.#max) this.#max = value
      this.#sum += value
    }
    this.#count += values.length
  }

  finish(): Inspection['storedPixels'] {
    return { sha256: this.#hash.digest('hex'), min: this.#min, max: this.#max, mean: this.#sum / this.#count }
  }
}
