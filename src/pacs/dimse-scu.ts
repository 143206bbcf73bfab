/** Requests to a DIMSE peer in, what it answered out: C-ECHO, C-STORE, C-FIND, C-MOVE and C-GET as SCU. */
import type { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import type { ResultObject } from '../domain/job.ts'
import { Problem } from '../domain/problem.ts'
import {
  type Association,
  association,
  Client,
  type CStoreRequest,
  type CStoreResponse,
  constants,
  Dataset,
  type DimseDataset,
  type DimseRequest,
  type DimseResponse,
  responses as dimseResponses,
  MAX_PDU_BYTES,
  type PresentationContext,
  requests,
} from './dimse-library.ts'
import { DatasetCollector, type Incoming, incomingOf, toInstance } from './incoming-instance.ts'
import { MAX_CONTROL_BYTES, PduGuard } from './pdu-guard.ts'
import type { DimsePeer, RetrieveKey } from './peers.ts'
import { readFileMeta } from './read-file-meta.ts'
import { FAILURE_REASONS } from './receive-stow.ts'

const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1'
/** Of one answer of a peer: identifiers, never images. */
const MAX_ANSWER_BYTES = 1024 * 1024
/** Archives announce 4096 and more, or 0 for any; the library cuts objects into pieces of that length less 6, and into none below. */
export const MIN_PDU_BYTES = 1024
const DUPLICATE_SOP_INSTANCE = 0x0111

/** A dataset that goes out as its bytes are: decoding and encoding it once more would lose private elements. */
class RawDataset extends Dataset {
  readonly #bytes: Buffer

  constructor(bytes: Buffer, names: Readonly<Record<string, string>>, transferSyntaxUid: string) {
    super({ ...names }, transferSyntaxUid)
    this.#bytes = bytes
  }

  override getDenaturalizedDataset(): Buffer {
    return this.#bytes
  }

  /** Asked for where the peer accepted another transfer syntax only: the request then ends without a response. */
  override getElements(): Record<string, unknown> {
    throw new Error('this dataset is sent as it is')
  }
}

/** Throws "pacs-unreachable", "pacs-refused". */
export async function echo(peer: DimsePeer, signal?: AbortSignal): Promise<void> {
  const request = new requests.CEchoRequest()
  const [responses] = await associate(peer, [request], [], signal)
  checkStatus(lastStatus(responses), 'answer the echo')
}

/**
 * Stores every object, or throws. A duplicate is taken for stored: the UID follows from source, model and kind, so the archive has this very object.
 *
 * Throws: "pacs-unreachable", "pacs-refused".
 */
export async function storeByDimse(peer: DimsePeer, objects: readonly ResultObject[], signal?: AbortSignal): Promise<void> {
  const stores = objects.map(toStoreRequest)
  const contexts = [...new Set(objects.map(({ sopClassUid }) => sopClassUid))].map(explicitContext)
  const answers = await associate(peer, stores, contexts, signal)
  for (const responses of answers) {
    const status = lastStatus(responses)
    if (status !== DUPLICATE_SOP_INSTANCE) checkStatus(status, 'store an object')
  }
}

function toStoreRequest({ sopClassUid, sopInstanceUid, bytes }: ResultObject): DimseRequest {
  const { datasetOffset, transferSyntaxUid } = readFileMeta(bytes)
  const dataset = Buffer.from(bytes.buffer, bytes.byteOffset + datasetOffset, bytes.byteLength - datasetOffset)
  return new requests.CStoreRequest(new RawDataset(dataset, { SOPClassUID: sopClassUid, SOPInstanceUID: sopInstanceUid }, transferSyntaxUid))
}

/** A context of its own: beside implicit VR in one context, a peer would be free to choose that. */
function explicitContext(sopClassUid: string): InstanceType<typeof association.PresentationContext> {
  return new association.PresentationContext(0, sopClassUid, EXPLICIT_LITTLE_ENDIAN)
}

export type FindLevel = 'STUDY' | 'SERIES' | 'IMAGE'

/**
 * What the archive has, study root. Each record holds the asked keywords as text; a keyword with a value narrows the search.
 *
 * Throws: "pacs-unreachable", "pacs-refused".
 */
export async function findByDimse(
  peer: DimsePeer,
  level: FindLevel,
  keys: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<readonly Readonly<Record<string, string>>[]> {
  const request = new requests.CFindRequest()
  request.setDataset(new Dataset({ QueryRetrieveLevel: level, ...keys }))
  const [responses = []] = await associate(peer, [request], [], signal)
  checkStatus(lastStatus(responses), 'be searched')
  return responses
    .filter((response) => response.getStatus() === constants.Status.Pending && response.hasDataset())
    .map((response) => {
      const elements = response.getDataset()?.getElements() ?? {}
      return Object.fromEntries(Object.keys(keys).map((keyword) => [keyword, String(elements[keyword] ?? '')]))
    })
}

/** How a C-MOVE or a C-GET came out. */
export interface MoveCounts {
  readonly completed: number
  readonly failures: number
}

/**
 * Has the archive send what the key names to an AE title that it knows, which receives it on its own.
 *
 * Throws: "pacs-unreachable", "pacs-refused".
 */
export async function moveByDimse(peer: DimsePeer, key: RetrieveKey, destinationAeTitle: string, signal?: AbortSignal): Promise<MoveCounts> {
  const [responses = []] = await associate(peer, [toMoveRequest(key, destinationAeTitle)], [], signal)
  checkStatus(lastStatus(responses), 'move the images')
  return toCounts(responses)
}

function toCounts(responses: readonly DimseResponse[]): MoveCounts {
  const command = responses.at(-1)?.getCommandDataset().getElements() ?? {}
  return { completed: Number(command['NumberOfCompletedSuboperations'] ?? 0), failures: Number(command['NumberOfFailedSuboperations'] ?? 0) }
}

function toMoveRequest({ studyInstanceUid, seriesInstanceUid, sopInstanceUid }: RetrieveKey, destination: string): DimseRequest {
  if (seriesInstanceUid === null) return requests.CMoveRequest.createStudyMoveRequest(destination, studyInstanceUid)
  if (sopInstanceUid === null) return requests.CMoveRequest.createSeriesMoveRequest(destination, studyInstanceUid, seriesInstanceUid)
  return requests.CMoveRequest.createImageMoveRequest(destination, studyInstanceUid, seriesInstanceUid, sopInstanceUid)
}

/** What is taken in over an association of ours, and where it goes. */
export interface Receiving {
  /** A presentation context each; the roles are turned round in all of them. */
  readonly contexts: readonly { readonly sopClassUid: string; readonly transferSyntaxUid: string }[]
  readonly maxObjectBytes: number
  /** Resolves once the instance can't be lost, to whether it was taken. */
  readonly accept: (bytes: Uint8Array) => Promise<boolean>
}

/**
 * Has the archive send what the key names over the same association; each instance is acknowledged once it was accepted.
 *
 * Throws: "pacs-unreachable", "pacs-refused".
 */
export async function getByDimse(peer: DimsePeer, key: RetrieveKey, receiving: Receiving, signal?: AbortSignal): Promise<MoveCounts> {
  const [responses = []] = await associate(peer, [toGetRequest(key)], [], signal, receiving)
  checkStatus(lastStatus(responses), 'send the images')
  return toCounts(responses)
}

function toGetRequest({ studyInstanceUid, seriesInstanceUid, sopInstanceUid }: RetrieveKey): DimseRequest {
  const request =
    seriesInstanceUid === null
      ? requests.CGetRequest.createStudyGetRequest(studyInstanceUid)
      : sopInstanceUid === null
        ? requests.CGetRequest.createSeriesGetRequest(studyInstanceUid, seriesInstanceUid)
        : requests.CGetRequest.createImageGetRequest(studyInstanceUid, seriesInstanceUid, sopInstanceUid)
  request.setAddStorageSopClassesToAssociation(false)
  return request
}

/** The responses to each request, in order, once the association has ended. */
function associate(
  peer: DimsePeer,
  sent: readonly DimseRequest[],
  contexts: readonly InstanceType<typeof association.PresentationContext>[],
  signal?: AbortSignal,
  receiving?: Receiving,
): Promise<readonly (readonly DimseResponse[])[]> {
  const answers = sent.map((): DimseResponse[] => [])
  return new Promise((resolve, reject) => {
    const client = new Client()
    sent.forEach((request, index) => {
      request.on('response', (response: DimseResponse) => answers[index]?.push(response))
      client.addRequest(request)
    })
    for (const context of contexts) client.addAdditionalPresentationContext(context, true)
    let isReleased = false
    client.on('associationReleased', () => {
      isReleased = true
    })
    client.on('associationAccepted', (accepted: Association) => {
      if (accepted.getMaxPduLength() === 0 || accepted.getMaxPduLength() >= MIN_PDU_BYTES) return
      // The library sends at once, to a socket that is closed by then.
      accepted.setMaxPduLength(MAX_PDU_BYTES)
      reject(new Problem('pacs-refused', `the archive reads no PDU of more than ${MIN_PDU_BYTES} bytes`, {}))
      socketOf(client)?.destroy()
    })
    client.on('associationRejected', (rejection: Rejection) => reject(rejected(rejection)))
    client.on('networkError', (error: Error) => {
      reject(unreachable(error))
      socketOf(client)?.destroy()
    })
    // The first verdict counts: after one of the above this is without effect.
    client.on('closed', () => (answers.every((responses) => responses.length > 0) ? resolve(answers) : reject(isReleased ? notNegotiated() : unreachable(undefined))))
    connect(client, peer)
    if (receiving !== undefined) receive(client, peer, receiving)
    guard(client, signal, reject, receiving?.maxObjectBytes ?? 0)
  })
}

function connect(client: InstanceType<typeof Client>, peer: DimsePeer): void {
  const { timeoutMs, tls } = peer
  client.send(peer.host, peer.port, peer.callingAeTitle, peer.calledAeTitle, {
    connectTimeout: timeoutMs,
    associationTimeout: timeoutMs,
    pduTimeout: timeoutMs,
    ...(tls === null
      ? {}
      : { securityOptions: { ...definedOf('key', tls.key), ...definedOf('cert', tls.certificate), ...definedOf('ca', tls.authorities), rejectUnauthorized: true } }),
  })
}

function definedOf(name: string, value: string | undefined): Record<string, string> {
  return value === undefined ? {} : { [name]: value }
}

/** What the library keeps to itself of a connection. Its two functions of streams are there to be replaced in a server; a client has them too. */
interface Network {
  readonly socket: Socket
  sendAssociationRequest: (association: Association) => void
  createStoreWritableStream: (context: PresentationContext) => Writable
  createDatasetFromStoreWritableStream: (writable: Writable, context: PresentationContext, done: (dataset: DimseDataset) => void) => void
}

/** None once the connection is closed. */
const networkOf = (client: InstanceType<typeof Client>): Network | undefined => (client as unknown as { readonly network?: Network }).network

const socketOf = (client: InstanceType<typeof Client>): Socket | undefined => networkOf(client)?.socket

/** Offers to be sent images (role selection, PS3.7 section D.3.3.4), and takes them in as they come, undecoded. */
function receive(client: InstanceType<typeof Client>, { calledAeTitle }: DimsePeer, { contexts, maxObjectBytes, accept }: Receiving): void {
  const network = networkOf(client)
  if (network === undefined) return
  const request = network.sendAssociationRequest.bind(network)
  network.sendAssociationRequest = (asked) => {
    offerContexts(asked, contexts)
    request(asked)
  }
  let incoming: Incoming | null = null
  network.createStoreWritableStream = () => new DatasetCollector(maxObjectBytes)
  network.createDatasetFromStoreWritableStream = (writable, context, done) => {
    incoming = incomingOf(writable, context)
    done(new Dataset({}, context.getAcceptedTransferSyntaxUid()))
  }
  client.on('cStoreRequest', (store: CStoreRequest, answer: (response: CStoreResponse) => void) => {
    const instance = toInstance(store, incoming, calledAeTitle)
    incoming = null
    const response = dimseResponses.CStoreResponse.fromRequest(store)
    const taken =
      typeof instance === 'number' ? Promise.resolve(instance) : accept(instance).then((isTaken) => (isTaken ? constants.Status.Success : FAILURE_REASONS.outOfResources))
    taken
      .then((status) => {
        response.setStatus(status)
        answer(response)
      })
      .catch(() => network.socket.destroy())
  })
}

/** A role is told once a class, in its first context (PS3.7 section D.3.3.4: for a SOP class, not for a context). */
function offerContexts(asked: Association, contexts: Receiving['contexts']): void {
  const known = new Set<string>()
  for (const { sopClassUid, transferSyntaxUid } of contexts) {
    const id = asked.addPresentationContext(sopClassUid)
    asked.addTransferSyntaxToPresentationContext(id, transferSyntaxUid)
    if (!known.has(sopClassUid)) asked.getPresentationContext(id).setProviderRole(true)
    known.add(sopClassUid)
  }
}

/** Holds the peer to the limits of an answer, and ends the connection when the job is cancelled. */
function guard(client: InstanceType<typeof Client>, signal: AbortSignal | undefined, fail: (problem: Problem) => void, maxObjectBytes: number): void {
  const socket = socketOf(client)
  const pdus = new PduGuard({
    maxPduBytes: 2 * MAX_PDU_BYTES,
    maxControlBytes: MAX_CONTROL_BYTES,
    maxCommandBytes: MAX_ANSWER_BYTES,
    maxMessageBytes: maxObjectBytes + 16 * MAX_ANSWER_BYTES,
  })
  socket?.prependListener('data', (chunk: Buffer) => {
    if (pdus.inspect(chunk)) return
    fail(new Problem('pacs-refused', "the archive's answer is larger than is read", {}))
    socket.destroy()
  })
  const end = (): void => {
    fail(unreachable(signal?.reason))
    socket?.destroy()
  }
  if (signal?.aborted === true) end()
  signal?.addEventListener('abort', end, { once: true })
  socket?.on('close', () => signal?.removeEventListener('abort', end))
}

interface Rejection {
  readonly result: number
  readonly source: number
  readonly reason: number
}

/** The numbers of PS3.8 table 9-21 tell the operator which list or title is at fault. */
function rejected({ result, source, reason }: Rejection): Problem {
  const isTransient = result === constants.RejectResult.Transient
  return new Problem(isTransient ? 'pacs-unreachable' : 'pacs-refused', `the archive rejects the association (result ${result}, source ${source}, reason ${reason})`, {})
}

/** Without an accepted context the library sends nothing and releases the association. */
function notNegotiated(): Problem {
  return new Problem('pacs-refused', 'the archive accepts no presentation context for what was asked (SOP class, explicit VR little endian)', {})
}

function unreachable(cause: unknown): Problem {
  return new Problem('pacs-unreachable', 'the archive does not answer, or not to the end', {}, cause)
}

function lastStatus(responses: readonly DimseResponse[] | undefined): number {
  return responses?.at(-1)?.getStatus() ?? constants.Status.ProcessingFailure
}

/** Success and the warnings of PS3.4 table B.2-1 pass; out of resources and processing failure may pass later. */
function checkStatus(status: number, doing: string): void {
  if (status === constants.Status.Success || (status & 0xf000) === 0xb000) return
  const mayPass = status === constants.Status.ProcessingFailure || (status & 0xff00) === 0xa700
  throw new Problem(mayPass ? 'pacs-unreachable' : 'pacs-refused', `the archive failed to ${doing} (status ${status.toString(16).toUpperCase().padStart(4, '0')})`, {})
}
