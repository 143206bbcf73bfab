/** Associations of configured peers in, received files out, each accepted before it is acknowledged (PS3.7 C-ECHO and C-STORE as SCP). */
import { once } from 'node:events'
import { createServer as createPlainServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { MAX_PDU_BYTES } from './dimse-library.ts'
import type { DimseScpSettings } from './dimse-scp-settings.ts'
import { ReceivingScp } from './receiving-scp.ts'

export interface DimseScp {
  readonly port: number
  /** Associations that are open. */
  associations(): number
  /** Takes no more, and ends those that are open once what they are sending is acknowledged, at the latest after the given time. */
  close(graceMs: number): Promise<void>
}

/** Listens, or throws what the operating system says. */
export async function openDimseScp(settings: DimseScpSettings): Promise<DimseScp> {
  const open = new Set<ReceivingScp>()
  const server = createServer(settings, (socket) => {
    const scp = new ReceivingScp(socket, settings, () => open.size)
    open.add(scp)
    socket.on('close', () => open.delete(scp))
  })
  server.listen(settings.port, settings.host)
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : settings.port,
    associations: () => open.size,
    close: (graceMs) => closeAll(server, open, graceMs),
  }
}

function createServer({ tls, maxAssociations, idleTimeoutMs }: DimseScpSettings, connected: (socket: Socket) => void): Server {
  const limits = { highWaterMark: MAX_PDU_BYTES, noDelay: true }
  const server =
    tls === null
      ? createPlainServer(limits, connected)
      : createTlsServer(
          {
            ...limits,
            key: tls.key,
            cert: tls.certificate,
            ca: tls.authorities,
            requestCert: tls.authorities !== undefined,
            rejectUnauthorized: tls.authorities !== undefined,
            handshakeTimeout: idleTimeoutMs,
          },
          connected,
        )
  // One more than is served, so that it can be told why it is not.
  server.maxConnections = maxAssociations + 8
  return server
}

async function closeAll(server: Server, open: ReadonlySet<ReceivingScp>, graceMs: number): Promise<void> {
  server.close()
  const timer = setTimeout(() => {
    for (const scp of open) scp.destroy()
  }, graceMs)
  for (const scp of open) scp.endWhenIdle()
  if (server.listening || open.size > 0) await once(server, 'close')
  clearTimeout(timer)
}
