/** A request with an image in its body in, the image's bytes out: raw, or the one part `file` of a form. */
import { pipeline } from 'node:stream/promises'
import type { Request, Response } from 'express'
import multer from 'multer'
import { Problem } from '../domain/problem.ts'
import { type ByteBudget, type ByteCollector, bodyTooLarge } from './byte-collector.ts'
import { sniffFormat } from './sniff-format.ts'

const RAW_TYPES = ['application/dicom', 'image/png', 'image/jpeg'] as const
const FORM_TYPE = 'multipart/form-data'
export const ACCEPTED_TYPES: readonly string[] = [...RAW_TYPES, FORM_TYPE]
/** RFC 2046 5.1.1. */
const LONGEST_BOUNDARY = 70
/** What a form may add around its one file: boundaries and headers. */
const FORM_OVERHEAD_BYTES = 16 * 1024

export interface UploadLimits {
  readonly maxBodyBytes: number
  readonly budget: ByteBudget
}

/**
 * The bytes of the image that the request carries, held by `collector` until that is released. The format is told by the bytes alone:
 * many a client declares a type that it never chose, as curl does with --data-binary.
 *
 * Throws: "media-type-unsupported" for bytes that begin as no format that is accepted; "body-too-large"; "overloaded";
 * "dicom-not-part10" for bytes declared as DICOM that are none; "parameter-invalid" or "request-malformed" for a form that is not one file.
 */
export async function readUpload(request: Request, response: Response, collector: ByteCollector, limits: UploadLimits): Promise<Uint8Array> {
  const mediaType = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (mediaType.startsWith('multipart/') && mediaType !== FORM_TYPE) throw mediaTypeUnsupported('of the multipart types only a form is accepted')
  if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') throw mediaTypeUnsupported('the body must not be compressed')
  refuseDeclaredLength(request, mediaType === FORM_TYPE ? limits.maxBodyBytes + FORM_OVERHEAD_BYTES : limits.maxBodyBytes, limits.maxBodyBytes)
  if (mediaType === FORM_TYPE) await readForm(request, response, collector, limits.maxBodyBytes)
  else await readRaw(request, collector)
  const bytes = collector.bytes()
  if (sniffFormat(bytes) === null) throw notAnImage(mediaType)
  return bytes
}

/** A body that says that it is too large is not read. */
function refuseDeclaredLength(request: Request, mostBytes: number, limitBytes: number): void {
  if (Number(request.headers['content-length'] ?? 0) > mostBytes) throw bodyTooLarge(limitBytes)
}

async function readRaw(request: Request, collector: ByteCollector): Promise<void> {
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) collector.add(chunk as Uint8Array)
  } catch (error) {
    if (error instanceof Problem) throw error
    throw new Problem('request-malformed', 'the body ended early', {}, error)
  }
}

async function readForm(request: Request, response: Response, collector: ByteCollector, maxBodyBytes: number): Promise<void> {
  const boundary = /boundary=(?:"([^"]*)"|([^;\s]*))/i.exec(request.headers['content-type'] ?? '')
  const length = (boundary?.[1] ?? boundary?.[2] ?? '').length
  if (length === 0 || length > LONGEST_BOUNDARY) throw new Problem('request-malformed', `a form needs a boundary of 1 to ${LONGEST_BOUNDARY} characters`, {})
  const parseForm = multer({
    storage: {
      _handleFile: (_request, file, done) => void collectFile(file.stream, collector).then(() => done(null, {}), done),
      _removeFile: (_request, _file, done) => done(null),
    },
    limits: { files: 1, fileSize: maxBodyBytes, fields: 0, parts: 1, fieldNameSize: 100, headerPairs: 16 },
  }).single('file')
  await new Promise<void>((resolve, reject) =>
    parseForm(request, response, (error: unknown) => (error === undefined || error === null ? resolve() : reject(toFormProblem(error, maxBodyBytes)))),
  )
  if (request.file === undefined) throw new Problem('parameter-invalid', 'the form holds no part named file', { parameter: 'file' })
}

async function collectFile(stream: NodeJS.ReadableStream, collector: ByteCollector): Promise<void> {
  await pipeline(stream, async (chunks) => {
    for await (const chunk of chunks) collector.add(chunk as Uint8Array)
  })
}

/** The form parser's own messages name fields and files of the caller: none of them goes on. */
function toFormProblem(error: unknown, maxBodyBytes: number): Problem {
  if (error instanceof Problem) return error
  if (!(error instanceof multer.MulterError)) return new Problem('request-malformed', 'the form is not well-formed', {}, error)
  if (error.code === 'LIMIT_FILE_SIZE') return bodyTooLarge(maxBodyBytes)
  return new Problem('parameter-invalid', 'the form must hold one file, in a part named file, and nothing else', { parameter: 'file' }, error)
}

function notAnImage(mediaType: string): Problem {
  if (mediaType === 'application/dicom') return new Problem('dicom-not-part10', 'the letters DICM are not at byte 128', {})
  return mediaTypeUnsupported('the bytes begin as no format that is accepted')
}

function mediaTypeUnsupported(detail: string): Problem {
  return new Problem('media-type-unsupported', detail, { accepted: ACCEPTED_TYPES })
}
