/** A path below a configured peer's root in, its answer out; no other origin is ever asked, no redirect followed. */
import { type IncomingHttpHeaders, type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { Problem } from '../domain/problem.ts'
import type { DicomwebPeer, PeerAuthentication } from './peers.ts'

export interface PeerRequest {
  readonly method: 'GET' | 'POST' | 'PUT'
  /** Path segments below the peer's root; each is encoded. */
  readonly path: readonly string[]
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

export interface PeerAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: AsyncIterable<Uint8Array>
}

/**
 * The peer's answer, whatever its status, except for a redirect.
 *
 * Node's request is used rather than fetch, since fetch offers no client certificate.
 * Throws: "pacs-unreachable", also out of the body's iteration; "pacs-refused" for a redirect: it would lead away from what was configured.
 */
export async function requestPeer(peer: DicomwebPeer, request: PeerRequest, signal?: AbortSignal): Promise<PeerAnswer> {
  const limit = AbortSignal.timeout(peer.timeoutMs)
  const answer = await send(peer, request, signal === undefined ? limit : AbortSignal.any([signal, limit]))
  const status = answer.statusCode ?? 0
  if (status >= 300 && status < 400) {
    answer.destroy()
    throw new Problem('pacs-refused', `the archive redirects (HTTP ${status}), which is not followed`, {})
  }
  return { status, headers: answer.headers, body: bodyOf(answer) }
}

function send(peer: DicomwebPeer, request: PeerRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const url = urlOf(peer, request)
  const options: RequestOptions = {
    method: request.method,
    signal,
    headers: { ...authorization(peer.authentication), ...request.headers, ...(request.body === undefined ? {} : { 'Content-Length': String(request.body.byteLength) }) },
  }
  const tls = { key: peer.tls?.key, cert: peer.tls?.certificate, ca: peer.tls?.authorities }
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(unreachable(error))
    const sent = url.protocol === 'https:' ? requestHttps(url, { ...options, ...tls }, resolve) : requestHttp(url, options, resolve)
    sent.on('error', fail)
    sent.end(request.body)
  })
}

function urlOf(peer: DicomwebPeer, { path, query = {} }: PeerRequest): URL {
  const url = new URL(`${peer.url.replace(/\/+$/, '')}/${path.map(encodeURIComponent).join('/')}`)
  for (const [name, value] of Object.entries(query)) url.searchParams.append(name, value)
  return url
}

function authorization(authentication: PeerAuthentication): Record<string, string> {
  if (authentication.kind === 'none') return {}
  if (authentication.kind === 'bearer') return { Authorization: `Bearer ${authentication.accessToken}` }
  return { Authorization: `Basic ${Buffer.from(`${authentication.user}:${authentication.password}`).toString('base64')}` }
}

async function* bodyOf(answer: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of answer) yield chunk as Buffer
  } catch (error) {
    throw unreachable(error)
  }
}

function unreachable(error: unknown): Problem {
  return new Problem('pacs-unreachable', 'the archive does not answer, or not to the end', {}, error)
}

/** The whole body. Throws "pacs-refused" where it is larger. */
export async function readBody(answer: PeerAnswer, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of answer.body) {
    length += chunk.byteLength
    if (length > maxBytes) throw new Problem('pacs-refused', `the archive's answer is larger than ${maxBytes} bytes`, {})
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, length)
}

/** The failure that a status stands for: what may pass is worth another attempt, what the archive will not have is not. */
export function statusProblem(status: number, doing: string): Problem {
  if (status === 408 || status === 425 || status === 429 || status >= 500) return new Problem('pacs-unreachable', `the archive could not ${doing} (HTTP ${status})`, {})
  return new Problem('pacs-refused', `the archive would not ${doing} (HTTP ${status})`, {})
}
