/** The bytes of a NumPy array file in, its shape and values out. Source: numpy.lib.format, versions 1.0 and 2.0. */
import { Problem } from '../../src/domain/problem.ts'

/** Unsigned bytes, row-major. */
export interface ByteArray {
  readonly shape: readonly number[]
  readonly data: Uint8Array
}

/** Single precision, row-major. */
export interface FloatArray {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** 0x93 and `NUMPY`. */
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]

/**
 * The array.
 *
 * Throws: "file-unreadable" for anything but a whole, row-major ('fortran_order': False) array of unsigned bytes ('|u1').
 */
export function readNpy(bytes: Uint8Array): ByteArray {
  return readPlain(bytes, '|u1', 1)
}

/** Throws: "file-unreadable" for anything but a whole, row-major array of little-endian float32 ('<f4'). */
export function readFloatNpy(bytes: Uint8Array): FloatArray {
  const { shape, data } = readPlain(bytes, '<f4', 4)
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  return { shape, data: Float32Array.from({ length: data.length / 4 }, (_, i) => view.getFloat32(4 * i, true)) }
}

/** The values as they lie in the file. */
function readPlain(bytes: Uint8Array, type: string, bytesPerValue: number): ByteArray {
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) throw unreadable('a member is no NumPy array')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const [lengthBytes, headerBytes] = bytes[6] === 1 ? [2, view.getUint16(8, true)] : [4, view.getUint32(8, true)]
  const start = 8 + lengthBytes + headerBytes
  const header = new TextDecoder('latin1').decode(bytes.subarray(8 + lengthBytes, start))
  const shape = shapeOf(header, type)
  const data = bytes.subarray(start)
  if (shape.reduce((product, axis) => product * axis, bytesPerValue) !== data.length) throw unreadable('a NumPy array is cut off or too long')
  return { shape, data }
}

/** The header is a Python dict literal with exactly three keys. */
function shapeOf(header: string, type: string): number[] {
  if (/'descr':\s*'([^']*)'/.exec(header)?.[1] !== type) throw unreadable(`a NumPy array is not of type '${type}'`)
  if (!/'fortran_order':\s*False/.test(header)) throw unreadable('a NumPy array is not row-major')
  const axes = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1]
  if (axes === undefined) throw unreadable('a NumPy array states no shape')
  return axes
    .split(',')
    .map((axis) => axis.trim())
    .filter((axis) => axis !== '')
    .map(Number)
}

function unreadable(detail: string): Problem {
  return new Problem('file-unreadable', detail, {})
}
