/** Makes .npz files for the tests: zip archives of NumPy arrays of unsigned bytes, stored or deflated. */
import { crc32, deflateRawSync } from 'node:zlib'

export interface Member {
  readonly name: string
  readonly bytes: Uint8Array
}

/** A NumPy file of version 1.0. */
export function npyOf(shape: readonly number[], data: Uint8Array, { descr = '|u1', fortran = false } = {}): Uint8Array {
  const dict = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`
  const header = `${dict.padEnd(117)}\n`
  return Buffer.concat([Buffer.from([0x93]), Buffer.from('NUMPY'), Buffer.from([1, 0, header.length & 255, header.length >> 8]), Buffer.from(header, 'latin1'), data])
}

/** A zip archive; the local headers carry wrong sizes on purpose, as some writers leave them: only the central directory is true. */
export function zipOf(members: readonly Member[], { deflate = true } = {}): Uint8Array {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const { name, bytes } of members) {
    const packed = deflate ? deflateRawSync(bytes) : Buffer.from(bytes)
    const local = Buffer.alloc(30)
    local.writeUInt32LE(0x04034b50, 0)
    local.writeUInt16LE(deflate ? 8 : 0, 8)
    local.writeUInt32LE(0xffffffff, 18)
    local.writeUInt32LE(0xffffffff, 22)
    local.writeUInt16LE(name.length, 26)
    const entry = Buffer.alloc(46)
    entry.writeUInt32LE(0x02014b50, 0)
    entry.writeUInt16LE(deflate ? 8 : 0, 10)
    entry.writeUInt32LE(crc32(bytes), 16)
    entry.writeUInt32LE(packed.length, 20)
    entry.writeUInt32LE(bytes.length, 24)
    entry.writeUInt16LE(name.length, 28)
    entry.writeUInt32LE(offset, 42)
    parts.push(local, Buffer.from(name), packed)
    directory.push(entry, Buffer.from(name))
    offset += local.length + name.length + packed.length
  }
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(members.length, 8)
  end.writeUInt16LE(members.length, 10)
  end.writeUInt32LE(Buffer.concat(directory).length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...parts, ...directory, end])
}

/** A data file as MedMNIST lays it out. Each split: images [count, side, side] and their labels. */
export function npzOf(splits: Readonly<Record<'train' | 'val' | 'test', { readonly side: number; readonly images: Uint8Array; readonly labels: readonly number[] }>>): Uint8Array {
  const members = Object.entries(splits).flatMap(([name, { side, images, labels }]): Member[] => [
    { name: `${name}_images.npy`, bytes: npyOf([labels.length, side, side], images) },
    { name: `${name}_labels.npy`, bytes: npyOf([labels.length, 1], Uint8Array.from(labels)) },
  ])
  return zipOf(members)
}
