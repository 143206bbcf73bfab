/** A tensor in, a NumPy file out: float32, little-endian, version 1.0 (NumPy enhancement proposal 1). */
import type { Tensor } from '../tensor/tensor.ts'

const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0)
const ALIGNMENT = 64

/** The file's bytes; the header is padded so that the values begin on a multiple of 64. */
export function encodeNpy(tensor: Tensor): Uint8Array {
  const shape = tensor.shape.length === 1 ? `${tensor.shape[0]},` : tensor.shape.join(', ')
  const words = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape}), }`
  const padding = (ALIGNMENT - ((MAGIC.length + 2 + words.length + 1) % ALIGNMENT)) % ALIGNMENT
  const header = Buffer.from(`${words}${' '.repeat(padding)}\n`, 'latin1')
  const length = Buffer.alloc(2)
  length.writeUInt16LE(header.length)
  const values = Buffer.alloc(4 * tensor.data.length)
  tensor.data.forEach((value, i) => {
    values.writeFloatLE(value, 4 * i)
  })
  return Buffer.concat([MAGIC, length, header, values])
}
