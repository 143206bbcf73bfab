/** The first bytes of a file in, its format out. Nothing is decoded here: the parent process never reads further than this. */
import type { ImageFormat } from '../domain/image.ts'

const MAGIC: readonly { readonly format: ImageFormat; readonly offset: number; readonly bytes: readonly number[] }[] = [
  // PS3.10 7.1: 128 bytes of preamble, then DICM.
  { format: 'dicom', offset: 128, bytes: [0x44, 0x49, 0x43, 0x4d] },
  // PNG (ISO/IEC 15948) 5.2.
  { format: 'png', offset: 0, bytes: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] },
  // ITU-T T.81 B.1.1.3: SOI, then another marker.
  { format: 'jpeg', offset: 0, bytes: [0xff, 0xd8, 0xff] },
]

/** The format that the bytes begin as, or null. DICOM comes first: its preamble may hold anything, a PNG's signature too. */
export function sniffFormat(bytes: Uint8Array): ImageFormat | null {
  return MAGIC.find(({ offset, bytes: magic }) => magic.every((byte, i) => bytes[offset + i] === byte))?.format ?? null
}
