/** Requests to a DIMSE peer in, what it answered out: C-ECHO, C-STORE, C-FIND and C-MOVE as SCU. */
import type { Socket } from 'node:net'
import type { ResultObject } from '../domain/job.ts'
import { Problem } from '../domain/problem.ts'
import { type Association, association, Client, constants, Dataset, type DimseRequest, type DimseResponse, MAX_PDU_BYTES, requests } from './dimse-library.ts'
import { MAX_CONTROL_BYTES, PduGuard } from './pdu-guard.ts'
import type { DimsePeer, RetrieveKey } from './peers.ts'
import { readFileMeta } from './read-file-meta.ts'

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

/** How a C-MOVE came out. */
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
  const last = responses.at(-1)
  checkStatus(lastStatus(responses), 'move the images')
  const command = last?.getCommandDataset().getElements() ?? {}
  return { completed: Number(command['NumberOfCompletedSuboperations'] ?? 0), failures: Number(command['NumberOfFailedSuboperations'] ?? 0) }
}

function toMoveRequest({ studyInstanceUid, seriesInstanceUid, sopInstanceUid }: RetrieveKey, destination: string): DimseRequest {
  if (seriesInstanceUid === null) return requests.CMoveRequest.createStudyMoveRequest(destination, studyInstanceUid)
  if (sopInstanceUid === null) return requests.CMoveRequest.createSeriesMoveRequest(destination, studyInstanceUid, seriesInstanceUid)
  return requests.CMoveRequest.createImageMoveRequest(destination, studyInstanceUid, seriesInstanceUid, sopInstanceUid)
}

/** The responses to each request, in order, once the association has ended. */
function associate(
  peer: DimsePeer,
  sent: readonly DimseRequest[],
  contexts: readonly InstanceType<typeof association.PresentationContext>[],
  signal?: AbortSignal,
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
    guard(client, signal, reject)
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

/** The library keeps its socket to itself, and has none once the connection is closed. */
function socketOf(client: InstanceType<typeof Client>): Socket | undefined {
  return (client as unknown as { readonly network?: { readonly socket: Socket } }).network?.socket
}

/** Holds the peer to the limits of an answer, and ends the connection when the job is cancelled. */
function guard(client: InstanceType<typeof Client>, signal: AbortSignal | undefined, fail: (problem: Problem) => void): void {
  const socket = socketOf(client)
  const pdus = new PduGuard({ maxPduBytes: 2 * MAX_PDU_BYTES, maxControlBytes: MAX_CONTROL_BYTES, maxCommandBytes: MAX_ANSWER_BYTES, maxMessageBytes: 16 * MAX_ANSWER_BYTES })
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
