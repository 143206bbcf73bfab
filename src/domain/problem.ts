/** Failure as data: one class, one closed list of codes; only `http` knows what status a code has. */

type NoFacts = Readonly<Record<never, never>>

/** What each code must carry. Facts name tags, limits and shapes, never a patient attribute's value. */
export interface ProblemFacts {
  // request: the caller acts
  'request-malformed': NoFacts
  'body-too-large': { readonly limitBytes: number }
  'media-type-unsupported': { readonly accepted: readonly string[] }
  'parameter-invalid': { readonly parameter: string }
  'image-undecodable': NoFacts
  'image-out-of-scope': { readonly modality: string }
  'model-unknown': NoFacts
  'prediction-unknown': NoFacts
  'prediction-expired': NoFacts
  'map-unknown': { readonly available: readonly string[] }
  'result-unavailable': { readonly kind: string }
  'job-unknown': NoFacts
  'job-finished': NoFacts
  'job-unfinished': { readonly retryAfterSeconds: number }
  'route-unknown': NoFacts
  'method-not-allowed': { readonly allowed: readonly string[] }
  // request, DICOM: each is one upper-case reason of docs/dicom-conformance.md
  'dicom-not-part10': NoFacts
  'dicom-truncated': NoFacts
  'dicom-too-large': { readonly limitBytes: number }
  'dicom-nesting-too-deep': { readonly limitDepth: number }
  'transfer-syntax-unsupported': { readonly transferSyntaxUid: string }
  'sop-class-unsupported': NoFacts
  'uid-invalid': { readonly keyword: string }
  'attribute-missing': { readonly keyword: string }
  'pixel-data-missing': NoFacts
  'pixel-data-truncated': { readonly expectedBytes: number; readonly actualBytes: number }
  'bits-unsupported': { readonly bitsAllocated: number; readonly bitsStored: number }
  'dimensions-invalid': { readonly rows: number; readonly columns: number }
  'image-too-large': { readonly limitPixels: number }
  'frames-too-many': { readonly limitFrames: number }
  'number-of-frames-invalid': NoFacts
  'frame-count-mismatch': { readonly expected: number; readonly actual: number }
  'codestream-mismatch': { readonly attribute: string; readonly dataset: number; readonly codestream: number }
  'attributes-inconsistent': { readonly keyword: string }
  'rescale-invalid': NoFacts
  'codec-failed': { readonly transferSyntaxUid: string }
  'codec-timeout': { readonly transferSyntaxUid: string; readonly limitMs: number }
  // state: the caller acts, later
  'model-not-ready': NoFacts
  overloaded: { readonly retryAfterSeconds: number }
  'deadline-exceeded': { readonly limitMs: number }
  // peer: the operator acts
  'gateway-closed': NoFacts
  'pacs-unreachable': NoFacts
  'pacs-refused': NoFacts
  // fault: we act; the edge shows all of these as "internal"
  'shape-mismatch': { readonly expected: readonly number[]; readonly actual: readonly number[] }
  'manifest-invalid': NoFacts
  'bundle-refused': { readonly reason: string }
  'output-missing': { readonly output: string }
  'output-not-finite': { readonly output: string }
  'result-invalid': NoFacts
  'engine-lost': NoFacts
  internal: NoFacts
  // commands: the person at the terminal acts
  'settings-invalid': { readonly setting: string }
  'file-unreadable': NoFacts
  'data-set-unknown': { readonly sha256: string }
  'checkpoint-invalid': NoFacts
  'parity-failed': { readonly stage: string }
  'backend-unavailable': { readonly backend: string }
  'memory-exhausted': NoFacts
}

export type ProblemCode = keyof ProblemFacts

/** A failure that a caller, an operator or we can act on. Made where it is thrown; `cause` goes to the log, never to the wire. */
export class Problem<C extends ProblemCode = ProblemCode> extends Error {
  override readonly name = 'Problem'
  readonly code: C
  readonly facts: ProblemFacts[C]

  constructor(code: C, detail: string, facts: ProblemFacts[C], cause?: unknown) {
    super(detail, cause === undefined ? undefined : { cause })
    this.code = code
    this.facts = facts
  }
}

/** A Problem as plain data, for a process boundary. */
export interface ProblemData {
  readonly code: ProblemCode
  readonly detail: string
  readonly facts: ProblemFacts[ProblemCode]
}

/** Any thrown value as data: what is no Problem becomes "internal", and its text stays behind. */
export function toProblemData(error: unknown): ProblemData {
  if (error instanceof Problem) return { code: error.code, detail: error.message, facts: error.facts }
  return { code: 'internal', detail: 'an unexpected failure', facts: {} }
}

/** The Problem that crossed a process boundary as data. */
export function fromProblemData(data: ProblemData): Problem {
  return new Problem(data.code, data.detail, data.facts)
}
