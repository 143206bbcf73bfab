/** Requests to the two doors that take multipart bodies out, as trees of what HTTP and MIME frame, so that each frame can be spoilt apart from its content. */
import { dicomBytes, jpegBytes, MODEL_ID, pngBytes } from '../http/support/sample-prediction.ts'
import { syntheticFile } from '../pacs/support/synthetic-files.ts'

/** A multipart body (RFC 2046 section 5.1). */
export interface Form {
  boundary: string
  preamble: string
  parts: BodyPart[]
  /** Behind the last boundary. */
  closing: string
  epilogue: string
}

export interface BodyPart {
  /** The line before the part; null for two hyphens and the boundary. */
  delimiter: string | null
  /** Behind the delimiter. */
  ending: string
  fields: string[]
  /** Between the fields and the content. */
  blank: string
  content: Uint8Array | Form
}

/** How the body's length is told (RFC 9112 section 6). */
export interface Framing {
  /** What the header says in place of the length that the body has; null leaves it out. */
  length: ((bytes: number) => string) | null
  /** Sizes of the chunks, over and over; null where the body does not come in chunks. */
  chunkBytes: readonly number[] | null
  /** Behind each chunk's size. */
  extension: string
  /** Added to the size that the first chunk says. */
  chunkLie: number
  /** The last chunk and all behind it. */
  lastChunk: string
}

export interface Message {
  method: string
  target: string
  version: string
  /** But for the framing's and Content-Type. */
  fields: string[]
  mediaType: string
  /** Of the media type, the boundary among them. */
  parameters: string[]
  framing: Framing
  body: Uint8Array | Form
}

export interface MultipartSeed {
  readonly name: string
  readonly message: Message
}

/** What callers may have named their files and fields: no answer, log line or print may repeat it. */
export const CANARY = 'Zq7Canary'

const STORE = '/dicom-web/studies'
const PREDICT = `/v1/models/${MODEL_ID}/predictions`
const BOUNDARY = 'b-0123456789abcdef'
const CR = '1.2.840.10008.5.1.4.1.1.1'
const SR = '1.2.840.10008.5.1.4.1.1.88.33'
const METADATA = `[{"00080016":{"vr":"UI","Value":["${CR}"]},"00080018":{"vr":"UI","Value":["1.2.3"]},"7FE00010":{"vr":"OB","BulkDataURI":"b1"}}]`
const XML = `<?xml version="1.0"?><NativeDicomModel><DicomAttribute tag="00080018" vr="UI" keyword="SOPInstanceUID"><Value number="1">1.2.3</Value></DicomAttribute></NativeDicomModel>`

export const exactLength = (bytes: number): string => String(bytes)
const BY_LENGTH: Framing = { length: exactLength, chunkBytes: null, extension: '', chunkLie: 0, lastChunk: '0\r\n\r\n' }
const IN_CHUNKS: Framing = { ...BY_LENGTH, length: null, chunkBytes: [100, 7, 1000] }

export const part = (content: Uint8Array | Form, fields: string[]): BodyPart => ({ delimiter: null, ending: '\r\n', fields, blank: '\r\n', content })
export const form = (parts: BodyPart[], boundary = BOUNDARY): Form => ({ boundary, preamble: '', parts, closing: '--\r\n', epilogue: '' })

const request = (target: string, mediaType: string, parameters: string[], body: Message['body'], framing = BY_LENGTH): Message => ({
  method: 'POST',
  target,
  version: '1.1',
  fields: ['Host: a', 'Connection: close'],
  mediaType,
  parameters,
  framing: { ...framing },
  body,
})

const dicom = (sopClassUid: string, sopInstanceUid: string): BodyPart => part(syntheticFile(sopClassUid, sopInstanceUid), ['Content-Type: application/dicom'])
const store = (parts: BodyPart[], type = '"application/dicom"', framing = BY_LENGTH): Message =>
  request(STORE, 'multipart/related', [`type=${type}`, `boundary=${BOUNDARY}`], form(parts), framing)

const file = (bytes: Uint8Array, type: string, name = 'file'): BodyPart =>
  part(bytes, [`Content-Disposition: form-data; name="${name}"; filename="${CANARY}.bin"`, `Content-Type: ${type}`])
const predict = (body: Form, query = '', framing = BY_LENGTH): Message => request(PREDICT + query, 'multipart/form-data', [`boundary=${BOUNDARY}`], body, framing)
const text = (value: string): Uint8Array => Buffer.from(value)

