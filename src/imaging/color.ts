/** Stored color samples in, red, green and blue in [0, 1] out. */
import { readBytes } from '../dicom/read-attributes.ts'
import type { Dataset } from '../dicom/read-part10.ts'
import { inconsistent, type LookupTable, lookUp, readDescriptor, readLookupTable } from './lookup-table.ts'
import { expandSegments } from './segmented-palette.ts'
import type { StoredValues } from './stored-values.ts'

/**
 * RGB samples in [0, 1].
 *
 * values      [pixel, red/green/blue], unsigned
 * bitsStored  the largest sample is 2^bitsStored - 1
 */
export function rgbToUnit(values: StoredValues, bitsStored: number): Float32Array {
  const top = 2 ** bitsStored - 1
  const rgb = new Float32Array(values.length)
  for (let i = 0; i < values.length; i++) rgb[i] = (values[i] ?? 0) / top
  return rgb
}

/**
 * YBR_FULL samples as RGB in [0, 1], clamped.
 *
 * values  [pixel, Y/Cb/Cr], unsigned, chroma's zero at half the range
 * Source: the inverse of PS3.3 C.7.6.3.1.2, whose coefficients are those of ITU-R BT.601 over the full range.
 */
export function ybrFullToUnit(values: StoredValues, bitsStored: number): Float32Array {
  const top = 2 ** bitsStored - 1
  const zero = 2 ** (bitsStored - 1)
  const rgb = new Float32Array(values.length)
  const unit = (sample: number): number => Math.min(Math.max(sample / top, 0), 1)
  for (let i = 0; i + 2 < values.length; i += 3) {
    const y = values[i] ?? 0
    const cb = (values[i + 1] ?? 0) - zero
    const cr = (values[i + 2] ?? 0) - zero
    rgb[i] = unit(y + 1.402 * cr)
    rgb[i + 1] = unit(y - 0.344136 * cb - 0.714136 * cr)
    rgb[i + 2] = unit(y + 1.772 * cb)
  }
  return rgb
}

/**
 * PALETTE COLOR indices as RGB in [0, 1]; an index outside the palette reads its nearest end.
 *
 * Throws: "attributes-inconsistent" where a palette is missing or does not fit its descriptor.
 */
export function paletteToUnit(values: StoredValues, dataset: Dataset, isSigned: boolean): Float32Array {
  const channels = CHANNELS.map((channel) => readPalette(dataset, channel, isSigned)).map((table) => ({ table, top: 2 ** table.bits - 1 }))
  const rgb = new Float32Array(values.length * 3)
  channels.forEach(({ table, top }, channel) => {
    for (let i = 0; i < values.length; i++) rgb[3 * i + channel] = Math.min(lookUp(table, values[i] ?? 0) / top, 1)
  })
  return rgb
}

const CHANNELS = ['Red', 'Green', 'Blue'] as const

function readPalette(dataset: Dataset, channel: (typeof CHANNELS)[number], isSigned: boolean): LookupTable {
  const descriptor = `${channel}PaletteColorLookupTableDescriptor` as const
  const segmented = `Segmented${channel}PaletteColorLookupTableData` as const
  const plain = `${channel}PaletteColorLookupTableData` as const
  if (readBytes(dataset, plain).length > 0) return readLookupTable(dataset, descriptor, plain, isSigned)
  if (readBytes(dataset, segmented).length === 0) throw inconsistent(plain, 'a palette color image brings no palette')
  const [count = 0, first = 0, bits = 0] = readDescriptor(dataset, descriptor)
  const length = count === 0 ? 65_536 : count
  if (bits !== 8 && bits !== 16) throw inconsistent(descriptor, 'a palette has 8 or 16 bits')
  const entries = expandSegments(dataset, segmented, bits, length)
  return { firstValue: isSigned && first > 32_767 ? first - 65_536 : first, bits, entries }
}
