/** The app in, an HTTP server out that gives no client more time or memory than it needs. */
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { Problem } from '../domain/problem.ts'
import { PROBLEM_MEDIA_TYPE, toProblemDocument } from './problem-json.ts'
import { LINGER_MS } from './when-read.ts'

export interface ServerLimits {
  /** For the whole head of a request, from the first byte. */
  readonly headersTimeoutMs: number
  /** For the whole request, its body included. */
  readonly requestTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  /** How often the two are looked at. */
  readonly checkIntervalMs: number
  readonly maxHeaderBytes: number
  readonly maxConnections: number
}

export const SERVER_LIMITS: ServerLimits = {
  headersTimeoutMs: 10_000,
  // A study by STOW-RS over a slow line; what it may hold in memory meanwhile is bounded apart.
  requestTimeoutMs: 300_000,
  keepAliveTimeoutMs: 5_000,
  checkIntervalMs: 1_000,
  maxHeaderBytes: 16 * 1024,
  maxConnections: 1024,
}

const MAX_REQUESTS_PER_SOCKET = 1000

export function createHttpServer(listener: RequestListener, limits: ServerLimits, newId: () => string): Server {
  const responses = new WeakMap<Duplex, ServerResponse>()
  const listen: RequestListener = (request, response) => {
    responses.set(request.socket, response)
    listener(request, response)
  }
  const server = createServer(
    {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: limits.checkIntervalMs,
      maxHeaderSize: limits.maxHeaderBytes,
      // The app says that a host is missing, as a problem; Node would say nothing.
      requireHostHeader: false,
    },
    listen,
  )
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_SOCKET
  server.maxConnections = limits.maxConnections
  // So is an expectation that Node knows not.
  server.on('checkExpectation', listen)
  const refused = new WeakSet<Duplex>()
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET') return void socket.destroy()
    // What comes behind the first error is read and dropped.
    if (refused.has(socket)) return
    refused.add(socket)
    refuse(error, socket, responses.get(socket), newId)
  })
  return server
}

/** A request that HTTP itself can't read never reaches the app, or ends amid its body: its answer is written by hand, and the connection ends. */
function refuse(error: NodeJS.ErrnoException, socket: Duplex, response: ServerResponse | undefined, newId: () => string): void {
  const answer = (): void => answerClientError(error, socket, newId())
  const isUnderWay = response !== undefined && !(response.req.complete && response.writableFinished)
  // The request before this one is whole, and its answer comes first.
  if (isUnderWay && response.req.complete) response.once('close', answer)
  // An answer that has begun can't become another one.
  else if (isUnderWay && response.headersSent) socket.destroy()
  else answer()
}

function answerClientError(error: NodeJS.ErrnoException, socket: Duplex, requestId: string): void {
  if (!socket.writable) return void socket.destroy()
  const body = JSON.stringify(toProblemDocument(new Problem('request-malformed', detailOf(error.code), {}), requestId))
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nContent-Type: ${PROBLEM_MEDIA_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n${body}`,
  )
  const cut = setTimeout(() => socket.destroy(), LINGER_MS).unref()
  socket.once('close', () => clearTimeout(cut))
}

function detailOf(code: string | undefined): string {
  if (code === 'HPE_HEADER_OVERFLOW') return 'the head of the request is too large'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'the request did not arrive in time'
  return 'this is no HTTP request'
}
