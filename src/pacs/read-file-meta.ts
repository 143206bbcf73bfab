/**
 * The first few hundred bytes of a received file in, the three UIDs that its receipt is acknowledged by out.
 *
 * Nothing behind the file meta information is looked at: whatever is decoded is decoded in an engine.
 */
import { Problem } from '../domain/problem.ts'
import { isUid } from './is-uid.ts'

export interface FileMeta {
  readonly sopClassUid: string
  readonly sopInstanceUid: string
  readonly transferSyntaxUid: string
  /** Where the dataset begins. */
  readonly datasetOffset: number
}

/** Explicit VRs with a 32-bit length that the group may hold (PS3.10 table 7.1-1). */
const LONG = ['OB', 'UN', 'UR', 'SQ', 'UT', 'OW']
const MAX_ELEMENTS = 64

/** Group 0002 of a Part 10 file. Throws "dicom-not-part10", "uid-invalid". */
export function readFileMeta(bytes: Uint8Array): FileMeta {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer.length < 144 || buffer.toString('latin1', 128, 132) !== 'DICM') throw notPart10('the bytes "DICM" do not follow a preamble of 128 bytes')
  const { elements, end } = readElements(buffer)
  return {
    sopClassUid: uidOf(elements, 0x0002, 'MediaStorageSOPClassUID'),
    sopInstanceUid: uidOf(elements, 0x0003, 'MediaStorageSOPInstanceUID'),
    transferSyntaxUid: uidOf(elements, 0x0010, 'TransferSyntaxUID'),
    datasetOffset: end,
  }
}

/** Always explicit VR little endian (PS3.10 section 7.1). */
function readElements(buffer: Buffer): { elements: Map<number, string>; end: number } {
  const elements = new Map<number, string>()
  let at = 132
  for (let count = 0; count < MAX_ELEMENTS && at + 8 <= buffer.length && buffer.readUInt16LE(at) === 0x0002; count++) {
    const isLong = LONG.includes(buffer.toString('latin1', at + 4, at + 6))
    if (isLong && at + 12 > buffer.length) break
    const length = isLong ? buffer.readUInt32LE(at + 8) : buffer.readUInt16LE(at + 6)
    const start = at + (isLong ? 12 : 8)
    if (start + length > buffer.length) throw notPart10('the file meta information is cut off')
    if (length <= 64) elements.set(buffer.readUInt16LE(at + 2), buffer.toString('latin1', start, start + length).replace(/[\0 ]+$/, ''))
    at = start + length
  }
  return { elements, end: at }
}

function uidOf(elements: ReadonlyMap<number, string>, element: number, keyword: string): string {
  const uid = elements.get(element)
  if (uid === undefined) throw notPart10(`the file meta information has no ${keyword}`)
  if (!isUid(uid)) throw new Problem('uid-invalid', `${keyword} is no valid UID`, { keyword })
  return uid
}

function notPart10(detail: string): Problem {
  return new Problem('dicom-not-part10', detail, {})
}