export function buildMultipartSeeds(): MultipartSeed[] {
  return [
    { name: 'store', message: store([dicom(CR, '1.2.3')]) },
    { name: 'store of two', message: store([dicom(CR, '1.2.3'), dicom(CR, '1.2.4')]) },
    { name: 'store in chunks', message: store([dicom(CR, '1.2.3'), dicom(CR, '1.2.4')], 'application/dicom', IN_CHUNKS) },
    { name: 'store of the same instance twice', message: store([dicom(CR, '1.2.3'), dicom(CR, '1.2.3')]) },
    { name: 'store of an image and a report', message: store([dicom(CR, '1.2.3'), dicom(SR, '1.2.4')]) },
    { name: 'store of no DICOM', message: store([part(text('no DICOM'), ['Content-Type: application/dicom'])]) },
    { name: 'store of nothing', message: store([]) },
    {
      name: 'store of JSON metadata',
      message: store([part(text(METADATA), ['Content-Type: application/dicom+json']), part(text('bulk'), ['Content-Location: b1'])], '"application/dicom+json"'),
    },
    { name: 'store of XML metadata', message: store([part(text(XML), ['Content-Type: application/dicom+xml'])], '"application/dicom+xml"') },
    { name: 'metadata said to be DICOM', message: store([part(text(METADATA), ['Content-Type: application/dicom+json']), dicom(CR, '1.2.3')]) },
    { name: 'form with a DICOM file', message: predict(form([file(dicomBytes, 'application/dicom')])) },
    { name: 'form with a PNG', message: predict(form([file(pngBytes, 'image/png')])) },
    { name: 'form in chunks', message: predict(form([file(jpegBytes, 'image/jpeg')]), '', IN_CHUNKS) },
    { name: 'form that keeps nothing', message: predict(form([file(pngBytes, 'image/png')]), '?store=false') },
    { name: 'form with two files', message: predict(form([file(pngBytes, 'image/png'), file(pngBytes, 'image/png')])) },
    { name: 'form with a field', message: predict(form([part(text('value'), [`Content-Disposition: form-data; name="${CANARY}"`]), file(pngBytes, 'image/png')])) },
    { name: 'form with another file', message: predict(form([file(pngBytes, 'image/png', CANARY)])) },
    { name: 'form with nothing', message: predict(form([])) },
    { name: 'an image without a form', message: request(PREDICT, 'image/png', [], pngBytes) },
    { name: 'a file without a form', message: request(PREDICT, 'application/dicom', [`name=${CANARY}`], dicomBytes, IN_CHUNKS) },
  ]
}

/** The bytes of a request. */
export function writeMessage({ method, target, version, fields, mediaType, parameters, framing, body }: Message): Buffer {
  const content = body instanceof Uint8Array ? Buffer.from(body) : writeForm(body)
  const { length, chunkBytes } = framing
  const head = [
    `${method} ${target} HTTP/${version}`,
    ...fields,
    `Content-Type: ${[mediaType, ...parameters].join('; ')}`,
    ...(length === null ? [] : [`Content-Length: ${length(content.length)}`]),
    ...(chunkBytes === null ? [] : ['Transfer-Encoding: chunked']),
  ]
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), chunkBytes === null ? content : writeChunks(content, framing, chunkBytes)])
}

export function writeForm({ boundary, preamble, parts, closing, epilogue }: Form): Buffer {
  const pieces = parts.flatMap(({ delimiter, ending, fields, blank, content }, i) => [
    `${i === 0 && preamble === '' ? '' : '\r\n'}${delimiter ?? `--${boundary}`}${ending}${fields.map((field) => `${field}\r\n`).join('')}${blank}`,
    content instanceof Uint8Array ? content : writeForm(content),
  ])
  const end = closing === '' ? '' : `${parts.length === 0 && preamble === '' ? '' : '\r\n'}--${boundary}${closing}`
  return Buffer.concat([preamble, ...pieces, end, epilogue].map((piece) => (typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)))
}

function writeChunks(content: Buffer, { extension, chunkLie, lastChunk }: Framing, chunkBytes: readonly number[]): Buffer {
  const pieces: Buffer[] = []
  for (let at = 0, count = 0; at < content.length; count++) {
    const chunk = content.subarray(at, at + (chunkBytes[count % chunkBytes.length] ?? content.length))
    const size = Math.max(0, chunk.length + (count === 0 ? chunkLie : 0)).toString(16)
    pieces.push(Buffer.from(`${size}${extension}\r\n`, 'latin1'), chunk, Buffer.from('\r\n'))
    at += chunk.length
  }
  return Buffer.concat([...pieces, Buffer.from(lastChunk, 'latin1')])
}
