/** The bytes of a zip archive in, its members by name out. Source: PKWARE APPNOTE 6.3.10. */
import { crc32, inflateRawSync } from 'node:zlib'
import { Problem } from '../../src/domain/problem.ts'

const END_SIGNATURE = 0x06054b50
const ENTRY_SIGNATURE = 0x02014b50
const LOCAL_SIGNATURE = 0x04034b50
const END_BYTES = 22
const LONGEST_COMMENT = 0xffff
const STORED = 0
const DEFLATED = 8
/** A declared size beyond this is refused before anything is inflated. */
const LONGEST_MEMBER_BYTES = 2 ** 31

interface Entry {
  readonly name: string
  readonly method: number
  readonly crc: number
  readonly packedBytes: number
  readonly bytes: number
  readonly localOffset: number
}

/**
 * Every member, inflated and checked against its CRC-32.
 *
 * Sizes and offsets come from the central directory (4.3.12): writers differ in what they put into the local headers.
 * Throws: "file-unreadable" for what is no zip archive, or a damaged, encrypted or 64-bit one.
 */
export function readZip(bytes: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return new Map(entriesOf(view, bytes).map((entry) => [entry.name, memberOf(view, bytes, entry)]))
}

function unreadable(detail: string, cause?: unknown): Problem {
  return new Problem('file-unreadable', detail, {}, cause)
}

function entriesOf(view: DataView, bytes: Uint8Array): Entry[] {
  const end = findEnd(view)
  const count = view.getUint16(end + 10, true)
  let at = view.getUint32(end + 16, true)
  const entries: Entry[] = []
  for (let i = 0; i < count; i++) {
    if (at + 46 > end || view.getUint32(at, true) !== ENTRY_SIGNATURE) throw unreadable('the zip archive has a broken central directory')
    const [nameBytes, extraBytes, commentBytes] = [view.getUint16(at + 28, true), view.getUint16(at + 30, true), view.getUint16(at + 32, true)]
    entries.push({
      name: new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameBytes)),
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      packedBytes: view.getUint32(at + 20, true),
      bytes: view.getUint32(at + 24, true),
      localOffset: view.getUint32(at + 42, true),
    })
    at += 46 + nameBytes + extraBytes + commentBytes
  }
  return entries
}

/** Where the end record lies: the last signature whose comment reaches to the end of the file. */
function findEnd(view: DataView): number {
  const last = view.byteLength - END_BYTES
  for (let at = last; at >= Math.max(0, last - LONGEST_COMMENT); at--) {
    if (view.getUint32(at, true) === END_SIGNATURE && at + END_BYTES + view.getUint16(at + 20, true) === view.byteLength) return at
  }
  throw unreadable('this is no zip archive')
}

function memberOf(view: DataView, bytes: Uint8Array, { method, crc, packedBytes, bytes: memberBytes, localOffset }: Entry): Uint8Array {
  if (packedBytes === 0xffffffff || memberBytes === 0xffffffff || localOffset === 0xffffffff) throw unreadable('zip64 sizes are not supported')
  if (memberBytes > LONGEST_MEMBER_BYTES) throw unreadable('a member of the zip archive is too large')
  if (localOffset + 30 > bytes.length || view.getUint32(localOffset, true) !== LOCAL_SIGNATURE) throw unreadable('the zip archive has a broken local header')
  const start = localOffset + 30 + view.getUint16(localOffset + 26, true) + view.getUint16(localOffset + 28, true)
  if (start + packedBytes > bytes.length) throw unreadable('the zip archive is cut off')
  const member = unpack(bytes.subarray(start, start + packedBytes), method, memberBytes)
  if (member.length !== memberBytes || crc32(member) !== crc) throw unreadable('a member of the zip archive is damaged')
  return member
}

function unpack(packed: Uint8Array, method: number, memberBytes: number): Uint8Array {
  if (method === STORED) return packed
  if (method !== DEFLATED) throw unreadable(`zip method ${method} is not supported`)
  try {
    return inflateRawSync(packed, { maxOutputLength: Math.max(1, memberBytes) })
  } catch (error) {
    throw unreadable('a member of the zip archive is damaged', error)
  }
}
