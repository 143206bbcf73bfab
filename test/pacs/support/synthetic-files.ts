/** Small DICOM files with a private element, written byte by byte. */

function element(group: number, number: number, vr: string, value: Uint8Array): Buffer {
  const isLong = ['OB', 'OW', 'UN'].includes(vr)
  const head = Buffer.alloc(isLong ? 12 : 8)
  head.writeUInt16LE(group, 0)
  head.writeUInt16LE(number, 2)
  head.write(vr, 4, 'latin1')
  if (isLong) head.writeUInt32LE(value.length, 8)
  else head.writeUInt16LE(value.length, 6)
  return Buffer.concat([head, value])
}

const text = (value: string, pad = ' '): Buffer => Buffer.from(value.length % 2 === 0 ? value : value + pad, 'latin1')
const short = (value: number): Buffer => Buffer.from(Uint16Array.of(value).buffer)

/** A 4 x 4 image of 8 bits, explicit VR little endian, in study 1.2.1. */
export function syntheticFile(sopClassUid: string, sopInstanceUid: string, seriesInstanceUid = '1.2.2'): Buffer {
  const uid = (group: number, number: number, value: string): Buffer => element(group, number, 'UI', text(value, '\0'))
  const meta = Buffer.concat([
    element(2, 1, 'OB', Uint8Array.of(0, 1)),
    uid(2, 2, sopClassUid),
    uid(2, 3, sopInstanceUid),
    uid(2, 0x10, '1.2.840.10008.1.2.1'),
    uid(2, 0x12, '1.2.3.4'),
  ])
  const length = Buffer.alloc(4)
  length.writeUInt32LE(meta.length)
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), element(2, 0, 'UL', length), meta, syntheticDataset(sopClassUid, sopInstanceUid, seriesInstanceUid)])
}

export function syntheticDataset(sopClassUid: string, sopInstanceUid: string, seriesInstanceUid = '1.2.2'): Buffer {
  const uid = (group: number, number: number, value: string): Buffer => element(group, number, 'UI', text(value, '\0'))
  return Buffer.concat([
    uid(8, 0x16, sopClassUid),
    uid(8, 0x18, sopInstanceUid),
    element(8, 0x60, 'CS', text('CR')),
    element(9, 0x10, 'LO', text('ATTENDING TEST')),
    element(9, 0x1001, 'LO', text('a private element')),
    element(0x10, 0x10, 'PN', text('Test^Synthetic')),
    element(0x10, 0x20, 'LO', text('T1')),
    uid(0x20, 0xd, '1.2.1'),
    uid(0x20, 0xe, seriesInstanceUid),
    element(0x28, 2, 'US', short(1)),
    element(0x28, 4, 'CS', text('MONOCHROME2')),
    element(0x28, 0x10, 'US', short(4)),
    element(0x28, 0x11, 'US', short(4)),
    element(0x28, 0x100, 'US', short(8)),
    element(0x28, 0x101, 'US', short(8)),
    element(0x28, 0x102, 'US', short(7)),
    element(0x28, 0x103, 'US', short(0)),
    element(
      0x7fe0,
      0x10,
      'OB',
      Uint8Array.from({ length: 16 }, (_, i) => i * 16),
    ),
  ])
}
