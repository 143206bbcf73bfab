/** The body of a STOW-RS request in, accepted instances and the answer of PS3.18 section 10.5 out. */
import { Problem } from '../domain/problem.ts'
import { type MultipartLimits, parseMultipartType, readParts } from './multipart.ts'
import { type FileMeta, readFileMeta } from './read-file-meta.ts'
import { isStorageClass } from './storage-classes.ts'

/** Makes one received instance a durable order; returns once it can't be lost. Throws "overloaded" where there is no room for it. */
export type AcceptInstance = (bytes: Uint8Array, peer: string | null) => Promise<void>

export interface StowRequest {
  readonly contentType: string
  readonly body: AsyncIterable<Uint8Array>
}

export interface StowAnswer {
  /** 200 where all were accepted, 202 where some were, 409 where none was. */
  readonly status: 200 | 202 | 409
  /** DICOM JSON (PS3.18 annex F). */
  readonly body: Readonly<Record<string, unknown>>
}

/** PS3.18 table I.2-2 and PS3.7 annex C. */
export const FAILURE_REASONS = { sopClassNotSupported: 0x0122, processingFailure: 0x0110, outOfResources: 0xa700, cannotUnderstand: 0xc000 } as const

interface Receipt {
  readonly meta: Pick<FileMeta, 'sopClassUid' | 'sopInstanceUid'> | null
  /** null where it was accepted. */
  readonly failureReason: number | null
}

/**
 * The answer. Instances before a part that breaks the whole body stay accepted and are acknowledged: the part then stands among
 * those that failed, for 400 and 413 say that nothing was stored (PS3.18 table 10.5.3-1).
 *
 * Throws: "media-type-unsupported"; "request-malformed" and "body-too-large" where nothing was accepted.
 */
export async function receiveStow({ contentType, body }: StowRequest, accept: AcceptInstance, limits: MultipartLimits): Promise<StowAnswer> {
  const { boundary, type } = parseMultipartType(contentType)
  if (type !== null && type !== 'application/dicom')
    throw new Problem('media-type-unsupported', 'the parts are not application/dicom', { accepted: ['multipart/related; type="application/dicom"'] })
  const receipts: Receipt[] = []
  try {
    for await (const part of readParts(body, boundary, limits)) receipts.push(await receivePart(part.bytes, accept))
  } catch (error) {
    if (!(error instanceof Problem) || !receipts.some(isAccepted)) throw error
    receipts.push({ meta: null, failureReason: error.code === 'body-too-large' ? FAILURE_REASONS.outOfResources : FAILURE_REASONS.cannotUnderstand })
  }
  if (receipts.length === 0) throw new Problem('request-malformed', 'the body has no part', {})
  return toAnswer(receipts)
}

const isAccepted = ({ failureReason }: Receipt): boolean => failureReason === null

async function receivePart(bytes: Uint8Array, accept: AcceptInstance): Promise<Receipt> {
  const meta = metaOrNull(bytes)
  if (meta === null) return { meta, failureReason: FAILURE_REASONS.cannotUnderstand }
  if (!isStorageClass(meta.sopClassUid)) return { meta, failureReason: FAILURE_REASONS.sopClassNotSupported }
  try {
    await accept(bytes, null)
    return { meta, failureReason: null }
  } catch (error) {
    return { meta, failureReason: failureReasonOf(error) }
  }
}

function metaOrNull(bytes: Uint8Array): FileMeta | null {
  try {
    return readFileMeta(bytes)
  } catch {
    // The receipt says so; a file that can't be read has no more to tell.
    return null
  }
}

/** Why an instance was not accepted, in the standard's numbers. */
export function failureReasonOf(error: unknown): number {
  return error instanceof Problem && error.code === 'overloaded' ? FAILURE_REASONS.outOfResources : FAILURE_REASONS.processingFailure
}

function toAnswer(receipts: readonly Receipt[]): StowAnswer {
  const failed = receipts.filter((receipt) => !isAccepted(receipt))
  const stored = receipts.filter(isAccepted)
  return {
    status: failed.length === 0 ? 200 : stored.length === 0 ? 409 : 202,
    body: {
      ...(failed.length === 0 ? {} : { '00081198': sequence(failed.map((receipt) => ({ ...reference(receipt), '00081197': { vr: 'US', Value: [receipt.failureReason] } }))) }),
      ...(stored.length === 0 ? {} : { '00081199': sequence(stored.map(reference)) }),
    },
  }
}

/** The instance by its two UIDs; without values where the file does not tell them. */
function reference({ meta }: Receipt): Record<string, unknown> {
  const uid = (value: string | undefined): object => (value === undefined ? { vr: 'UI' } : { vr: 'UI', Value: [value] })
  return { '00081150': uid(meta?.sopClassUid), '00081155': uid(meta?.sopInstanceUid) }
}

function sequence(items: readonly object[]): object {
  return { vr: 'SQ', Value: items }
}
