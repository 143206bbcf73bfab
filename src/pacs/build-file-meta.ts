/** The names that a C-STORE gave an instance in, the head of the Part 10 file in which its dataset is kept out (PS3.10 section 7.1). */
import { buildUid } from '../dicom/build-uid.ts'

/** Names this software in files and associations. */
export const IMPLEMENTATION_CLASS_UID = buildUid('attending', 'implementation')
export const IMPLEMENTATION_VERSION_NAME = 'ATTENDING'

export interface FileNames {
  readonly sopClassUid: string
  readonly sopInstanceUid: string
  readonly transferSyntaxUid: string
  readonly sourceApplicationEntityTitle: string
}

/** A zero preamble, DICM and group 0002: the dataset follows as it came over the wire. */
export function buildFileMeta(names: FileNames): Buffer {
  const group = Buffer.concat([
    longElement(0x0001, 'OB', Uint8Array.of(0, 1)),
    shortElement(0x0002, 'UI', names.sopClassUid),
    shortElement(0x0003, 'UI', names.sopInstanceUid),
    shortElement(0x0010, 'UI', names.transferSyntaxUid),
    shortElement(0x0012, 'UI', IMPLEMENTATION_CLASS_UID),
    shortElement(0x0013, 'SH', IMPLEMENTATION_VERSION_NAME),
    shortElement(0x0016, 'AE', names.sourceApplicationEntityTitle),
  ])
  const length = Buffer.alloc(12)
  length.write('\x02\0\0\0UL\x04\0', 'latin1')
  length.writeUInt32LE(group.length, 8)
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), length, group])
}

function shortElement(element: number, vr: 'UI' | 'SH' | 'AE', text: string): Buffer {
  const padded = text.length % 2 === 0 ? text : text + (vr === 'UI' ? '\0' : ' ')
  const head = Buffer.from([2, 0, element, 0, 0, 0, padded.length & 0xff, padded.length >> 8])
  head.write(vr, 4, 'latin1')
  return Buffer.concat([head, Buffer.from(padded, 'latin1')])
}

function longElement(element: number, vr: 'OB', value: Uint8Array): Buffer {
  const head = Buffer.from([2, 0, element, 0, 0, 0, 0, 0, value.length, 0, 0, 0])
  head.write(vr, 4, 'latin1')
  return Buffer.concat([head, value])
}
