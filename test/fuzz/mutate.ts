/** A valid file and a random source in, a spoilt file out: most mutations know where DICOM and its codestreams keep their lengths. */
import type { Random } from './random.ts'

type Mutation = (bytes: Uint8Array, random: Random) => Uint8Array

/** Numbers at which readers break: zeros, ones, signs, limits of each width. */
export const EDGES = [0, 1, 2, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xfffe, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff]

const VRS = ['AE', 'CS', 'DS', 'IS', 'OB', 'OW', 'SQ', 'UN', 'US', 'UL', 'UT', 'ZZ', '\0\0']

const MUTATIONS: readonly Mutation[] = [
  flipBit,
  flipBit,
  setByte,
  setWord,
  setLong,
  cutOff,
  removeSpan,
  repeatSpan,
  setVr,
  setElementLength,
  setElementValue,
  setElementValue,
  setElementValue,
  spoilMarker,
  spoilMarker,
  spoilText,
]

/** One to four mutations, one upon another. */
export function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  let spoilt: Uint8Array = bytes.slice()
  for (let left = 1 + random.below(4); left > 0; left--) if (spoilt.length > 0) spoilt = random.pick(MUTATIONS)(spoilt, random)
  return spoilt
}

/** Three times in four behind the preamble and the magic, which are refused at once. */
function position(bytes: Uint8Array, random: Random): number {
  const start = bytes.length > 140 && random.below(16) > 0 ? 132 : 0
  return start + random.below(Math.max(1, bytes.length - start))
}

function flipBit(bytes: Uint8Array, random: Random): Uint8Array {
  const at = position(bytes, random)
  bytes[at] = bytes[at]! ^ (1 << random.below(8))
  return bytes
}

function setByte(bytes: Uint8Array, random: Random): Uint8Array {
  bytes[position(bytes, random)] = random.below(256)
  return bytes
}

function setWord(bytes: Uint8Array, random: Random): Uint8Array {
  return writeNumber(bytes, position(bytes, random), 2, random)
}

function setLong(bytes: Uint8Array, random: Random): Uint8Array {
  return writeNumber(bytes, position(bytes, random), 4, random)
}

function writeNumber(bytes: Uint8Array, at: number, size: number, random: Random): Uint8Array {
  const value = random.below(4) === 0 ? random.below(2 ** 31) : random.pick(EDGES)
  const isBig = random.below(2) === 0
  for (let i = 0; i < size && at + i < bytes.length; i++) bytes[at + i] = Math.floor(value / 256 ** (isBig ? size - 1 - i : i)) & 0xff
  return bytes
}

function cutOff(bytes: Uint8Array, random: Random): Uint8Array {
  return bytes.subarray(0, position(bytes, random))
}

function removeSpan(bytes: Uint8Array, random: Random): Uint8Array {
  const at = position(bytes, random)
  return new Uint8Array(Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(32))]))
}

function repeatSpan(bytes: Uint8Array, random: Random): Uint8Array {
  const at = position(bytes, random)
  const span = bytes.subarray(at, at + 1 + random.below(256))
  const times = 1 + random.below(8)
  return new Uint8Array(Buffer.concat([bytes.subarray(0, at), ...Array.from({ length: times }, () => span), bytes.subarray(at)]))
}

/** Where an explicit element seems to begin: a plausible group, then two capital letters. */
function findElement(bytes: Uint8Array, random: Random): number {
  const isCapital = (byte = 0): boolean => byte >= 0x41 && byte <= 0x5a
  const start = position(bytes, random)
  for (let at = start; at + 8 < bytes.length; at++) if (isCapital(bytes[at + 4]) && isCapital(bytes[at + 5]) && bytes[at + 1]! < 0x80) return at
  return start
}

function setVr(bytes: Uint8Array, random: Random): Uint8Array {
  const at = findElement(bytes, random)
  const vr = random.pick(VRS)
  for (let i = 0; i < 2; i++) if (at + 4 + i < bytes.length) bytes[at + 4 + i] = vr.charCodeAt(i)
  return bytes
}

function setElementLength(bytes: Uint8Array, random: Random): Uint8Array {
  return writeNumber(bytes, findElement(bytes, random) + random.pick([6, 8]), random.pick([2, 4]), random)
}

function setElementValue(bytes: Uint8Array, random: Random): Uint8Array {
  return writeNumber(bytes, findElement(bytes, random) + random.pick([8, 12]), random.pick([1, 2, 4]), random)
}

/** Numbers behind 0xFF: segments of JPEG, JPEG-LS and JPEG 2000. */
function spoilMarker(bytes: Uint8Array, random: Random): Uint8Array {
  const at = bytes.indexOf(0xff, position(bytes, random))
  return at < 0 ? bytes : writeNumber(bytes, at + 1 + random.below(24), random.pick([1, 2, 4]), random)
}

/** Digits of text values: decimal and integer strings, UIDs. */
function spoilText(bytes: Uint8Array, random: Random): Uint8Array {
  const start = position(bytes, random)
  const at = bytes.findIndex((byte, i) => i >= start && byte >= 0x30 && byte <= 0x39)
  if (at >= 0) bytes[at] = random.pick(['-', 'e', '.', '\\', '9', '0', ' ', '/', '\0', '\xff']).charCodeAt(0)
  return bytes
}
