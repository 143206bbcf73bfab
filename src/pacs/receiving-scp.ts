/** One connection in, its instances handed on out; every limit that the library leaves to its user is held here. */
import type { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { TRANSFER_SYNTAXES } from '../dicom/transfer-syntaxes.ts'
import {
  type Association,
  type CEchoRequest,
  type CEchoResponse,
  type CStoreRequest,
  type CStoreResponse,
  constants,
  Dataset,
  type DimseDataset,
  MAX_PDU_BYTES,
  type PresentationContext,
  responses,
  Scp,
} from './dimse-library.ts'
import type { DimseScpSettings } from './dimse-scp-settings.ts'
import { DatasetCollector, type Incoming, incomingOf, toInstance } from './incoming-instance.ts'
import { MAX_CONTROL_BYTES, PduGuard } from './pdu-guard.ts'
import { failureReasonOf } from './receive-stow.ts'
import { isStorageClass } from './storage-classes.ts'

const { PresentationContextResult, RejectReason, RejectResult, RejectSource, SopClass, Status } = constants
/** A command set is a few hundred bytes; its longest text, an error comment, has 64 characters. */
const MAX_COMMAND_BYTES = 16_384
/** Some peers send somewhat more than was announced; what the guard lets pass is still small. */
const PDU_TOLERANCE = 2
/** Room for headers of PDUs beside the object itself. */
const MESSAGE_SLACK_BYTES = 4 * 1024 * 1024
const AE_TITLE = /^[\x20-\x7e]{1,16}$/

/** Exact values first, and those that every decoder has before others; lossy ones only where nothing else is offered. */
export const PREFERRED_SYNTAXES: readonly string[] = [
  '1.2.840.10008.1.2.1',
  '1.2.840.10008.1.2',
  ...TRANSFER_SYNTAXES.filter(({ lossless, codec }) => lossless && codec !== 'native').map(({ uid }) => uid),
  ...TRANSFER_SYNTAXES.filter(({ lossless }) => !lossless).map(({ uid }) => uid),
  '1.2.840.10008.1.2.1.99',
  '1.2.840.10008.1.2.2',
]

export class ReceivingScp extends Scp {
  readonly #socket: Socket
  readonly #settings: DimseScpSettings
  readonly #openAssociations: () => number
  readonly #guard: PduGuard
  #callingAeTitle = ''
  #incoming: Incoming | null = null
  #isStoring = false
  /** Instances that came whole and are not answered yet. */
  #unanswered = 0
  #isAsked = false
  #isEnding = false
  /** Ends a connection that is before its association or behind it: the ARTIM timer of PS3.8 section 9.1.4. */
  #artim: NodeJS.Timeout | undefined

  constructor(socket: Socket, settings: DimseScpSettings, openAssociations: () => number) {
    const { idleTimeoutMs, maxObjectBytes } = settings
    const guard = new PduGuard({
      maxPduBytes: PDU_TOLERANCE * MAX_PDU_BYTES,
      maxControlBytes: MAX_CONTROL_BYTES,
      maxCommandBytes: MAX_COMMAND_BYTES,
      maxMessageBytes: maxObjectBytes + MESSAGE_SLACK_BYTES,
    })
    // The guard sees each chunk before the library does: listeners are called in the order in which they came.
    socket.on('data', (chunk: Buffer) => {
      if (!guard.inspect(chunk)) socket.destroy()
    })
    super(socket, { connectTimeout: idleTimeoutMs, associationTimeout: idleTimeoutMs, pduTimeout: idleTimeoutMs })
    this.#socket = socket
    this.#settings = settings
    this.#openAssociations = openAssociations
    this.#guard = guard
    // The library's own server sets this on each connection; the timeout of a silent association hangs on it.
    Object.assign(this, { connected: true })
    this.on('networkError', () => socket.destroy())
    this.#startArtim()
    socket.on('close', () => clearTimeout(this.#artim))
  }

  #startArtim(): void {
    clearTimeout(this.#artim)
    this.#artim = setTimeout(() => this.destroy(), this.#settings.idleTimeoutMs)
  }

  /** Sends what is left, and waits no longer than ARTIM for the peer to do the same, whatever else it sends. */
  #end(): void {
    this.#socket.end()
    this.#startArtim()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Ends the association at once, or as soon as the instance under way is acknowledged. */
  endWhenIdle(): void {
    this.#isEnding = true
    if (!this.#isStoring) this.destroy()
  }

  /** The library's emitter throws what a listener throws where nobody catches it: more contexts than have numbers can't be written into an answer. */
  override associationRequested(association: Association): void {
    try {
      this.#negotiate(association)
    } catch {
      this.destroy()
    }
  }

  #negotiate(association: Association): void {
    // A second request on one connection breaks the protocol (PS3.8 table 9-10, state 6).
    if (this.#isAsked) {
      this.destroy()
      return
    }
    this.#isAsked = true
    const refusal = this.#refusalOf(association)
    if (refusal === null) this.#accept(association)
    else {
      this.sendAssociationReject(...refusal)
      this.#end()
    }
  }

  #accept(association: Association): void {
    clearTimeout(this.#artim)
    this.#callingAeTitle = association.getCallingAeTitle()
    for (const { context } of association.getPresentationContexts()) negotiate(context)
    // The library announces the smaller of both lengths, and a peer without a limit says 0.
    if (association.getMaxPduLength() === 0) association.setMaxPduLength(MAX_PDU_BYTES)
    this.sendAssociationAccept()
  }

  /** Result, source and reason of PS3.8 table 9-21, null for a peer that may send. */
  #refusalOf(association: Association): [number, number, number] | null {
    const { aeTitle, maxAssociations, peers } = this.#settings
    const address = (this.#socket.remoteAddress ?? '').replace(/^::ffff:/, '')
    if (association.getCalledAeTitle() !== aeTitle) return [RejectResult.Permanent, RejectSource.ServiceUser, RejectReason.CalledAeNotRecognized]
    const isKnown = peers.some((peer) => peer.aeTitle === association.getCallingAeTitle() && (peer.addresses.length === 0 || peer.addresses.includes(address)))
    if (!isKnown) return [RejectResult.Permanent, RejectSource.ServiceUser, RejectReason.CallingAeNotRecognized]
    if (this.#isEnding || this.#openAssociations() > maxAssociations) return [RejectResult.Transient, RejectSource.ServiceProviderPresentation, RejectReason.LocalLimitExceeded]
    return null
  }

  override associationReleaseRequested(): void {
    this.sendAssociationReleaseResponse()
    this.#end()
  }

  override abort(): void {
    this.#socket.destroy()
  }

  override cEchoRequest(request: CEchoRequest, callback: (response: CEchoResponse) => void): void {
    this.#guard.reset()
    const response = responses.CEchoResponse.fromRequest(request)
    response.setStatus(Status.Success)
    callback(response)
  }

  override createStoreWritableStream(context: PresentationContext): Writable {
    this.#isStoring = true
    this.#incoming = { dataset: null, context }
    return new DatasetCollector(this.#settings.maxObjectBytes)
  }

  /** Keeps the bytes; the library gets an empty dataset, so that it decodes nothing. */
  override createDatasetFromStoreWritableStream(writable: Writable, context: PresentationContext, callback: (dataset: DimseDataset) => void): void {
    this.#incoming = incomingOf(writable, context)
    callback(new Dataset({}, context.getAcceptedTransferSyntaxUid()))
  }

  /** Reads no further until the instance is answered: a peer that does not wait would fill the memory with those that it sends meanwhile. */
  override cStoreRequest(request: CStoreRequest, callback: (response: CStoreResponse) => void): void {
    const incoming = this.#incoming
    this.#incoming = null
    this.#guard.reset()
    this.#unanswered++
    this.#socket.pause()
    void this.#store(request, incoming)
      .then((status) => {
        const response = responses.CStoreResponse.fromRequest(request)
        response.setStatus(status)
        callback(response)
        this.#answered()
      })
      .catch(() => this.destroy())
  }

  #answered(): void {
    this.#unanswered--
    if (this.#unanswered > 0) return
    this.#isStoring = false
    if (this.#isEnding) this.#end()
    this.#socket.resume()
  }

  /** The status of the response: success once the instance can't be lost. Never rejects. */
  async #store(request: CStoreRequest, incoming: Incoming | null): Promise<number> {
    const instance = toInstance(request, incoming, this.#callingAeTitle)
    if (typeof instance === 'number') return instance
    try {
      await this.#settings.accept({ bytes: instance, callingAeTitle: this.#callingAeTitle, moveOriginator: moveOriginatorOf(request) })
      return Status.Success
    } catch (error) {
      return failureReasonOf(error)
    }
  }
}

function negotiate(context: PresentationContext): void {
  const abstractSyntax = context.getAbstractSyntaxUid()
  const isStorage = isStorageClass(abstractSyntax)
  if (!isStorage && abstractSyntax !== SopClass.Verification) {
    context.setResult(PresentationContextResult.RejectAbstractSyntaxNotSupported)
    return
  }
  const known = isStorage ? PREFERRED_SYNTAXES : PREFERRED_SYNTAXES.slice(0, 2)
  const chosen = known.find((uid) => context.hasTransferSyntaxUid(uid))
  if (chosen === undefined) context.setResult(PresentationContextResult.RejectTransferSyntaxesNotSupported)
  else context.setResult(PresentationContextResult.Accept, chosen)
}

/** (0000,1030), where the instance was moved here by a C-MOVE. */
function moveOriginatorOf(request: CStoreRequest): string | null {
  const title: unknown = request.getCommandDataset().getElement('MoveOriginatorApplicationEntityTitle')
  return typeof title === 'string' && AE_TITLE.test(title) ? title.trim() : null
}
