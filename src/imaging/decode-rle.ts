/** An RLE frame in, its samples as little endian bytes out (PS3.5 annex G). */
import { Problem } from '../domain/problem.ts'

export interface RleShape {
  readonly pixels: number
  readonly samplesPerPixel: number
  readonly bytesPerSample: number
}

const HEADER_BYTES = 64
const UID = '1.2.840.10008.1.2.5'

/**
 * The frame's samples, interleaved, each `bytesPerSample` bytes, little endian.
 *
 * A segment is one byte plane; planes come sample by sample, the most significant byte first (G.2).
 * Throws: "codec-failed" where the header does not fit the shape, or a segment does not make its plane.
 */
export function decodeRle(frame: Uint8Array, shape: RleShape): Uint8Array {
  const { pixels, samplesPerPixel, bytesPerSample } = shape
  const planes = samplesPerPixel * bytesPerSample
  const offsets = readOffsets(frame, planes)
  const bytes = new Uint8Array(pixels * planes)
  for (let plane = 0; plane < planes; plane++) {
    const sample = Math.floor(plane / bytesPerSample)
    const significance = bytesPerSample - 1 - (plane % bytesPerSample)
    const segment = frame.subarray(offsets[plane], offsets[plane + 1])
    unpackSegment(segment, bytes, sample * bytesPerSample + significance, planes, pixels)
  }
  return bytes
}

/** Where each segment begins, and where the last ends. */
function readOffsets(frame: Uint8Array, planes: number): number[] {
  if (frame.length < HEADER_BYTES) throw failed('an RLE frame is shorter than its header')
  const view = new DataView(frame.buffer, frame.byteOffset, HEADER_BYTES)
  if (view.getUint32(0, true) !== planes) throw failed('an RLE header does not count as many segments as the image has byte planes')
  const offsets = Array.from({ length: planes }, (_, i) => view.getUint32(4 + 4 * i, true))
  const bounds = [...offsets, frame.length]
  const isAscending = bounds.every((bound, i) => bound >= (bounds[i - 1] ?? HEADER_BYTES))
  if (!isAscending) throw failed('an RLE segment begins outside its frame')
  return bounds
}

/** PackBits (G.3.1) into every `stride`-th byte from `first`. Bytes behind a full plane are padding. */
function unpackSegment(segment: Uint8Array, into: Uint8Array, first: number, stride: number, length: number): void {
  let written = 0
  for (let at = 0; at < segment.length && written < length; ) {
    const control = segment[at++] ?? 0
    if (control === 128) continue
    const isLiteral = control < 128
    const run = isLiteral ? control + 1 : 257 - control
    if (run > length - written || at + (isLiteral ? run : 1) > segment.length) throw failed('an RLE run leaves its segment')
    for (let i = 0; i < run; i++) into[first + stride * written++] = segment[isLiteral ? at + i : at] ?? 0
    at += isLiteral ? run : 1
  }
  if (written < length) throw failed('an RLE segment holds fewer bytes than the image has pixels')
}

const failed = (detail: string): Problem => new Problem('codec-failed', detail, { transferSyntaxUid: UID })
