/** One frame's stored values in, what is shown of it in [0, 1] out: modality, window, inversion, in the order of PS3.3 C.11. */
import { readString, readUnsignedShort } from '../dicom/read-attributes.ts'
import type { DicomFile } from '../dicom/read-part10.ts'
import type { AppliedWindow, ImageWarning } from '../domain/image.ts'
import { type Tensor, tensorOf } from '../tensor/tensor.ts'
import { paletteToUnit, rgbToUnit, ybrFullToUnit } from './color.ts'
import type { StoredFrame } from './decode-frame.ts'
import { findFrameAttributes } from './frame-attributes.ts'
import { distinctValues, mapValues } from './map-values.ts'
import { type ModalityTransform, readModality } from './modality.ts'
import type { PixelDescription } from './read-pixel-description.ts'
import type { StoredValues } from './stored-values.ts'
import { readVoi, type ValueRange } from './window.ts'

export interface DisplayFrame {
  /** [rows, columns, channel], in [0, 1], 0 is black. */
  readonly pixels: Tensor
  readonly window: AppliedWindow
  readonly warnings: readonly ImageWarning[]
}

/**
 * What is shown of a frame (from 1).
 *
 * Throws: "rescale-invalid", "attributes-inconsistent".
 */
export function toDisplay(file: DicomFile, stored: StoredFrame, description: PixelDescription, frame: number): DisplayFrame {
  return stored.photometricInterpretation.startsWith('MONOCHROME') ? grayToDisplay(file, stored.values, description, frame) : colorToDisplay(file, stored, description)
}

function colorToDisplay({ dataset }: DicomFile, { values, photometricInterpretation }: StoredFrame, description: PixelDescription): DisplayFrame {
  const { rows, columns, bitsStored, isSigned } = description
  const top = 2 ** bitsStored - 1
  const window: AppliedWindow = { center: top / 2, width: top, function: 'NONE' }
  return { pixels: tensorOf(toUnit(), [rows, columns, 3]), window, warnings: [] }

  function toUnit(): Float32Array {
    if (photometricInterpretation === 'PALETTE COLOR') return paletteToUnit(values, dataset, isSigned)
    return photometricInterpretation.startsWith('YBR_FULL') ? ybrFullToUnit(values, bitsStored) : rgbToUnit(values, bitsStored)
  }
}

function grayToDisplay(file: DicomFile, values: StoredValues, description: PixelDescription, frame: number): DisplayFrame {
  const attributes = findFrameAttributes(file.dataset, frame)
  const modality = readModality(attributes, description)
  const isPadding = readPadding(file, description)
  const voi = readVoi(attributes, modality.isSigned, () => rangeOf(values, modality, isPadding))
  const isInverted = description.photometricInterpretation === 'MONOCHROME1' || readString(file.dataset, 'PresentationLUTShape') === 'INVERSE'
  const show = (stored: number): number => {
    // padding is no part of the image: background, whatever the window and the inversion make of its value
    if (isPadding(stored)) return 0
    const shown = voi.apply(modality.apply(stored))
    return isInverted ? 1 - shown : shown
  }
  return { pixels: tensorOf(mapValues(values, show), [description.rows, description.columns, 1]), window: voi.window, warnings: voi.warnings }
}

/** Whether a stored value is padding: the one value, or the range up to PixelPaddingRangeLimit (PS3.3 C.7.5.1.1.2). */
function readPadding({ dataset }: DicomFile, { isSigned, bitsAllocated }: PixelDescription): (stored: number) => boolean {
  const signed = (word: number | null): number | null => (word !== null && isSigned && bitsAllocated <= 16 && word > 32_767 ? word - 65_536 : word)
  const value = signed(readUnsignedShort(dataset, 'PixelPaddingValue'))
  if (value === null) return () => false
  const limit = signed(readUnsignedShort(dataset, 'PixelPaddingRangeLimit')) ?? value
  const low = Math.min(value, limit)
  const high = Math.max(value, limit)
  return (stored) => stored >= low && stored <= high
}

/** The frame's own range in modality values, padding left out; all of it where nothing else is there. */
function rangeOf(values: StoredValues, modality: ModalityTransform, isPadding: (stored: number) => boolean): ValueRange {
  let min = Number.POSITIVE_INFINITY
  let max = Number.NEGATIVE_INFINITY
  for (const stored of distinctValues(values)) {
    if (isPadding(stored)) continue
    const value = modality.apply(stored)
    if (value < min) min = value
    if (value > max) max = value
  }
  return min > max ? { min: 0, max: 0 } : { min, max }
}
