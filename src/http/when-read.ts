/** A request whose body nobody needs any more in, a promise out: of its end, of its client's going, or of the time that is given to both. */
import type { IncomingMessage } from 'node:http'

/** For a client to take its last answer and go, before the connection is cut (RFC 9112 section 9.6). */
export const LINGER_MS = 2_000

/** Resolves once the rest of the body has been read and dropped, or LINGER_MS are over. */
export function whenRead(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    if (request.complete || request.destroyed) return void resolve()
    const timer = setTimeout(resolve, LINGER_MS).unref()
    request.once('close', () => clearTimeout(timer))
    for (const event of ['end', 'close'] as const) request.once(event, () => resolve())
    request.resume()
  })
}
