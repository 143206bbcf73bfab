/** The configured peers in, the functions that the queue delivers and fetches with out. */
import type { PullOrder, ResultObject } from '../domain/job.ts'
import { Problem } from '../domain/problem.ts'
import { findMissing, retrieveInstances, storeInstances } from './dicomweb-client.ts'
import { moveByDimse, storeByDimse } from './dimse-scu.ts'
import type { MovedInstances } from './moved-instances.ts'
import type { MultipartLimits } from './multipart.ts'
import type { DimsePeer, Peer } from './peers.ts'

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
    if (move === null) throw new Problem('pacs-refused', 'an archive without DICOMweb sends to a DIMSE receiver, and this server has none', {})
    return retrieveByMove(peer, order, move, signal)
  }
}

/** The moved instances, each once it has arrived; in the end as many as the archive says that it sent. */
async function* retrieveByMove(peer: DimsePeer, order: PullOrder, { aeTitle, moved }: MoveSettings, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const inbox = moved.expect(peer.calledAeTitle)
  try {
    const moving = moveByDimse(peer, order, aeTitle, signal).finally(() => inbox.end())
    // Awaited below; a failure must not be met as unhandled while instances are still handed out.
    moving.catch(() => {})
    yield* inbox.instances
    const { failures } = await moving
    if (failures > 0) throw new Problem('pacs-unreachable', `the archive failed to send ${failures} of the images`, {})
  } finally {
    inbox.close()
  }
}

function findPeer(peers: readonly Peer[], name: string): Peer {
  const peer = peers.find((each) => each.name === name)
  // Settings are checked at the start; a queue may still hold an order for a peer that was taken out of them.
  if (peer === undefined) throw new Problem('pacs-refused', 'the peer is no longer configured', {})
  return peer
}
