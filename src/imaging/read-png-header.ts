/** Bytes of a PNG in, its header and the chunks that make its pixels out: what a decoder is not shown cannot harm it. */
import { Problem } from '../domain/problem.ts'

export interface PngHeader {
  readonly columns: number
  readonly rows: number
  readonly bitDepth: 1 | 2 | 4 | 8 | 16
  /** 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha. */
  readonly colorType: number
  /** An alpha channel, or a color that tRNS makes transparent. */
  readonly hasAlpha: boolean
  /** Chunks that ask a viewer to change the samples: gAMA, iCCP, sRGB, cHRM. */
  readonly colorChunks: readonly string[]
  /** Signature, IHDR, PLTE, tRNS, IDAT and IEND alone. */
  readonly pixelChunks: Uint8Array
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
const PIXEL_CHUNKS = new Set(['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND'])
const COLOR_CHUNKS = new Set(['gAMA', 'iCCP', 'sRGB', 'cHRM'])
/** Bit depths that PNG allows a color type (W3C PNG 11.2.1). */
const DEPTHS: Readonly<Record<number, readonly number[]>> = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] }

export const isPng = (bytes: Uint8Array): boolean => SIGNATURE.every((value, i) => bytes[i] === value)

/**
 * The header of a PNG that is whole from IHDR to IEND.
 *
 * Throws: "image-undecodable" where chunks are missing, cut off or out of their limits.
 */
export function readPngHeader(bytes: Uint8Array): PngHeader {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const kept: Uint8Array[] = [bytes.subarray(0, 8)]
  const colorChunks = new Set<string>()
  let hasTransparency = false
  for (let at = 8; at + 12 <= bytes.length; ) {
    const end = at + 12 + data.getUint32(at)
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8))
    if (end > bytes.length || (at === 8) !== (type === 'IHDR')) break
    if (PIXEL_CHUNKS.has(type)) kept.push(bytes.subarray(at, end))
    if (COLOR_CHUNKS.has(type)) colorChunks.add(type)
    if (type === 'tRNS') hasTransparency = true
    if (type === 'IEND') {
      const header = readImageHeader(data)
      return { ...header, hasAlpha: hasTransparency || header.colorType >= 4, colorChunks: [...colorChunks], pixelChunks: Buffer.concat(kept) }
    }
    at = end
  }
  throw new Problem('image-undecodable', 'the PNG is cut off or begins with another chunk than IHDR', {})
}

function readImageHeader(data: DataView): Pick<PngHeader, 'columns' | 'rows' | 'bitDepth' | 'colorType'> {
  const [columns, rows, bitDepth, colorType] = [data.getUint32(16), data.getUint32(20), data.getUint8(24), data.getUint8(25)]
  const isKnown = data.getUint32(8) === 13 && columns > 0 && rows > 0 && DEPTHS[colorType]?.includes(bitDepth) === true
  if (!isKnown) throw new Problem('image-undecodable', 'the header of the PNG holds values that PNG does not know', {})
  return { columns, rows, bitDepth: bitDepth as PngHeader['bitDepth'], colorType }
}
