/** Rows of packed samples in, a PNG out: written by hand, so that every depth and color type can be made without a library that has its own mind. */
import { crc32, deflateSync } from 'node:zlib'

export interface SyntheticPng {
  readonly width: number
  readonly height: number
  readonly bitDepth: number
  readonly colorType: number
  /** Bytes of each row, as PNG packs them, most significant first. */
  readonly rows: readonly (readonly number[])[]
  /** Chunks before IDAT. */
  readonly chunks?: readonly (readonly [string, readonly number[]])[]
}

export function buildPng({ width, height, bitDepth, colorType, rows, chunks = [] }: SyntheticPng): Uint8Array {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([bitDepth, colorType], 8)
  const scanlines = Buffer.concat(rows.map((row) => Buffer.from([0, ...row])))
  const parts = [chunk('IHDR', header), ...chunks.map(([type, data]) => chunk(type, Buffer.from(data))), chunk('IDAT', deflateSync(scanlines)), chunk('IEND', Buffer.alloc(0))]
  return new Uint8Array(Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), ...parts]))
}

/** A 16-bit gray PNG of values in row order. */
export function buildGray16Png(values: ArrayLike<number>, width: number): Uint8Array {
  const height = values.length / width
  const rows = Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => values[y * width + x]!).flatMap((value) => [value >> 8, value & 0xff]))
  return buildPng({ width, height, bitDepth: 16, colorType: 0, rows })
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const check = Buffer.alloc(4)
  check.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, check])
}
