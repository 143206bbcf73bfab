/** Bytes of pixels in, stored values out: one integer a sample, samples of a pixel side by side. */
import { Problem } from '../domain/problem.ts'
import { type PixelDescription, samplesOfFrame } from './read-pixel-description.ts'

export type StoredValues = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array

/** How bytes of native pixel data are ordered. */
export interface ByteOrder {
  readonly bigEndian: boolean
  /** OW: bytes come in pairs that the byte order turns, whatever the samples' size (PS3.5 annex A.3). */
  readonly words: boolean
}

export const LITTLE_ENDIAN: ByteOrder = { bigEndian: false, words: false }

/** An empty array of the smallest type that holds values of this description. */
export function allocateValues({ bitsAllocated, isSigned }: PixelDescription, length: number): StoredValues {
  if (bitsAllocated <= 8) return isSigned ? new Int8Array(length) : new Uint8Array(length)
  if (bitsAllocated === 16) return isSigned ? new Int16Array(length) : new Uint16Array(length)
  return isSigned ? new Int32Array(length) : new Uint32Array(length)
}

/** NumPy's name of the type. */
export function dtypeOf(values: StoredValues): string {
  return values.constructor.name.replace('Array', '').toLowerCase()
}

/**
 * The stored values of one frame of native pixel data (frame from 1), interleaved, YBR_FULL_422 expanded by repeating chroma.
 *
 * Throws: "pixel-data-truncated", "attributes-inconsistent".
 */
export function unpackNativeFrame(pixels: Uint8Array, description: PixelDescription, frame: number, order: ByteOrder): StoredValues {
  const samples = is422(description) ? description.rows * description.columns * 2 : samplesOfFrame(description)
  checkLength(pixels, samples, description)
  const frameBits = samples * description.bitsAllocated
  const firstBit = (frame - 1) * frameBits
  const bytes = turnWords(pixels, Math.floor(firstBit / 8), Math.ceil((firstBit + frameBits) / 8), order, description.bitsAllocated)
  if (description.bitsAllocated === 1) return unpackBits(bytes, firstBit % 8, samples)
  const values = unpackSamples(bytes, description, samples)
  if (is422(description)) return expand422(values, description)
  return description.samplesPerPixel === 3 && description.planarConfiguration === 1 ? interleave(values) : values
}

const is422 = ({ photometricInterpretation }: PixelDescription): boolean => photometricInterpretation === 'YBR_FULL_422'

function checkLength(pixels: Uint8Array, samples: number, description: PixelDescription): void {
  if (is422(description) && (description.columns % 2 !== 0 || description.bitsAllocated !== 8)) {
    throw new Problem('attributes-inconsistent', 'native YBR_FULL_422 needs an even number of columns and 8 bits', { keyword: 'PhotometricInterpretation' })
  }
  const expectedBytes = Math.ceil((samples * description.bitsAllocated * description.numberOfFrames) / 8)
  if (pixels.length >= expectedBytes) return
  throw new Problem('pixel-data-truncated', `PixelData holds ${pixels.length} bytes where ${expectedBytes} are needed`, { expectedBytes, actualBytes: pixels.length })
}

/** The bytes from `start` to `end` in little endian order. A view where nothing has to be turned. */
function turnWords(pixels: Uint8Array, start: number, end: number, { bigEndian, words }: ByteOrder, bitsAllocated: number): Uint8Array {
  const size = bitsAllocated > 8 ? bitsAllocated / 8 : words ? 2 : 1
  if (!bigEndian || size === 1) return pixels.subarray(start, end)
  const turned = new Uint8Array(end - start)
  for (let i = start; i < end; i++) turned[i - start] = pixels[i - (i % size) + size - 1 - (i % size)] ?? 0
  return turned
}

/** 1-bit pixels, the first in the lowest bit, frames not padded to bytes (PS3.5 8.1.1). */
function unpackBits(bytes: Uint8Array, firstBit: number, samples: number): Uint8Array {
  return Uint8Array.from({ length: samples }, (_, i) => ((bytes[(firstBit + i) >> 3] ?? 0) >> ((firstBit + i) & 7)) & 1)
}

/**
 * Little endian samples of the allocated size as stored values: shifted down from the high bit, masked to the bits stored, sign-extended.
 *
 * bytes    at least samples x bitsAllocated / 8
 * returns  one value a sample, in the order of the bytes
 */
export function unpackSamples(bytes: Uint8Array, description: PixelDescription, samples: number): StoredValues {
  const raw = toUnsigned(bytes, description.bitsAllocated / 8, samples)
  return maskValues(raw, description, description.highBit + 1 - description.bitsStored)
}

/** Unsigned integers of 1 to 4 bytes, little endian. */
function toUnsigned(bytes: Uint8Array, size: number, samples: number): Uint8Array | Uint16Array | Uint32Array {
  if (size === 1) return bytes.subarray(0, samples)
  if (size === 2) {
    const values = new Uint16Array(samples)
    for (let i = 0, at = 0; i < samples; i++, at += 2) values[i] = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8)
    return values
  }
  const values = new Uint32Array(samples)
  for (let i = 0; i < samples; i++) for (let j = size - 1; j >= 0; j--) values[i] = ((values[i] ?? 0) << 8) | (bytes[i * size + j] ?? 0)
  return values
}

/** Values shifted, cut to the bits stored and sign-extended: what lies in the other bits (overlays, fill) is left out. */
export function maskValues(raw: Uint8Array | Uint16Array | Uint32Array, description: PixelDescription, shift: number): StoredValues {
  const { bitsStored, isSigned } = description
  const values = allocateValues(description, raw.length)
  const spare = 32 - bitsStored
  // up to the top of 32 bits and down again: >> repeats the sign, >>> does not
  if (isSigned) for (let i = 0; i < raw.length; i++) values[i] = (((raw[i] ?? 0) >>> shift) << spare) >> spare
  else for (let i = 0; i < raw.length; i++) values[i] = (((raw[i] ?? 0) >>> shift) << spare) >>> spare
  return values
}

/** Three planes as three samples a pixel. */
export function interleave(planes: StoredValues): StoredValues {
  const pixels = planes.length / 3
  const values = planes.slice()
  for (let i = 0; i < pixels; i++) for (let s = 0; s < 3; s++) values[3 * i + s] = planes[s * pixels + i] ?? 0
  return values
}

/** Y1 Y2 Cb Cr for two pixels (PS3.3 C.7.6.3.1.2) as Y Cb Cr for each. */
function expand422(values: StoredValues, description: PixelDescription): StoredValues {
  const expanded = allocateValues(description, samplesOfFrame(description))
  for (let i = 0, j = 0; i + 3 < values.length; i += 4, j += 6) {
    for (let pixel = 0; pixel < 2; pixel++) {
      expanded[j + 3 * pixel] = values[i + pixel] ?? 0
      expanded[j + 3 * pixel + 1] = values[i + 2] ?? 0
      expanded[j + 3 * pixel + 2] = values[i + 3] ?? 0
    }
  }
  return expanded
}
