/** A value with typed arrays in, JSON and one run of bytes out, and back: the arrays' bytes are stored as they are. */
import { Problem } from '../domain/problem.ts'

const ARRAY_KEY = '$array'

/** Types that a value may hold; their elements are little-endian on every machine that Node supports. */
const ARRAY_TYPES = { Float32Array, Uint8Array } as const
type ArrayType = keyof typeof ARRAY_TYPES

interface ArrayReference {
  readonly [ARRAY_KEY]: ArrayType
  /** Bytes from the start of the run; a multiple of 4. */
  readonly offset: number
  /** Elements. */
  readonly length: number
}

export interface PackedArrays {
  readonly json: string
  readonly bytes: Uint8Array
}

/** The value as JSON whose arrays are references into `bytes`. */
export function packArrays(value: unknown): PackedArrays {
  const parts: Uint8Array[] = []
  let size = 0
  const json = JSON.stringify(value, function (this: Readonly<Record<string, unknown>>, key) {
    // Not the replacer's second argument: a Buffer has turned itself into a list of numbers there.
    const part = this[key]
    if (!(part instanceof Float32Array || part instanceof Uint8Array)) return part
    const reference: ArrayReference = { [ARRAY_KEY]: part instanceof Float32Array ? 'Float32Array' : 'Uint8Array', offset: size, length: part.length }
    const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength)
    const padding = (4 - (bytes.length % 4)) % 4
    parts.push(bytes, new Uint8Array(padding))
    size += bytes.length + padding
    return reference
  })
  return { json, bytes: Buffer.concat(parts, size) }
}

/**
 * The value that was packed.
 *
 * Throws: "internal" where a reference reaches outside the bytes.
 */
export function unpackArrays({ json, bytes }: PackedArrays): unknown {
  // A copy of its own, so that Float32Array finds its alignment.
  const buffer = new Uint8Array(bytes).buffer
  return JSON.parse(json, (_key, part: unknown) => (isReference(part) ? toArray(part, buffer) : part))
}

function toArray({ [ARRAY_KEY]: type, offset, length }: ArrayReference, buffer: ArrayBuffer): Float32Array | Uint8Array {
  const Type = ARRAY_TYPES[type]
  if (offset + length * Type.BYTES_PER_ELEMENT > buffer.byteLength) throw new Problem('internal', 'a kept array reaches outside its file', {})
  return new Type(buffer, offset, length)
}

function isReference(part: unknown): part is ArrayReference {
  return typeof part === 'object' && part !== null && ARRAY_KEY in part && typeof part[ARRAY_KEY] === 'string' && part[ARRAY_KEY] in ARRAY_TYPES
}
