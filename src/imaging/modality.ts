/** A frame's attributes in, the function from stored values to modality values out (PS3.3 C.11.1). */
import { readDecimals, readItems } from '../dicom/read-attributes.ts'
import { Problem } from '../domain/problem.ts'
import type { FrameAttributes } from './frame-attributes.ts'
import { lookUp, readLookupTable } from './lookup-table.ts'
import type { PixelDescription } from './read-pixel-description.ts'

export interface ModalityTransform {
  readonly apply: (stored: number) => number
  /** Whether modality values may be negative: decides how a VOI LUT's first mapped value is read. */
  readonly isSigned: boolean
}

/**
 * Modality LUT Sequence, else slope and intercept in float64, else the identity.
 *
 * A Modality LUT's output is unsigned whatever the pixel representation. Slopes may be as small as 1e-8: nothing is rounded.
 * Throws: "rescale-invalid" where slope or intercept is no number or the slope is 0, "attributes-inconsistent".
 */
export function readModality(attributes: FrameAttributes, description: PixelDescription): ModalityTransform {
  const [item] = readItems(attributes.root, 'ModalityLUTSequence')
  if (item !== undefined) {
    const table = readLookupTable(item, 'LUTDescriptor', 'LUTData', description.isSigned)
    return { apply: (stored) => lookUp(table, stored), isSigned: false }
  }
  const source = attributes.rescale
  const [slope = 1] = readDecimals(source, 'RescaleSlope')
  const [intercept = 0] = readDecimals(source, 'RescaleIntercept')
  if (!Number.isFinite(slope) || !Number.isFinite(intercept) || slope === 0)
    throw new Problem('rescale-invalid', 'RescaleSlope or RescaleIntercept maps all values to one or to none', {})
  return { apply: (stored) => stored * slope + intercept, isSigned: description.isSigned || intercept < 0 || slope < 0 }
}
