/** A PNG's bytes in, its text chunks out; its pixels are not looked at. */
import { crc32 } from 'node:zlib'
import { Problem } from '../domain/problem.ts'

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
/** Length, type and checksum of a chunk. */
const FRAME_BYTES = 12

/** Whether the bytes begin as every PNG does. */
export function isPng(bytes: Uint8Array): boolean {
  return SIGNATURE.every((value, i) => bytes[i] === value)
}

/**
 * Keyword and text of every tEXt and uncompressed iTXt chunk, in the file's order.
 *
 * Source: PNG specification, third edition, 11.3.3.
 * Throws: "image-undecodable" where a chunk is cut off or its checksum is wrong.
 */
export function readPngTexts(bytes: Uint8Array): ReadonlyMap<string, string> {
  const texts = new Map<string, string>()
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = SIGNATURE.length; at < view.length; ) {
    if (at + FRAME_BYTES > view.length) throw damaged('ends inside a chunk')
    const length = view.readUInt32BE(at)
    if (at + FRAME_BYTES + length > view.length) throw damaged('ends inside a chunk')
    const type = view.toString('latin1', at + 4, at + 8)
    const data = view.subarray(at + 8, at + 8 + length)
    if (crc32(view.subarray(at + 4, at + 8 + length)) !== view.readUInt32BE(at + 8 + length))
      throw damaged(`has a chunk ${/^[A-Za-z]{4}$/.test(type) ? type : ''} with a wrong checksum`)
    const entry = type === 'tEXt' ? readText(data) : type === 'iTXt' ? readInternationalText(data) : null
    if (entry !== null) texts.set(entry.keyword, entry.text)
    at += FRAME_BYTES + length
  }
  return texts
}

interface TextEntry {
  readonly keyword: string
  readonly text: string
}

function readText(data: Buffer): TextEntry | null {
  const end = data.indexOf(0)
  return end < 0 ? null : { keyword: data.toString('latin1', 0, end), text: data.toString('latin1', end + 1) }
}

/** Keyword, compression flag and method, language, translated keyword, text. Compressed text is none of ours and left out. */
function readInternationalText(data: Buffer): TextEntry | null {
  const end = data.indexOf(0)
  if (end < 0 || data[end + 1] !== 0) return null
  const languageEnd = data.indexOf(0, end + 3)
  const translatedEnd = languageEnd < 0 ? -1 : data.indexOf(0, languageEnd + 1)
  return translatedEnd < 0 ? null : { keyword: data.toString('latin1', 0, end), text: data.toString('utf8', translatedEnd + 1) }
}

function damaged(what: string): Problem {
  return new Problem('image-undecodable', `the PNG ${what}`, {})
}
