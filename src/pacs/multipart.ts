/** The bytes of a multipart/related body in, its parts out one after the other, and the way back (RFC 2046 section 5.1, RFC 2387). */
import { Problem } from '../domain/problem.ts'

export interface MultipartLimits {
  readonly maxPartBytes: number
  readonly maxParts: number
}

export interface Part {
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Buffer
}

const MAX_HEADER_BYTES = 8192
const CRLF = '\r\n'
/** RFC 2046 section 5.1.1: 1 to 70 of these characters, no space at the end. */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/

export interface MultipartType {
  readonly boundary: string
  /** Media type of the root part; null where none is given. */
  readonly type: string | null
}

/** The parameters of a multipart/related Content-Type. Throws "media-type-unsupported" for any other type, "request-malformed" for a boundary that is none. */
export function parseMultipartType(contentType: string): MultipartType {
  const [mediaType = '', ...rest] = splitParameters(contentType)
  if (mediaType.trim().toLowerCase() !== 'multipart/related') {
    throw new Problem('media-type-unsupported', 'the body is not multipart/related', { accepted: ['multipart/related; type="application/dicom"'] })
  }
  const parameters = new Map(rest.map((parameter) => parseParameter(parameter)))
  const boundary = parameters.get('boundary') ?? ''
  if (!BOUNDARY.test(boundary)) throw malformed('the boundary is missing or not legal')
  return { boundary, type: parameters.get('type')?.toLowerCase() ?? null }
}

/** At semicolons outside of quotes. */
function splitParameters(text: string): string[] {
  return text.slice(0, 1024).match(/(?:"(?:[^"\\]|\\.)*"|[^;"])+/g) ?? []
}

function parseParameter(text: string): [string, string] {
  const at = text.indexOf('=')
  const value = text.slice(at + 1).trim()
  const plain = value.startsWith('"') && value.endsWith('"') && value.length > 1 ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value
  return [text.slice(0, at).trim().toLowerCase(), plain]
}

/**
 * The parts, each whole in memory and no more than one at a time. The source is let go behind the last, whatever it still holds.
 *
 * Throws: "body-too-large" for a part above its limit, "request-malformed" for too many parts or a body that ends early.
 */
export async function* readParts(source: AsyncIterable<Uint8Array>, boundary: string, limits: MultipartLimits): AsyncGenerator<Part> {
  const reader = new DelimitedReader(source, Buffer.from(CRLF))
  try {
    const delimiter = Buffer.from(`${CRLF}--${boundary}`)
    // What comes before the first delimiter is to be ignored.
    await reader.until(delimiter, MAX_HEADER_BYTES)
    for (let count = 0; !(await reader.startsWith('--')); count++) {
      if (count === limits.maxParts) throw malformed(`the body has more than ${limits.maxParts} parts`)
      const padding = await reader.until(Buffer.from(CRLF), MAX_HEADER_BYTES)
      if (!/^[ \t]*$/.test(padding.toString('latin1'))) throw malformed('a boundary is followed by other text')
      // A part without headers begins with its empty line at once.
      const headers = (await reader.startsWith(CRLF)) ? await reader.take(CRLF.length).then(() => Buffer.alloc(0)) : await reader.until(Buffer.from(CRLF + CRLF), MAX_HEADER_BYTES)
      const bytes = await reader.until(
        delimiter,
        limits.maxPartBytes,
        () => new Problem('body-too-large', `a part is larger than ${limits.maxPartBytes} bytes`, { limitBytes: limits.maxPartBytes }),
      )
      yield { headers: parseHeaders(headers.toString('latin1')), bytes }
    }
  } finally {
    await reader.letGo()
  }
}

function parseHeaders(text: string): Record<string, string> {
  const entries = text
    .split(CRLF)
    .filter((line) => line.includes(':'))
    .map((line): [string, string] => {
      const at = line.indexOf(':')
      return [line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim()]
    })
  return Object.fromEntries(entries.filter(([name]) => /^[a-z0-9-]+$/.test(name)))
}

/** Reads a stream up to delimiters, holding no more than what lies before the next one. */
class DelimitedReader {
  readonly #chunks: AsyncIterator<Uint8Array>
  #buffer: Buffer

  constructor(source: AsyncIterable<Uint8Array>, first: Buffer) {
    this.#chunks = source[Symbol.asyncIterator]()
    this.#buffer = first
  }

  /** The bytes before the delimiter, which is consumed. */
  async until(delimiter: Buffer, maxBytes: number, tooLong: () => Problem = () => malformed('a header is too long')): Promise<Buffer> {
    const gathered = new GatheredBytes(maxBytes)
    for (;;) {
      const at = this.#buffer.indexOf(delimiter)
      const end = at >= 0 ? at : Math.max(0, this.#buffer.length - delimiter.length + 1)
      if (!gathered.add(this.#buffer.subarray(0, end))) throw tooLong()
      this.#buffer = this.#buffer.subarray(at >= 0 ? at + delimiter.length : end)
      if (at >= 0) return gathered.bytes()
      await this.#more()
    }
  }

  async startsWith(text: string): Promise<boolean> {
    while (this.#buffer.length < text.length) await this.#more()
    return this.#buffer.toString('latin1', 0, text.length) === text
  }

  async take(length: number): Promise<void> {
    while (this.#buffer.length < length) await this.#more()
    this.#buffer = this.#buffer.subarray(length)
  }

  /** What is left of a stream can be dropped only by others once its iterator has returned. */
  async letGo(): Promise<void> {
    await this.#chunks.return?.()
  }

  async #more(): Promise<void> {
    const { value, done } = await this.#chunks.next()
    if (done === true) throw malformed('the body ends before its closing boundary')
    this.#buffer = this.#buffer.length === 0 ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : Buffer.concat([this.#buffer, value])
  }
}

/** Bytes copied together as they come: chunks of one byte cost no more than their bytes. */
class GatheredBytes {
  readonly #mostBytes: number
  #buffer = Buffer.alloc(0)
  #length = 0

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  /** False where they would be too many. */
  add(piece: Uint8Array): boolean {
    const length = this.#length + piece.length
    if (length > this.#mostBytes) return false
    if (length > this.#buffer.length) {
      // The first piece is often all: no more is taken for it than it has.
      const grown = Buffer.allocUnsafeSlow(Math.min(this.#mostBytes, Math.max(length, 2 * this.#buffer.length)))
      grown.set(this.bytes())
      this.#buffer = grown
    }
    this.#buffer.set(piece, this.#length)
    this.#length = length
    return true
  }

  /** A view. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }
}

/** A multipart/related body of DICOM files and its Content-Type. The boundary must occur in none of them: it is made from a digest of all. */
export function buildMultipart(files: readonly Uint8Array[], boundary: string): { readonly contentType: string; readonly body: Buffer } {
  const parts = files.flatMap((bytes) => [Buffer.from(`--${boundary}${CRLF}Content-Type: application/dicom${CRLF}${CRLF}`), bytes, Buffer.from(CRLF)])
  return { contentType: `multipart/related; type="application/dicom"; boundary=${boundary}`, body: Buffer.concat([...parts, Buffer.from(`--${boundary}--${CRLF}`)]) }
}

function malformed(detail: string): Problem {
  return new Problem('request-malformed', detail, {})
}
