/** What the DIMSE receiver is told, and what it hands on. */
import type { PeerTls } from './peers.ts'

/** An instance as it came over the wire, behind a file head of ours. */
export interface ReceivedInstance {
  /** A Part 10 file. */
  readonly bytes: Uint8Array
  readonly callingAeTitle: string
  /** AE title of the C-MOVE that made the peer send; null where it sent by itself. */
  readonly moveOriginator: string | null
}

export interface DimseScpSettings {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly aeTitle: string
  /** Who may send: a calling AE title and the addresses that it comes from, none for any. Whoever is not in the list may not. */
  readonly peers: readonly { readonly aeTitle: string; readonly addresses: readonly string[] }[]
  /** With authorities, peers need a certificate of theirs. */
  readonly tls: PeerTls | null
  readonly maxAssociations: number
  readonly maxObjectBytes: number
  /** An association ends that sends no whole PDU for this long. */
  readonly idleTimeoutMs: number
  /** Makes the instance a durable order. Throws "overloaded" where there is no room for it. */
  readonly accept: (instance: ReceivedInstance) => Promise<void>
}
