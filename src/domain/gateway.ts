/** The gateway as `http` knows it: where instances come in, and the durable work that they become. */
import type { Jobs } from './job.ts'

export interface StoreRequest {
  readonly contentType: string
  readonly body: AsyncIterable<Uint8Array>
}

export interface StoreAnswer {
  /** 200 where all instances were accepted, 202 where some were, 409 where none was. */
  readonly status: 200 | 202 | 409
  /** DICOM JSON (PS3.18 annex F). */
  readonly body: Readonly<Record<string, unknown>>
}

export interface GatewayDoor {
  readonly jobs: Jobs
  /** Names of the archives that a pull may name. */
  readonly archives: readonly string[]
  /** Orders that may wait; one more is "overloaded". */
  readonly maxQueued: number
  /** Of one received instance. */
  readonly maxObjectBytes: number
  /** `POST /dicom-web/studies`. Throws "media-type-unsupported", "request-malformed", "body-too-large". */
  receiveStow(request: StoreRequest): Promise<StoreAnswer>
}
