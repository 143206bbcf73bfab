/** The configured peers in, the functions that the queue delivers and fetches with out. */
import type { PullOrder, ResultObject } from '../domain/job.ts'
import { Problem } from '../domain/problem.ts'
import { findMissing, retrieveInstances, storeInstances } from './dicomweb-client.ts'
import { findByDimse, getByDimse, type MoveCounts, moveByDimse, type Receiving, storeByDimse } from './dimse-scu.ts'
import { createMovedInstances, type MovedInbox, type MovedInstances } from './moved-instances.ts'
import type { MultipartLimits } from './multipart.ts'
import type { DimsePeer, Peer } from './peers.ts'
import { PREFERRED_SYNTAXES } from './receiving-scp.ts'
import { isStorageClass, STORAGE_CLASSES } from './storage-classes.ts'

/**
 * Stores every object at the destination of that name, or throws "pacs-unreachable" or "pacs-refused".
 *
 * isRepeated  a DICOMweb archive is asked first, and sent only what it lacks; C-STORE sends all again, and a duplicate is no failure there
 */
export type DeliverResults = (destination: string, objects: readonly ResultObject[], signal: AbortSignal, isRepeated: boolean) => Promise<void>

/** Each file of what a pull names. Throws "pacs-unreachable", "pacs-refused". */
export type RetrieveOrder = (order: PullOrder, signal: AbortSignal) => AsyncIterable<Uint8Array>

export function createDelivery(peers: readonly Peer[]): DeliverResults {
  return async (destination, objects, signal, isRepeated) => {
    const peer = findPeer(peers, destination)
    if (peer.kind === 'dimse') await storeByDimse(peer, objects, signal)
    else await storeInstances(peer, isRepeated ? await findMissing(peer, objects, signal) : objects, signal)
  }
}

/** What an archive without DICOMweb is asked with: it sends to our own receiver, which hands what was moved on to `moved`. */
export interface MoveSettings {
  readonly aeTitle: string
  readonly moved: MovedInstances
}

export function createRetrieval(peers: readonly Peer[], limits: MultipartLimits, move: MoveSettings | null): RetrieveOrder {
  return (order, signal) => {
    const peer = findPeer(peers, order.archive)
    if (peer.kind === 'dicomweb') return retrieveInstances(peer, order, limits, signal)
    if (peer.retrieveBy === 'get') return retrieveByGet(peer, order, limits.maxPartBytes, signal)
    if (move === null) throw new Problem('pacs-refused', 'an archive without DICOMweb sends to a DIMSE receiver, and this server has none', {})
    return retrieveByMove(peer, order, move, signal)
  }
}

async function* retrieveByMove(peer: DimsePeer, order: PullOrder, { aeTitle, moved }: MoveSettings, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield* handOn(moved.expect(peer.calledAeTitle), () => moveByDimse(peer, order, aeTitle, signal))
}

/** Needs no receiver, and no list of receivers at the archive. */
async function* retrieveByGet(peer: DimsePeer, order: PullOrder, maxObjectBytes: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const contexts = contextsFor(await findClasses(peer, order, signal))
  const got = createMovedInstances()
  const accept = async (bytes: Uint8Array): Promise<boolean> => await got.offer(peer.calledAeTitle, bytes)
  yield* handOn(got.expect(peer.calledAeTitle), () => getByDimse(peer, order, { contexts, maxObjectBytes, accept }, signal))
}

/** The instances that arrive meanwhile, each once it is there; in the end as many as the archive says that it sent. */
async function* handOn(inbox: MovedInbox, ask: () => Promise<MoveCounts>): AsyncGenerator<Uint8Array> {
  try {
    const asking = ask().finally(() => inbox.end())
    // Awaited below; a failure must not be met as unhandled while instances are still handed out.
    asking.catch(() => {})
    yield* inbox.instances
    const { failures } = await asking
    if (failures > 0) throw new Problem('pacs-unreachable', `the archive failed to send ${failures} of the images`, {})
  } finally {
    inbox.close()
  }
}

/** Classes of images that the archive says are there; all that are read where it says none, since the attribute is optional (PS3.4 table C.6-4). */
async function findClasses(peer: DimsePeer, { studyInstanceUid, seriesInstanceUid, sopInstanceUid }: PullOrder, signal: AbortSignal): Promise<readonly string[]> {
  const study = { StudyInstanceUID: studyInstanceUid }
  const series = seriesInstanceUid === null ? await findByDimse(peer, 'SERIES', { ...study, SeriesInstanceUID: '' }, signal) : [{ SeriesInstanceUID: seriesInstanceUid }]
  const found = new Set<string>()
  for (const { SeriesInstanceUID = '' } of series) {
    const keys = { ...study, SeriesInstanceUID, SOPInstanceUID: sopInstanceUid ?? '', SOPClassUID: '' }
    for (const { SOPClassUID = '' } of await findByDimse(peer, 'IMAGE', keys, signal)) found.add(SOPClassUID)
  }
  const classes = [...found].filter(isStorageClass)
  return classes.length > 0 ? classes : Object.keys(STORAGE_CLASSES)
}

/** An association has 128 contexts (PS3.8 section 9.3.2.2), and one is the request's own. */
const MAX_STORAGE_CONTEXTS = 127

/** One for each class and syntax, so that an archive need not transcode; the less wanted syntaxes are left out where there are too many. */
function contextsFor(classes: readonly string[]): Receiving['contexts'] {
  const syntaxes = PREFERRED_SYNTAXES.slice(0, Math.max(1, Math.floor(MAX_STORAGE_CONTEXTS / classes.length)))
  return classes.flatMap((sopClassUid) => syntaxes.map((transferSyntaxUid) => ({ sopClassUid, transferSyntaxUid }))).slice(0, MAX_STORAGE_CONTEXTS)
}

function findPeer(peers: readonly Peer[], name: string): Peer {
  const peer = peers.find((each) => each.name === name)
  // Settings are checked at the start; a queue may still hold an order for a peer that was taken out of them.
  if (peer === undefined) throw new Problem('pacs-refused', 'the peer is no longer configured', {})
  return peer
}
