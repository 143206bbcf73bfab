/** What a peer may not do to the DIMSE receiver, each conversation written byte by byte. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { type DimseScp, openDimseScp } from '../../src/pacs/dimse-scp.ts'
import type { DimseScpSettings } from '../../src/pacs/dimse-scp-settings.ts'
import { associate, context, data, store, type Unit, writeUnit } from '../fuzz/dimse-seeds.ts'
import { ACCEPTED, DATA, REJECTED, readDimseAnswer } from '../fuzz/read-dimse-answer.ts'

const CR = '1.2.840.10008.5.1.4.1.1.1'
const EXPLICIT = '1.2.840.10008.1.2.1'
const STORING = associate([context(1, CR, [EXPLICIT])])
const RELEASE_RP: Unit = { kind: 'pdu', type: 6, control: 0, lie: 0, parts: [new Uint8Array(4)] }

const scps: DimseScp[] = []
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await Promise.all(scps.splice(0).map((scp) => scp.close(0)))
})

async function open(settings: Partial<DimseScpSettings> = {}): Promise<DimseScp> {
  const scp = await openDimseScp({
    host: '127.0.0.1',
    port: 0,
    aeTitle: 'ATTENDING',
    peers: [{ aeTitle: 'FUZZ', addresses: [] }],
    tls: null,
    maxAssociations: 4,
    maxObjectBytes: 4 << 20,
    idleTimeoutMs: 20_000,
    accept: async () => {},
    ...settings,
  })
  scps.push(scp)
  return scp
}

interface Peer {
  readonly socket: Socket
  /** What the receiver has said. */
  heard(): Buffer
  /** When the receiver has closed its side, or broken the connection. */
  readonly closed: Promise<void>
}

/** A peer that does not close its side when the other one does. */
async function call({ port }: DimseScp): Promise<Peer> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('error', () => {})
  sockets.push(socket)
  const closed = new Promise<void>((resolve) => {
    for (const event of ['end', 'close']) socket.once(event, () => resolve())
  })
  await once(socket, 'connect')
  return { socket, heard: () => Buffer.concat(chunks), closed }
}

async function stores(scp: DimseScp): Promise<number | null | undefined> {
  const { socket, heard } = await call(scp)
  socket.write(Buffer.concat([STORING, ...store(1, CR, '1.2.3', 1).map((pdv) => data([pdv]))].map(writeUnit)))
  await expect.poll(() => readDimseAnswer(heard()).responses.length).toBe(1)
  return readDimseAnswer(heard()).responses[0]?.status
}

describe('the DIMSE receiver', () => {
  it('closes an association of more contexts than have numbers, and serves the next peer', async () => {
    const scp = await open()
    const { socket, heard, closed } = await call(scp)
    socket.write(writeUnit(associate(Array.from({ length: 129 }, (_, i) => context(2 * i + 1, CR, [EXPLICIT])))))
    await closed
    expect(heard()).toHaveLength(0)
    expect(await stores(scp)).toBe(0)
  })

  it('takes 128 contexts of twenty transfer syntaxes each', async () => {
    const scp = await open()
    const { socket, heard } = await call(scp)
    const syntaxes = Array.from({ length: 20 }, (_, i) => `1.2.840.10008.1.2.${i}`)
    const request = writeUnit(associate(Array.from({ length: 128 }, (_, i) => context(2 * i + 1, CR, syntaxes))))
    expect(request.length).toBeGreaterThan(60_000)
    socket.write(request)
    await expect.poll(() => readDimseAnswer(heard()).pduTypes).toEqual([ACCEPTED])
  })

  it('closes at a request for an association above 64 KiB, of which every context would be compared with all others', async () => {
    const { socket, heard, closed } = await call(await open())
    socket.write(writeUnit(associate(Array.from({ length: 6000 }, () => context(1, 'x', [])))))
    await closed
    expect(heard()).toHaveLength(0)
  })

  it('closes at a second request for an association', async () => {
    const { socket, heard, closed } = await call(await open())
    socket.write(Buffer.concat([writeUnit(STORING), writeUnit(STORING)]))
    await closed
    expect(readDimseAnswer(heard()).pduTypes.length).toBeLessThan(2)
  })

  it('lets a peer that it refused hold no place, whatever that goes on to send', async () => {
    const scp = await open({ idleTimeoutMs: 300 })
    const { socket, heard, closed } = await call(scp)
    socket.write(writeUnit(associate([context(1, CR, [EXPLICIT])], [], 'STRANGER')))
    await expect.poll(() => readDimseAnswer(heard()).pduTypes).toEqual([REJECTED])
    // understood, without meaning here, and far within every timeout of a silent connection
    const chatter = setInterval(() => socket.write(writeUnit(RELEASE_RP)), 50)
    await closed
    await expect.poll(() => scp.associations()).toBe(0)
    clearInterval(chatter)
  })

  it('reads no further instance while one waits to be accepted, and then answers each', async () => {
    const releases: (() => void)[] = []
    const scp = await open({ accept: () => new Promise((resolve) => releases.push(resolve)) })
    const { socket, heard } = await call(scp)
    const fragment: Unit = { kind: 'pdv', type: 1, control: 0, lie: 0, parts: [new Uint8Array(100_000)] }
    const instance = (name: string): Buffer => {
      const [command, last] = store(1, CR, name, 1)
      return Buffer.concat([command!, fragment, fragment, fragment, last!].map((pdv) => writeUnit(data([pdv]))))
    }
    socket.write(writeUnit(STORING))
    for (let i = 0; i < 20; i++) socket.write(instance(`1.2.${i}`))
    await expect.poll(() => releases.length).toBe(1)
    for (let left = 500; left > 0; left--) await turn()
    expect(releases).toHaveLength(1)
    for (let done = 0; done < 20; done++) {
      await expect.poll(() => releases.length).toBe(done + 1)
      releases[done]!()
    }
    await expect.poll(() => readDimseAnswer(heard()).responses.map(({ status }) => status)).toEqual(new Array(20).fill(0))
    expect(readDimseAnswer(heard()).pduTypes).toEqual([ACCEPTED, ...new Array(20).fill(DATA)])
  })
})
