/** Chunks of a body in, one array of bytes out: copied as they come, so that a body of many small chunks costs no more than its bytes. */
import { Problem } from '../domain/problem.ts'

const FIRST_CAPACITY_BYTES = 64 * 1024
const RETRY_AFTER_SECONDS = 2

/** How many bytes all bodies together may hold in memory. */
export class ByteBudget {
  #freeBytes: number

  constructor(totalBytes: number) {
    this.#freeBytes = totalBytes
  }

  get freeBytes(): number {
    return this.#freeBytes
  }

  /** Whether so many bytes were free, and are now taken. */
  take(bytes: number): boolean {
    if (bytes > this.#freeBytes) return false
    this.#freeBytes -= bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#freeBytes += bytes
  }
}

/** One body. Whoever made it releases it once its bytes are no longer needed. */
export class ByteCollector {
  readonly #limitBytes: number
  readonly #budget: ByteBudget
  #buffer = new Uint8Array(0)
  #length = 0

  constructor(limitBytes: number, budget: ByteBudget) {
    this.#limitBytes = limitBytes
    this.#budget = budget
  }

  /** Throws: "body-too-large" past the limit; "overloaded" where all bodies together are past the budget. */
  add(chunk: Uint8Array): void {
    const length = this.#length + chunk.length
    if (length > this.#limitBytes) throw bodyTooLarge(this.#limitBytes)
    if (length > this.#buffer.length) this.#grow(length)
    this.#buffer.set(chunk, this.#length)
    this.#length = length
  }

  /** The bytes so far, a view. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  release(): void {
    this.#budget.giveBack(this.#buffer.length)
    this.#buffer = new Uint8Array(0)
    this.#length = 0
  }

  #grow(needed: number): void {
    const capacity = Math.min(this.#limitBytes, Math.max(needed, this.#buffer.length * 2, FIRST_CAPACITY_BYTES))
    if (!this.#budget.take(capacity - this.#buffer.length)) {
      throw new Problem('overloaded', 'the bodies of other requests fill the memory that is set aside for them', { retryAfterSeconds: RETRY_AFTER_SECONDS })
    }
    const grown = new Uint8Array(capacity)
    grown.set(this.bytes())
    this.#buffer = grown
  }
}

export function bodyTooLarge(limitBytes: number): Problem {
  return new Problem('body-too-large', `the body is larger than ${limitBytes} bytes`, { limitBytes })
}
