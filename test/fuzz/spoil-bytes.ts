/** Bytes that are about to be sent in, now and then the same with a fault that no structure above them knows of out. */
import type { Random } from './random.ts'

/** One in sixteen loses its end, gets a tail, or has a byte anywhere changed. */
export function spoilBytes(bytes: Uint8Array, random: Random): Uint8Array {
  if (random.below(16) > 0 || bytes.length === 0) return bytes
  const at = random.below(bytes.length)
  switch (random.below(3)) {
    case 0:
      return bytes.subarray(0, at)
    case 1:
      return Buffer.concat([bytes, bytes.subarray(at)])
    default:
      return bytes.map((byte, i) => (i === at ? random.below(256) : byte))
  }
}
