/** The first bytes of an upload in, its format out: told by the bytes, never by a name. */
import { isPart10 } from '../dicom/read-part10.ts'
import type { ImageFormat } from '../domain/image.ts'
import { Problem } from '../domain/problem.ts'
import { isEmptyJpeg, isJpeg } from './read-jpeg-header.ts'
import { isPng } from './read-png-header.ts'

const ACCEPTED = ['application/dicom', 'image/png', 'image/jpeg'] as const

/**
 * The format that the bytes begin with. DICM at byte 128 comes first: a preamble may hold another file's magic.
 *
 * Throws: "media-type-unsupported" for what is known to be something else; "dicom-not-part10" for all other bytes, which are most often DICOM
 * without its preamble (ACR-NEMA, cut files), and for a JPEG that ends before any image.
 */
export function findFormat(bytes: Uint8Array): ImageFormat {
  if (isPart10(bytes)) return 'dicom'
  if (isPng(bytes)) return 'png'
  if (isJpeg(bytes) && !isEmptyJpeg(bytes)) return 'jpeg'
  const isLonePreamble = bytes.length >= 128 && bytes.length < 132
  if (!isLonePreamble && isForeign(bytes)) throw new Problem('media-type-unsupported', 'the bytes are neither DICOM (Part 10) nor PNG nor JPEG', { accepted: ACCEPTED })
  throw new Problem('dicom-not-part10', 'the bytes "DICM" do not follow a preamble of 128 bytes, and no PNG or JPEG image begins', {})
}

/** Beginnings of other formats that are sent by mistake, as Latin-1. */
const FOREIGN_MAGIC = [
  'GIF8',
  'II*\0',
  'MM\0*',
  'BM',
  'RIFF',
  '%PDF',
  'PK\x03\x04',
  '\x1f\x8b',
  '\x7fELF',
  'MZ',
  '\x93NUMPY',
  '\0\0\0\x0cjP  ',
  '\x08\xf2\xa6\xb6',
  '\xb6\xa6\xf2\x08',
  '\xffO\xffQ',
  '8BPS',
]

/** Whether the bytes are a known other format, text, or nothing at all. */
function isForeign(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.subarray(0, 64)).toString('latin1')
  const isBoxFile = head.slice(4, 8) === 'ftyp'
  const isText = /^[\t\n\r\x20-\x7e\x80-\xff]*$/.test(head) && new TextDecoder().decode(bytes.subarray(0, 61)).indexOf('\ufffd') === -1
  return isText || isBoxFile || FOREIGN_MAGIC.some((magic) => head.startsWith(magic))
}
