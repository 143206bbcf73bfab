/** The app in, an HTTP server out that gives no client more time or memory than it needs. */
import { createServer, type RequestListener, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { Problem } from '../domain/problem.ts'
import { PROBLEM_MEDIA_TYPE, toProblemDocument } from './problem-json.ts'

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
  const server = createServer(
    {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: limits.checkIntervalMs,
      maxHeaderSize: limits.maxHeaderBytes,
      requireHostHeader: true,
    },
    listener,
  )
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_SOCKET
  server.maxConnections = limits.maxConnections
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => answerClientError(error, socket, newId()))
  return server
}

/** A request that HTTP itself can't read never reaches the app: its answer is written by hand, and the connection ends. */
function answerClientError(error: NodeJS.ErrnoException, socket: Duplex, requestId: string): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const body = JSON.stringify(toProblemDocument(new Problem('request-malformed', detailOf(error.code), {}), requestId))
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nContent-Type: ${PROBLEM_MEDIA_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n${body}`,
  )
}

function detailOf(code: string | undefined): string {
  if (code === 'HPE_HEADER_OVERFLOW') return 'the head of the request is too large'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'the request did not arrive in time'
  return 'this is no HTTP request'
}
