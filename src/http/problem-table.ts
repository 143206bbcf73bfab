/** What each code means over HTTP: one row gives its status, its title, and the page that its `type` leads to. */
import type { ProblemCode } from '../domain/problem.ts'

export type Actor = 'caller' | 'caller-later' | 'operator' | 'us'

export interface ProblemRow {
  readonly status: number
  /** Never varies for a code. */
  readonly title: string
  readonly actor: Actor
  /** What the one who acts can do. */
  readonly remedy: string
}

const caller = (status: number, title: string, remedy: string): ProblemRow => ({ status, title, actor: 'caller', remedy })
const later = (status: number, title: string, remedy: string): ProblemRow => ({ status, title, actor: 'caller-later', remedy })
const operator = (status: number, title: string, remedy: string): ProblemRow => ({ status, title, actor: 'operator', remedy })
/** Shown as "internal", whatever it is inside. */
const fault: ProblemRow = {
  status: 500,
  title: 'Internal failure',
  actor: 'us',
  remedy: 'Nothing in the request can mend this. The log of the server names the failure by the `instance` of the answer.',
}

/** A code without a row does not compile. */
export const PROBLEM_TABLE: Readonly<Record<ProblemCode, ProblemRow>> = {
  'request-malformed': caller(400, 'Request malformed', 'Send a well-formed HTTP request: valid percent-encoding in the path, headers below 16 KiB, and the whole body in time.'),
  'body-too-large': caller(413, 'Body too large', 'Send a smaller file, or ask the operator for a higher limit. The limit is given in bytes.'),
  'media-type-unsupported': caller(415, 'Media type unsupported', 'Send a DICOM instance, a PNG or a JPEG. The first bytes decide, not the name and not the declared type.'),
  'parameter-invalid': caller(400, 'Parameter invalid', 'Correct the parameter that is named. /docs lists the values of each.'),
  'image-undecodable': caller(422, 'Image cannot be decoded', 'The file is damaged or of a kind that is not read. Export it once more from its source.'),
  'image-out-of-scope': caller(422, 'Image outside the scope of the model', 'Choose a model that was made for this modality.'),
  'model-unknown': caller(404, 'Model unknown', 'Choose a model that /v1/models lists.'),
  'prediction-unknown': caller(404, 'Prediction unknown', 'Use the id of an answer of this server. With store=false nothing is kept.'),
  'prediction-expired': caller(410, 'Prediction expired', 'Predictions are kept for a limited time, and for less where room is short. Send the image again.'),
  'map-unknown': caller(404, 'Map unknown', 'Choose one of the maps that are available. Which maps a model can give depends on its outputs.'),
  'result-unavailable': caller(
    404,
    'Result unavailable',
    'The detail says why this image has no DICOM object of this kind. Ask for another kind; the Secondary Capture shows every map.',
  ),
  'job-unknown': caller(404, 'Job unknown', 'Use the id of a job of this server. Jobs are kept for a limited time.'),
  'job-finished': caller(409, 'Job finished', 'The job has come to its end. Only a job under way can be cancelled, only a failed or dead one replayed.'),
  'job-unfinished': later(409, 'Job unfinished', 'Ask again once the state of the job is done; Retry-After says when that is worth it.'),
  'route-unknown': caller(404, 'Route unknown', 'See /docs for the routes of this server.'),
  'method-not-allowed': caller(405, 'Method not allowed', 'Use a method that the Allow header lists.'),
  'dicom-not-part10': caller(422, 'Not a DICOM Part 10 file', 'Send a file with its preamble and the letters DICM at byte 128.'),
  'dicom-truncated': caller(422, 'DICOM file truncated', 'The file ends inside an element. Transfer it again.'),
  'dicom-too-large': caller(413, 'DICOM file too large', 'Send a smaller instance.'),
  'dicom-nesting-too-deep': caller(422, 'DICOM sequences nested too deep', 'The file nests sequences deeper than is read.'),
  'transfer-syntax-unsupported': caller(422, 'Transfer syntax unsupported', 'Convert the instance to a transfer syntax that the conformance page lists.'),
  'sop-class-unsupported': caller(422, 'SOP class unsupported', 'Send an image instance: reports, presentation states and the like hold no image to classify.'),
  'uid-invalid': caller(422, 'UID invalid', 'The attribute that is named holds no valid UID.'),
  'pixel-data-missing': caller(422, 'Pixel data missing', 'The instance holds no pixels. Send the image itself, not its header.'),
  'pixel-data-truncated': caller(422, 'Pixel data truncated', 'The pixel data is shorter than rows, columns and bits demand. Transfer the file again.'),
  'bits-unsupported': caller(422, 'Bit depth unsupported', 'The combination of bits allocated and bits stored is not read.'),
  'dimensions-invalid': caller(422, 'Dimensions invalid', 'Rows and columns must be positive and agree with the pixels.'),
  'image-too-large': caller(422, 'Image too large', 'The image has more pixels than are read.'),
  'frames-too-many': caller(422, 'Too many frames', 'The instance has more frames than are read.'),
  'number-of-frames-invalid': caller(422, 'Number of frames invalid', 'Number of Frames must be a positive integer.'),
  'frame-count-mismatch': caller(422, 'Frame count mismatch', 'The instance does not hold the number of frames that it declares.'),
  'codestream-mismatch': caller(422, 'Codestream disagrees with the dataset', 'The compressed image and the attributes around it state different values.'),
  'attributes-inconsistent': caller(422, 'Attributes inconsistent', 'The attribute that is named contradicts the others.'),
  'attribute-missing': caller(422, 'Attribute missing', 'The instance lacks the attribute that is named. Export it once more from its source.'),
  'rescale-invalid': caller(422, 'Rescale invalid', 'Rescale Slope must be a number other than zero.'),
  'codec-failed': caller(422, 'Compressed pixels cannot be decoded', 'The compressed pixel data is damaged.'),
  'codec-timeout': caller(
    422,
    'Compressed pixels took too long',
    'The compressed pixel data is damaged, or the server was too busy to decode it in time: once it is idle, try again once.',
  ),
  'model-not-ready': later(503, 'Model not ready', 'The server is starting or stopping. Try again shortly.'),
  overloaded: later(429, 'Overloaded', 'Try again after the seconds that Retry-After gives.'),
  'deadline-exceeded': later(503, 'Deadline exceeded', 'The answer took longer than the limit. Try again, or ask for fewer maps.'),
  'gateway-closed': operator(404, 'Gateway closed', 'Start the server with ATTENDING_GATEWAY_FILE to receive instances, to keep jobs and to deliver results.'),
  'pacs-unreachable': operator(504, 'PACS unreachable', 'Check address and network of the PACS.'),
  'pacs-refused': operator(502, 'PACS refused', 'Check the rights of this server at the PACS.'),
  'shape-mismatch': fault,
  'manifest-invalid': fault,
  'bundle-refused': fault,
  'output-missing': fault,
  'output-not-finite': fault,
  'result-invalid': fault,
  'engine-lost': fault,
  internal: fault,
  'settings-invalid': fault,
  'file-unreadable': fault,
  'data-set-unknown': fault,
  'checkpoint-invalid': fault,
  'parity-failed': fault,
  'backend-unavailable': fault,
  'memory-exhausted': fault,
}

/** The code that the outside sees: a fault's own name stays inside. */
export function toPublicCode(code: ProblemCode): ProblemCode {
  return PROBLEM_TABLE[code].actor === 'us' ? 'internal' : code
}

/** Every code that an answer can carry, in the order of the table. */
export const PUBLIC_CODES: readonly ProblemCode[] = (Object.keys(PROBLEM_TABLE) as ProblemCode[]).filter((code) => toPublicCode(code) === code)
