/** Who results go to and images come from: the peers that the operator configured, and no other. */

export type PeerAuthentication =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly accessToken: string }

/** PEM texts of a client certificate, and of the authorities that the peer's own certificate must come from. */
export interface PeerTls {
  readonly key?: string
  readonly certificate?: string
  readonly authorities?: string
}

export interface DicomwebPeer {
  readonly kind: 'dicomweb'
  readonly name: string
  /** The services' root, such as https://pacs.example/dicom-web; every request goes to this origin. */
  readonly url: string
  readonly authentication: PeerAuthentication
  readonly tls: PeerTls | null
  /** Of one request, from its beginning to the end of its answer. */
  readonly timeoutMs: number
  /**
   * Our AE title, where the peer's worklist speaks as dcm4chee does: the address of a workitem's state ends in the title (`/workitems/{uid}/state/{requester}`; in
   * PS3.18 section 11.7 it does not), and a dataset is sent as an object by itself, not as the one of an array (PS3.18 section F.2.1).
   */
  readonly requester?: string
}

export interface DimsePeer {
  readonly kind: 'dimse'
  readonly name: string
  readonly host: string
  readonly port: number
  readonly calledAeTitle: string
  readonly callingAeTitle: string
  /** How its images are fetched: sent to our own receiver (C-MOVE, where nothing is said), or over the association that asks (C-GET). */
  readonly retrieveBy?: 'move' | 'get'
  readonly tls: PeerTls | null
  readonly timeoutMs: number
}

export type Peer = DicomwebPeer | DimsePeer

/** What a pull names; the levels below the study may be open. */
export interface RetrieveKey {
  readonly studyInstanceUid: string
  readonly seriesInstanceUid: string | null
  readonly sopInstanceUid: string | null
}
