/** A parsed file in, the encoded bytes of one frame out, whatever table of offsets the file brings or lacks (PS3.5 A.4). */
import { Problem } from '../domain/problem.ts'
import { findElement, readBytes } from './read-attributes.ts'
import type { DatasetElement, DicomFile } from './read-part10.ts'

/** A fragment of encapsulated pixel data: where its item begins after the offset table, and its bytes. */
interface Fragment {
  readonly offset: number
  readonly bytes: Uint8Array
}

/**
 * Native pixel data, all frames in one, as stored; undefined where the pixel data is encapsulated.
 *
 * Throws: "attributes-inconsistent" where the transfer syntax says one thing and the element another.
 */
export function findNativePixels(file: DicomFile): Uint8Array | undefined {
  const element = findElement(file.dataset, 'PixelData')
  const isEncapsulated = element?.fragments !== undefined
  if (isEncapsulated !== (file.transferSyntax.codec !== 'native')) {
    throw new Problem('attributes-inconsistent', 'PixelData is not encoded as its transfer syntax says', { keyword: 'PixelData' })
  }
  return isEncapsulated ? undefined : readBytes(file.dataset, 'PixelData')
}

/**
 * The encoded bytes of every frame, fragments joined, in the order of the frames.
 *
 * Throws: "frame-count-mismatch", "dicom-truncated", "pixel-data-missing".
 */
export function findEncapsulatedFrames(file: DicomFile, numberOfFrames: number): Uint8Array[] {
  const element = findElement(file.dataset, 'PixelData')
  const fragments = element === undefined ? [] : readFragments(file, element)
  if (fragments.every(({ bytes }) => bytes.length === 0)) throw new Problem('pixel-data-missing', 'the encapsulated PixelData holds no byte', {})
  const frames = groupFragments(file, element?.basicOffsetTable ?? [], fragments, numberOfFrames)
  if (frames.length !== numberOfFrames) throw mismatch(numberOfFrames, frames.length)
  return frames.map((group) => join(group.map(({ bytes }) => bytes)))
}

function readFragments(file: DicomFile, element: DatasetElement): Fragment[] {
  const { byteArray } = file.dataset
  return (element.fragments ?? []).map(({ offset, position, length }) => {
    if (position + length > byteArray.length) throw new Problem('dicom-truncated', 'the last fragment of PixelData ends outside the file', {})
    return { offset, bytes: byteArray.subarray(position, position + length) }
  })
}

/** The fragments frame by frame: by count where that says it all, else by a table of offsets, else by where codestreams begin. */
function groupFragments(file: DicomFile, basicOffsets: readonly number[], fragments: readonly Fragment[], numberOfFrames: number): Fragment[][] {
  if (numberOfFrames === 1) return [[...fragments]]
  if (fragments.length < numberOfFrames) throw mismatch(numberOfFrames, fragments.length)
  if (fragments.length === numberOfFrames) return fragments.map((fragment) => [fragment])
  const extended = readExtendedOffsets(file)
  if (extended.length > 0) return groupByOffsets(fragments, extended, numberOfFrames)
  if (basicOffsets.length > 0) return groupByOffsets(fragments, basicOffsets, numberOfFrames)
  return groupByStarts(fragments)
}

/** The Extended Offset Table (7FE0,0001): 64-bit offsets, as the basic table counts them. */
function readExtendedOffsets(file: DicomFile): number[] {
  const bytes = readBytes(file.dataset, 'ExtendedOffsetTable')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return Array.from({ length: Math.floor(bytes.length / 8) }, (_, i) => Number(view.getBigUint64(8 * i, true)))
}

function groupByOffsets(fragments: readonly Fragment[], offsets: readonly number[], numberOfFrames: number): Fragment[][] {
  if (offsets.length !== numberOfFrames) throw mismatch(numberOfFrames, offsets.length)
  const groups: Fragment[][] = offsets.map(() => [])
  const startsAt = new Map(offsets.map((offset, frame) => [offset, frame]))
  if (startsAt.size !== offsets.length || !startsAt.has(fragments[0]?.offset ?? -1)) throw mismatch(numberOfFrames, startsAt.size)
  let group: Fragment[] = []
  for (const fragment of fragments) {
    const frame = startsAt.get(fragment.offset)
    group = frame === undefined ? group : (groups[frame] ?? group)
    group.push(fragment)
  }
  return groups.filter(({ length }) => length > 0)
}

/** Without a table a frame begins where a codestream begins right behind the end of another; empty fragments belong to the frame before. */
function groupByStarts(fragments: readonly Fragment[]): Fragment[][] {
  const groups: Fragment[][] = []
  let isOpen = false
  for (const fragment of fragments) {
    const last = groups.at(-1)
    if (last === undefined || (!isOpen && startsCodestream(fragment.bytes))) groups.push([fragment])
    else last.push(fragment)
    if (fragment.bytes.length > 0) isOpen = !endsCodestream(fragment.bytes)
  }
  return groups
}

/** SOI of JPEG and JPEG-LS, SOC and SIZ of JPEG 2000, or the signature box of JP2. */
function startsCodestream(bytes: Uint8Array): boolean {
  const [a, b, c, d, e, f] = bytes
  const isJpeg = a === 0xff && b === 0xd8 && c === 0xff
  const isJpeg2000 = a === 0xff && b === 0x4f && c === 0xff && d === 0x51
  const isJp2 = a === 0 && b === 0 && c === 0 && d === 0x0c && e === 0x6a && f === 0x50
  return isJpeg || isJpeg2000 || isJp2
}

/** EOI of JPEG and EOC of JPEG 2000 are the same two bytes; a fragment may be padded behind them. */
function endsCodestream(bytes: Uint8Array): boolean {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return end >= 2 && bytes[end - 2] === 0xff && bytes[end - 1] === 0xd9
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts
  return parts.length === 1 && only !== undefined ? only : new Uint8Array(Buffer.concat(parts))
}

const mismatch = (expected: number, actual: number): Problem => new Problem('frame-count-mismatch', `${expected} frames are claimed and ${actual} are found`, { expected, actual })
