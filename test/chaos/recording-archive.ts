/** A real archive in, the same archive behind a wire that counts what was stored, and at which a store can be held, out. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseMultipartType, readParts } from '../../src/pacs/multipart.ts'
import { readFileMeta } from '../../src/pacs/read-file-meta.ts'
import type { Orthanc } from '../support/orthanc.ts'

/** Where a store stands: kept by the archive, which is not yet passed on; wholly here and not yet at the archive; answered. */
export const STORE_POINTS = ['stored', 'received', 'answered'] as const
export type StorePoint = (typeof STORE_POINTS)[number]

export interface StoreRecord {
  /** How often the archive listed it as stored. */
  times: number
  /** SHA-256 of each different file that was sent under this UID. */
  readonly digests: Set<string>
}

interface Hook {
  readonly point: StorePoint
  readonly act: () => Promise<unknown>
  readonly done: () => void
}

const LIMITS = { maxPartBytes: 64 << 20, maxParts: 1000 }
const REFERENCED_SOP_SEQUENCE = '00081199'
const REFERENCED_SOP_INSTANCE_UID = '00081155'

export class RecordingArchive {
  /** By SOP Instance UID. */
  readonly stores = new Map<string, StoreRecord>()
  readonly #archive: Orthanc
  readonly #server: Server
  #open = 0
  #hook: Hook | null = null

  private constructor(archive: Orthanc) {
    this.#archive = archive
    this.#server = createServer((request, response) => void this.#serve(request, response).catch(() => response.destroy()))
  }

  static async start(archive: Orthanc): Promise<RecordingArchive> {
    const recording = new RecordingArchive(archive)
    await new Promise<void>((resolve) => recording.#server.listen(0, '127.0.0.1', resolve))
    return recording
  }

  /** Without a slash at its end. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Stores that have begun, and are neither answered nor broken off. */
  get openStores(): number {
    return this.#open
  }

  /** Does this once, as soon as a store comes to the point, and holds the store meanwhile. Resolves when it is done. */
  atNextStore(point: StorePoint, act: () => Promise<unknown>): Promise<void> {
    return new Promise((done) => {
      this.#hook = { point, act, done }
    })
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') return answer(response, await this.#ask(request, null))
    this.#open++
    response.once('close', () => this.#open--)
    const body = await bytesOf(request)
    await this.#reach('received')
    // As if the bytes had gone with their sender.
    if (response.closed) return
    const listing = await this.#ask(request, body)
    await this.#record(listing.body, await digestsOf(request, body))
    await this.#reach('stored')
    answer(response, listing)
    await this.#reach('answered')
  }

  async #reach(point: StorePoint): Promise<void> {
    if (this.#hook?.point !== point) return
    const { act, done } = this.#hook
    this.#hook = null
    await act()
    done()
  }

  async #ask({ method = 'GET', url = '/', headers }: IncomingMessage, body: Buffer | null): Promise<Answer> {
    const names = ['content-type', 'accept'].flatMap((name) => (typeof headers[name] === 'string' ? [[name, headers[name]] as const] : []))
    const response = await fetch(`${this.#archive.url}${url}`, { method, headers: Object.fromEntries(names), body: body === null ? null : new Uint8Array(body) })
    return { status: response.status, contentType: response.headers.get('content-type') ?? '', body: Buffer.from(await response.arrayBuffer()) }
  }

  async #record(listing: Buffer, sent: ReadonlyMap<string, string>): Promise<void> {
    for (const uid of listedAsStored(listing)) {
      const record = this.stores.get(uid) ?? { times: 0, digests: new Set() }
      record.times++
      record.digests.add(sent.get(uid) ?? '')
      this.stores.set(uid, record)
    }
  }
}

interface Answer {
  readonly status: number
  readonly contentType: string
  readonly body: Buffer
}

function answer(response: ServerResponse, { status, contentType, body }: Answer): void {
  // 204 has no body.
  response.writeHead(status, body.length === 0 ? {} : { 'Content-Type': contentType }).end(body)
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** SOP Instance UID to SHA-256 of each file of the request. */
async function digestsOf({ headers }: IncomingMessage, body: Buffer): Promise<Map<string, string>> {
  const { boundary } = parseMultipartType(headers['content-type'] ?? '')
  const digests = new Map<string, string>()
  for await (const { bytes } of readParts(oneChunk(body), boundary, LIMITS)) digests.set(readFileMeta(bytes).sopInstanceUid, sha256(bytes))
  return digests
}

async function* oneChunk(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** PS3.18 section 10.5.3: what the archive says that it stored. */
function listedAsStored(listing: Buffer): string[] {
  if (listing.length === 0) return []
  const dataset = JSON.parse(listing.toString()) as Record<string, { Value?: Record<string, { Value?: string[] }>[] }>
  return (dataset[REFERENCED_SOP_SEQUENCE]?.Value ?? []).flatMap((item) => item[REFERENCED_SOP_INSTANCE_UID]?.Value ?? [])
}
