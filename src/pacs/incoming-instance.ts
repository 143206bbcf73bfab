/** A dataset that arrives over an association in pieces, and the request that announced it, in; the instance as a file out, byte for byte. */
import { Writable } from 'node:stream'
import { buildFileMeta } from './build-file-meta.ts'
import { type CStoreRequest, constants, type PresentationContext } from './dimse-library.ts'
import { isUid } from './is-uid.ts'
import { FAILURE_REASONS } from './receive-stow.ts'

/** Collects a dataset's bytes as they come. The library goes on reading while a stream says that it is full, so this one never does. */
export class DatasetCollector extends Writable {
  readonly #maxBytes: number
  #chunks: Buffer[] = []
  #length = 0

  constructor(maxBytes: number) {
    super({ highWaterMark: Number.MAX_SAFE_INTEGER })
    this.#maxBytes = maxBytes
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#length += chunk.length
    if (this.#length > this.#maxBytes) this.#chunks = []
    else this.#chunks.push(chunk)
    done()
  }

  /** The bytes; null where there were too many. */
  toBytes(): Buffer | null {
    return this.#length > this.#maxBytes ? null : Buffer.concat(this.#chunks)
  }
}

/** What has come for the C-STORE request that is about to be answered. */
export interface Incoming {
  readonly dataset: Buffer | null
  readonly context: PresentationContext
}

export const incomingOf = (writable: Writable, context: PresentationContext): Incoming => ({
  dataset: writable instanceof DatasetCollector ? writable.toBytes() : null,
  context,
})

/** The instance as a file (PS3.10 section 7), or the status with which the request is refused. */
export function toInstance(request: CStoreRequest, incoming: Incoming | null, sourceAeTitle: string): Buffer | number {
  const sopClassUid = request.getAffectedSopClassUid()
  const sopInstanceUid = request.getAffectedSopInstanceUid()
  const transferSyntaxUid = incoming?.context.getAcceptedTransferSyntaxUid()
  const isAccepted = incoming !== null && incoming.context.getResult() === constants.PresentationContextResult.Accept && incoming.context.getAbstractSyntaxUid() === sopClassUid
  if (!isAccepted || transferSyntaxUid === undefined) return FAILURE_REASONS.sopClassNotSupported
  if (incoming.dataset === null) return FAILURE_REASONS.outOfResources
  if (typeof sopInstanceUid !== 'string' || !isUid(sopInstanceUid)) return FAILURE_REASONS.cannotUnderstand
  const meta = buildFileMeta({ sopClassUid, sopInstanceUid, transferSyntaxUid, sourceApplicationEntityTitle: sourceAeTitle })
  return Buffer.concat([meta, incoming.dataset])
}
