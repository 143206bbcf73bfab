/** Archives that say what they should not, each a receiver of ours behind a wire that changes its words. */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type DimseScp, openDimseScp } from '../../src/pacs/dimse-scp.ts'
import { echo, storeByDimse } from '../../src/pacs/dimse-scu.ts'
import type { DimsePeer } from '../../src/pacs/peers.ts'
import { syntheticFile } from './support/synthetic-files.ts'

const CR = '1.2.840.10008.5.1.4.1.1.1'
let scp: DimseScp
let wire: Server
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  wire.close()
  await scp.close(0)
})

/** The archive, whose words to us go through `change`. */
async function archive(change: (said: Buffer) => Buffer): Promise<DimsePeer> {
  scp = await openDimseScp({
    host: '127.0.0.1',
    port: 0,
    aeTitle: 'ARCHIVE',
    peers: [{ aeTitle: 'ATTENDING', addresses: [] }],
    tls: null,
    maxAssociations: 4,
    maxObjectBytes: 1 << 20,
    idleTimeoutMs: 5000,
    accept: async () => {},
  })
  wire = createServer((near) => {
    const far = connect(scp.port, '127.0.0.1')
    sockets.push(near, far)
    for (const socket of [near, far]) socket.on('error', () => {})
    near.pipe(far)
    far.on('data', (said) => near.write(change(said)))
    far.on('end', () => near.end())
  })
  wire.listen(0, '127.0.0.1')
  await once(wire, 'listening')
  const address = wire.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { kind: 'dimse', name: 'archive', host: '127.0.0.1', port, calledAeTitle: 'ARCHIVE', callingAeTitle: 'ATTENDING', tls: null, timeoutMs: 5000 }
}

/** PS3.8 table D.1-2: the longest PDU that is read, in the answer to a request for an association. */
const withMaxLength =
  (bytes: number) =>
  (said: Buffer): Buffer => {
    const at = said.readUInt8(0) === 2 ? said.indexOf(Buffer.from([0x51, 0, 0, 4])) : -1
    if (at >= 0) said.writeUInt32BE(bytes, at + 4)
    return said
  }

const object = { kind: 'sc', studyInstanceUid: '1.2.8', seriesInstanceUid: '1.2.9', sopClassUid: CR, sopInstanceUid: '1.2.5', bytes: syntheticFile(CR, '1.2.5') } as const

describe('the DIMSE sender', () => {
  it.each([0, 1024, 131_072])('stores in an archive that reads PDUs of %i bytes', async (bytes) => {
    await storeByDimse(await archive(withMaxLength(bytes)), [object])
  })

  // The library would cut the object into pieces of no bytes, without end.
  it.each([1, 5, 6, 7, 1023])('does not send to one that reads PDUs of %i bytes', async (bytes) => {
    await expect(storeByDimse(await archive(withMaxLength(bytes)), [object])).rejects.toMatchObject({ code: 'pacs-refused', message: expect.stringContaining('1024') })
  })

  it.each([
    ['no DICOM', (): Buffer => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['an answer of four gigabytes', (): Buffer => Buffer.from('0200fffffff0', 'hex')],
    ['nothing that is whole', (said: Buffer): Buffer => said.subarray(0, 10)],
  ])('takes an archive that says %s for one that failed', async (_name, change) => {
    const peer = await archive(change)
    await expect(echo({ ...peer, timeoutMs: 1500 })).rejects.toMatchObject({ code: expect.stringMatching(/^pacs-(refused|unreachable)$/) })
  })
})
