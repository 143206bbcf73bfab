/** Words in, a UID out that is the same whenever the words are: no clock, no randomness. */
import { createHash } from 'node:crypto'

/** This project's UUID namespace: a random UUID, drawn once. */
const NAMESPACE = '7f0f6c0e-4f0b-4d0e-9a41-2a6f3f1c8d57'

/**
 * A UID under 2.25, the decimal form of a name-based UUID (version 5, RFC 9562 section 5.5); at most 44 characters.
 *
 * parts  what makes the object itself: source UID, model, kind. ['a', 'bc'] and ['ab', 'c'] give different UIDs.
 *
 * Source: PS3.5 section B.2, UUID derived UID.
 */
export function buildUid(...parts: readonly string[]): string {
  const digest = createHash('sha1')
    .update(Buffer.from(NAMESPACE.replaceAll('-', ''), 'hex'))
    .update(JSON.stringify(parts))
    .digest()
  const uuid = digest.subarray(0, 16)
  uuid.writeUInt8((uuid.readUInt8(6) & 0x0f) | 0x50, 6)
  uuid.writeUInt8((uuid.readUInt8(8) & 0x3f) | 0x80, 8)
  return `2.25.${BigInt(`0x${uuid.toString('hex')}`)}`
}
