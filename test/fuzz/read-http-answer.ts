/** All bytes that a server wrote on a connection in, its answers out, as strictly as a client that trusts nobody reads them (RFC 9112). */

export interface HttpAnswer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface HttpAnswers {
  /** But for those below 200, which only announce the next. */
  readonly answers: readonly HttpAnswer[]
  /** Whether the last answer, or what is left behind it, is cut off. */
  readonly isWhole: boolean
}

const STATUS_LINE = /^HTTP\/1\.1 ([1-5][0-9]{2}) [ -~]*$/
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([ -~\t]*)$/

/** Throws where the bytes are no HTTP. */
export function readHttpAnswers(bytes: Buffer): HttpAnswers {
  const answers: HttpAnswer[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf('\r\n\r\n', at)
    if (end < 0) {
      if (!'HTTP/1.1 '.startsWith(bytes.toString('latin1', at, at + 9))) throw new Error('an answer begins as none')
      return { answers, isWhole: false }
    }
    const [statusLine = '', ...fields] = bytes.toString('latin1', at, end).split('\r\n')
    const status = Number(STATUS_LINE.exec(statusLine)?.[1] ?? Number.NaN)
    if (Number.isNaN(status)) throw new Error('an answer begins with no status line')
    const headers = readFields(fields)
    const body = status < 200 || status === 204 ? { bytes: Buffer.alloc(0), end: end + 4 } : readBody(bytes, end + 4, headers)
    if (body === null) return { answers, isWhole: false }
    if (status >= 200) answers.push({ status, headers, body: body.bytes })
    at = body.end
  }
  return { answers, isWhole: true }
}

function readFields(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const [, name = '', value = ''] = FIELD.exec(line) ?? []
    if (name === '' || Object.hasOwn(headers, name.toLowerCase())) throw new Error('an answer has a header that is none, or twice')
    headers[name.toLowerCase()] = value.trim()
  }
  return headers
}

/** null where it is cut off. */
function readBody(bytes: Buffer, start: number, headers: Readonly<Record<string, string>>): { bytes: Buffer; end: number } | null {
  if (headers['transfer-encoding'] === 'chunked') return readChunks(bytes, start)
  const length = Number(headers['content-length'] ?? Number.NaN)
  if (!Number.isSafeInteger(length)) throw new Error('an answer tells no length')
  return start + length > bytes.length ? null : { bytes: bytes.subarray(start, start + length), end: start + length }
}

function readChunks(bytes: Buffer, start: number): { bytes: Buffer; end: number } | null {
  const chunks: Buffer[] = []
  for (let at = start; ; ) {
    const line = bytes.indexOf('\r\n', at)
    if (line < 0) return null
    const text = bytes.toString('latin1', at, line)
    if (!/^[0-9a-f]{1,8}$/i.test(text)) throw new Error('an answer has a chunk without a size')
    const [from, to] = [line + 2, line + 2 + Number.parseInt(text, 16)]
    if (to + 2 > bytes.length) return null
    if (bytes.toString('latin1', to, to + 2) !== '\r\n') throw new Error('an answer has a chunk that does not end')
    if (from === to) return { bytes: Buffer.concat(chunks), end: to + 2 }
    chunks.push(bytes.subarray(from, to))
    at = to + 2
  }
}
