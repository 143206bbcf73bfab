/** A frame's attributes in, the function from modality values to the display range [0, 1] out (PS3.3 C.11.2). */
import { readDecimals, readItems, readString } from '../dicom/read-attributes.ts'
import type { AppliedWindow, ImageWarning } from '../domain/image.ts'
import type { FrameAttributes } from './frame-attributes.ts'
import { type LookupTable, lookUp, readLookupTable } from './lookup-table.ts'

export interface VoiTransform {
  readonly window: AppliedWindow
  readonly apply: (value: number) => number
  readonly warnings: readonly ImageWarning[]
}

/** The smallest and largest modality value of a frame, padding left out. */
export interface ValueRange {
  readonly min: number
  readonly max: number
}

/**
 * The first window, else the first VOI LUT, else the frame's own range; whatever was passed over is told in a warning.
 *
 * range  asked for only where nothing usable is given
 * Throws: "attributes-inconsistent" for a VOI LUT that cannot be read.
 */
export function readVoi(attributes: FrameAttributes, isSigned: boolean, range: () => ValueRange): VoiTransform {
  const given = readWindow(attributes)
  const [lut] = readItems(attributes.voi, 'VOILUTSequence')
  if (given.window !== null) {
    const passedOver = lut === undefined ? [] : [warning('voi-lut-not-applied', 'the image brings a window and a VOI LUT; the window was applied')]
    return { window: given.window, apply: windowFunction(given.window), warnings: [...given.warnings, ...passedOver] }
  }
  if (lut !== undefined) return fromTable(readLookupTable(lut, 'LUTDescriptor', 'LUTData', isSigned), given.warnings)
  const own = fromRange(range())
  return { ...own, warnings: [...given.warnings, ...own.warnings] }
}

interface GivenWindow {
  readonly window: AppliedWindow | null
  readonly warnings: readonly ImageWarning[]
}

function readWindow({ voi }: FrameAttributes): GivenWindow {
  const centers = readDecimals(voi, 'WindowCenter')
  const widths = readDecimals(voi, 'WindowWidth')
  const [center] = centers
  const [width] = widths
  if (center === undefined || width === undefined) return { window: null, warnings: [] }
  const named = readString(voi, 'VOILUTFunction') ?? 'LINEAR'
  const kind = named === 'LINEAR_EXACT' || named === 'SIGMOID' ? named : 'LINEAR'
  const warnings: ImageWarning[] = []
  if (kind !== named && named !== 'LINEAR') warnings.push(warning('voi-function-unknown', 'the VOI LUT function is not one of PS3.3 C.11.2; LINEAR was applied'))
  const count = Math.min(centers.length, widths.length)
  if (count > 1) warnings.push(warning('several-windows', `the image brings ${count} windows; the first was applied`))
  if (isUsable(center, width, kind)) return { window: { center, width, function: kind }, warnings }
  return { window: null, warnings: [...warnings, warning('window-invalid', 'the window has no usable width and was not applied')] }
}

/** LINEAR divides by width - 1 and reads a width of 1 as a threshold; the other two divide by the width (PS3.3 C.11.2.1.2, C.11.2.1.3). */
function isUsable(center: number, width: number, kind: AppliedWindow['function']): boolean {
  return Number.isFinite(center) && Number.isFinite(width) && (kind === 'LINEAR' ? width >= 1 : width > 0)
}

/** The display function of a window. Source: PS3.3 C.11.2.1.2.1 (LINEAR), C.11.2.1.3.2 (LINEAR_EXACT), C.11.2.1.3.1 (SIGMOID); y from 0 to 1. */
export function windowFunction({ center: c, width: w, function: kind }: AppliedWindow): (value: number) => number {
  if (kind === 'SIGMOID') return (x) => 1 / (1 + Math.exp((-4 * (x - c)) / w))
  if (kind === 'LINEAR_EXACT') return (x) => (x <= c - w / 2 ? 0 : x > c + w / 2 ? 1 : (x - c) / w + 0.5)
  return (x) => (x <= c - 0.5 - (w - 1) / 2 ? 0 : x > c - 0.5 + (w - 1) / 2 ? 1 : (x - (c - 0.5)) / (w - 1) + 0.5)
}

function fromTable(table: LookupTable, warnings: readonly ImageWarning[]): VoiTransform {
  const top = 2 ** table.bits - 1
  const width = table.entries.length
  return { window: { center: table.firstValue + width / 2, width, function: 'LUT' }, apply: (value) => Math.min(lookUp(table, value) / top, 1), warnings }
}

/** The range itself as a window: its smallest value black, its largest white; middle gray where they are one, which an inversion leaves as it is. */
export function fromRange({ min, max }: ValueRange): VoiTransform {
  const window: AppliedWindow = { center: (min + max) / 2, width: max - min, function: 'RANGE' }
  if (!(max > min)) return { window, apply: () => 0.5, warnings: [warning('image-flat', 'all pixels have one value; the image is shown middle gray')] }
  const scale = max - min
  return {
    window,
    apply: (value) => Math.min(Math.max((value - min) / scale, 0), 1),
    warnings: [warning('window-missing', "no usable window is given; the image's own range was taken")],
  }
}

export const warning = (code: string, detail: string): ImageWarning => ({ code, detail })
