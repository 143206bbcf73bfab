/** Fields in, protobuf wire bytes out: the five calls that an ONNX file needs. Source: protobuf.dev, "Encoding". */

const VARINT = 0
const LENGTH_DELIMITED = 2
const FIXED_32 = 5

/** Collects the fields of one message, in the order of the calls. */
export class ProtobufWriter {
  readonly #chunks: Uint8Array[] = []
  #length = 0

  /** A varint field; a negative value takes ten bytes, as int64 does. */
  integer(field: number, value: number | bigint): this {
    this.#tag(field, VARINT)
    return this.#varint(BigInt.asUintN(64, BigInt(value)))
  }

  /** A float field: four bytes, little-endian. */
  float(field: number, value: number): this {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setFloat32(0, value, true)
    this.#tag(field, FIXED_32)
    return this.#append(bytes)
  }

  /** A bytes field, not copied. */
  bytes(field: number, value: Uint8Array): this {
    this.#tag(field, LENGTH_DELIMITED)
    this.#varint(BigInt(value.length))
    return this.#append(value)
  }

  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value))
  }

  message(field: number, value: ProtobufWriter): this {
    this.#tag(field, LENGTH_DELIMITED)
    this.#varint(BigInt(value.#length))
    for (const chunk of value.#chunks) this.#append(chunk)
    return this
  }

  /** The message's bytes in one piece. */
  finish(): Uint8Array {
    const out = new Uint8Array(this.#length)
    let offset = 0
    for (const chunk of this.#chunks) {
      out.set(chunk, offset)
      offset += chunk.length
    }
    return out
  }

  #tag(field: number, wireType: number): void {
    this.#varint(BigInt(field * 8 + wireType))
  }

  #varint(value: bigint): this {
    const bytes: number[] = []
    let rest = value
    while (rest > 127n) {
      bytes.push(Number(rest & 127n) | 128)
      rest >>= 7n
    }
    bytes.push(Number(rest))
    return this.#append(Uint8Array.from(bytes))
  }

  #append(bytes: Uint8Array): this {
    this.#chunks.push(bytes)
    this.#length += bytes.length
    return this
  }
}
