/**
 * The bytes of an association in, a verdict out before the library collects them: it knows no limit of its own, and would gather
 * whatever length a header claims.
 *
 * Source: PS3.8 section 9.3 (PDU header: type, reserved, 32-bit length), 9.3.5.1 and annex E.2 (PDV: length, context, control).
 */

export interface PduLimits {
  /** Of one protocol data unit, header not counted. */
  readonly maxPduBytes: number
  /** Of one that carries no data: a request for an association is the longest. */
  readonly maxControlBytes: number
  /** Of the command set of one message. */
  readonly maxCommandBytes: number
  /** Of everything that one message sends. */
  readonly maxMessageBytes: number
}

/** For a request for an association and its answer: 128 contexts with a score of transfer syntaxes each are less, and the library compares each with all others. */
export const MAX_CONTROL_BYTES = 65_536

const PDU_HEADER_BYTES = 6
const PDV_HEADER_BYTES = 6
const P_DATA = 4
const COMMAND_BIT = 1

/** Follows the framing of one connection; `inspect` is false as soon as a limit is broken, and from then on. */
export class PduGuard {
  readonly #limits: PduLimits
  readonly #header = Buffer.alloc(PDU_HEADER_BYTES)
  #headerLength = 0
  /** Bytes of the current PDU, and of its current PDV, that are still to come. */
  #pduLeft = 0
  #pdvLeft = 0
  #isData = false
  #messageBytes = 0
  #commandBytes = 0
  #isBroken = false

  constructor(limits: PduLimits) {
    this.#limits = limits
  }

  /** A message has been answered: the next one begins. */
  reset(): void {
    this.#messageBytes = 0
    this.#commandBytes = 0
  }

  inspect(chunk: Uint8Array): boolean {
    this.#messageBytes += chunk.byteLength
    if (this.#messageBytes > this.#limits.maxMessageBytes) this.#isBroken = true
    for (let at = 0; at < chunk.byteLength && !this.#isBroken; ) at += this.#step(chunk, at)
    return !this.#isBroken
  }

  /** How many bytes were dealt with: a piece of a header, or of what it announced. */
  #step(chunk: Uint8Array, at: number): number {
    const isPdvNext = this.#pduLeft > 0 && this.#isData && this.#pdvLeft === 0
    if (this.#pduLeft > 0 && !isPdvNext) return this.#skip(chunk.byteLength - at)
    const wanted = Math.min(PDU_HEADER_BYTES - this.#headerLength, chunk.byteLength - at)
    this.#header.set(chunk.subarray(at, at + wanted), this.#headerLength)
    this.#headerLength += wanted
    if (this.#headerLength === PDU_HEADER_BYTES) {
      this.#headerLength = 0
      if (isPdvNext) this.#beginPdv()
      else this.#beginPdu()
    }
    return wanted
  }

  #skip(available: number): number {
    const skipped = Math.min(this.#isData ? this.#pdvLeft : this.#pduLeft, available)
    this.#pduLeft -= skipped
    if (this.#isData) this.#pdvLeft -= skipped
    return skipped
  }

  #beginPdu(): void {
    this.#isData = this.#header.readUInt8(0) === P_DATA
    this.#pduLeft = this.#header.readUInt32BE(2)
    this.#pdvLeft = 0
    const maxBytes = this.#isData ? this.#limits.maxPduBytes : this.#limits.maxControlBytes
    if (this.#pduLeft > maxBytes || (this.#isData && this.#pduLeft < PDV_HEADER_BYTES)) this.#isBroken = true
  }

  /** The PDV's length counts the context and control bytes, which are read here, and not itself. */
  #beginPdv(): void {
    this.#pdvLeft = this.#header.readUInt32BE(0) - 2
    this.#pduLeft -= PDV_HEADER_BYTES
    if ((this.#header.readUInt8(5) & COMMAND_BIT) !== 0) this.#commandBytes += this.#pdvLeft
    // A PDV that leaves less than another one's header behind it would be read across the PDU's end.
    const rest = this.#pduLeft - this.#pdvLeft
    if (this.#pdvLeft < 0 || rest < 0 || (rest > 0 && rest < PDV_HEADER_BYTES) || this.#commandBytes > this.#limits.maxCommandBytes) this.#isBroken = true
  }
}
