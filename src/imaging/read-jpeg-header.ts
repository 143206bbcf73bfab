/** Bytes of a JPEG file in, its size and components out. */
import { Problem } from '../domain/problem.ts'
import { readCodestream } from './read-codestream.ts'

export interface JpegHeader {
  readonly columns: number
  readonly rows: number
  readonly components: 1 | 3
}

export const isJpeg = (bytes: Uint8Array): boolean => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff

/** Whether the stream is closed (EOI) before any frame was opened: the wrapping of a JPEG around nothing. */
export function isEmptyJpeg(bytes: Uint8Array): boolean {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = 2; at + 4 <= bytes.length; at += 2 + data.getUint16(at + 2)) {
    if (data.getUint16(at) < 0xffe0) return data.getUint16(at) === EOI
  }
  return bytes[bytes.length - 2] === 0xff && bytes[bytes.length - 1] === 0xd9 && readCodestream(bytes, 'jpeg') === undefined
}

const EOI = 0xffd9

/**
 * The header of a gray or color JPEG of 8 bits. Four components are CMYK, whose inks no model was trained on.
 *
 * Throws: "image-undecodable".
 */
export function readJpegHeader(bytes: Uint8Array): JpegHeader {
  const header = readCodestream(bytes, 'jpeg')
  if (header === undefined || header.rows === 0 || header.columns === 0) throw new Problem('image-undecodable', 'the JPEG is cut off, or no frame begins in it', {})
  const { columns, rows, components, precision } = header
  if (precision !== 8) throw new Problem('image-undecodable', `a JPEG file of ${precision} bits is not read; JPEG files have 8`, {})
  if (components === 4) throw new Problem('image-undecodable', 'the JPEG is CMYK; gray and RGB are read', {})
  if (components !== 1 && components !== 3) throw new Problem('image-undecodable', `a JPEG of ${components} components is not read`, {})
  return { columns, rows, components }
}
