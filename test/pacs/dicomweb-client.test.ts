import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ResultObject } from '../../src/domain/job.ts'
import { findInstances, findMissing, hasInstance, retrieveInstances, storeInstances } from '../../src/pacs/dicomweb-client.ts'
import { buildMultipart } from '../../src/pacs/multipart.ts'
import type { DicomwebPeer } from '../../src/pacs/peers.ts'
import { hasOrthanc, type Orthanc, retrieve, startOrthanc } from '../support/orthanc.ts'
import { syntheticFile } from './support/synthetic-files.ts'

const CR = '1.2.840.10008.5.1.4.1.1.1'
const object = (sopInstanceUid: string): ResultObject => ({
  kind: 'sc',
  studyInstanceUid: '1.2.8',
  seriesInstanceUid: '1.2.9',
  sopClassUid: CR,
  sopInstanceUid,
  bytes: syntheticFile(CR, sopInstanceUid),
})
const peerAt = (url: string, fields: Partial<DicomwebPeer> = {}): DicomwebPeer => ({
  kind: 'dicomweb',
  name: 'archive',
  url,
  authentication: { kind: 'none' },
  tls: null,
  timeoutMs: 5000,
  ...fields,
})
const study = { studyInstanceUid: '1.2.1', seriesInstanceUid: null, sopInstanceUid: null }
const limits = { maxPartBytes: 1 << 20, maxParts: 10 }

async function collect(parts: AsyncIterable<Uint8Array>): Promise<Buffer[]> {
  const all: Buffer[] = []
  for await (const part of parts) all.push(Buffer.from(part))
  return all
}

describe('a DICOMweb archive that answers as it is told', () => {
  let server: Server
  let asked: { method: string; url: string; headers: IncomingMessage['headers'] }[] = []
  let answers: ((request: IncomingMessage) => { status: number; body?: string | Buffer; headers?: Record<string, string> } | 'reset' | 'silence')[] = []
  let peer: DicomwebPeer

  beforeAll(async () => {
    server = createServer(async (request, response) => {
      for await (const _ of request) void _
      asked.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers })
      const answer = answers.shift()?.(request) ?? { status: 500 }
      if (answer === 'reset') request.socket.destroy()
      else if (answer !== 'silence') response.writeHead(answer.status, answer.headers).end(answer.body)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    peer = peerAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}/dicom-web/`)
  })

  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })
  afterEach(() => {
    asked = []
    answers = []
  })

  const listing = (stored: readonly string[], failed: readonly (readonly [string, number])[] = []): string =>
    JSON.stringify({
      '00081199': { vr: 'SQ', Value: stored.map((uid) => ({ '00081155': { vr: 'UI', Value: [uid] } })) },
      '00081198': { vr: 'SQ', Value: failed.map(([uid, reason]) => ({ '00081155': { vr: 'UI', Value: [uid] }, '00081197': { vr: 'US', Value: [reason] } })) },
    })
  const found = (uid: string) => () => ({ status: 200, body: JSON.stringify([{ '00080018': { vr: 'UI', Value: [uid] } }]) })
  const notFound = () => ({ status: 204 })

  it('takes an object for stored where the answer lists it as stored', async () => {
    answers = [() => ({ status: 200, body: listing(['1.5', '1.6']) })]
    await storeInstances(peer, [object('1.5'), object('1.6')])
    expect(asked.map(({ method, url }) => `${method} ${url}`)).toEqual(['POST /dicom-web/studies'])
    expect(asked[0]?.headers['content-length']).toMatch(/^\d+$/)
  })

  it('asks for an object that a 200 does not list, and believes what is found', async () => {
    answers = [() => ({ status: 200, body: listing([]) }), found('1.5')]
    await storeInstances(peer, [object('1.5')])
    expect(asked[1]?.url).toBe('/dicom-web/instances?SOPInstanceUID=1.5&limit=1')
  })

  it('does not take 200 alone for stored', async () => {
    answers = [() => ({ status: 200, body: '' }), notFound]
    await expect(storeInstances(peer, [object('1.5')])).rejects.toMatchObject({ code: 'pacs-unreachable' })
  })

  it('does not believe an archive that finds another instance than the one asked for', async () => {
    answers = [() => ({ status: 200, body: '' }), found('1.6')]
    await expect(storeInstances(peer, [object('1.5')])).rejects.toMatchObject({ code: 'pacs-unreachable' })
  })

  it('asks again for an object that is listed as stored and as failed', async () => {
    answers = [() => ({ status: 202, body: listing(['1.5'], [['1.5', 0xc000]]) }), notFound]
    await expect(storeInstances(peer, [object('1.5')])).rejects.toMatchObject({ code: 'pacs-refused', message: expect.stringContaining('C000') })
  })

  it('takes a conflict for stored where the archive has the instance', async () => {
    answers = [() => ({ status: 409, body: listing([], [['1.5', 0x0111]]) }), found('1.5')]
    await storeInstances(peer, [object('1.5')])
  })

  it('finds what the archive lacks, and nothing is sent where it lacks nothing', async () => {
    answers = [found('1.5'), notFound]
    expect((await findMissing(peer, [object('1.5'), object('1.6')])).map(({ sopInstanceUid }) => sopInstanceUid)).toEqual(['1.6'])
    await storeInstances(peer, [])
    expect(asked.map(({ method }) => method)).toEqual(['GET', 'GET'])
  })

  it('takes everything for missing where the archive cannot be searched', async () => {
    answers = [found('1.5'), () => ({ status: 404 })]
    expect(await findMissing(peer, [object('1.5'), object('1.6')])).toHaveLength(2)
  })

  it.each([
    [0xa700, 'pacs-unreachable'],
    [0x0110, 'pacs-unreachable'],
    [0x0122, 'pacs-refused'],
    [0xa900, 'pacs-refused'],
  ])('tells failure reason %i apart: %s', async (reason, code) => {
    answers = [() => ({ status: 409, body: listing([], [['1.5', reason]]) }), notFound]
    await expect(storeInstances(peer, [object('1.5')])).rejects.toMatchObject({ code })
  })

  it.each([
    [401, 'pacs-refused'],
    [404, 'pacs-refused'],
    [415, 'pacs-refused'],
    [429, 'pacs-unreachable'],
    [503, 'pacs-unreachable'],
  ])('takes HTTP %i for %s', async (status, code) => {
    answers = [() => ({ status })]
    await expect(storeInstances(peer, [object('1.5')])).rejects.toMatchObject({ code })
  })

  it('follows no redirect', async () => {
    answers = [() => ({ status: 307, headers: { Location: 'http://127.0.0.1:1/elsewhere' } })]
    await expect(storeInstances(peer, [object('1.5')])).rejects.toMatchObject({ code: 'pacs-refused' })
    expect(asked).toHaveLength(1)
  })

  it('takes a broken connection, silence and an absent server for unreachable', async () => {
    answers = [() => 'reset', () => 'silence']
    await expect(storeInstances(peer, [object('1.5')])).rejects.toMatchObject({ code: 'pacs-unreachable' })
    await expect(storeInstances({ ...peer, timeoutMs: 200 }, [object('1.5')])).rejects.toMatchObject({ code: 'pacs-unreachable' })
    await expect(storeInstances(peerAt('http://127.0.0.1:1'), [object('1.5')])).rejects.toMatchObject({ code: 'pacs-unreachable' })
  })

  it('ends a request whose job was cancelled', async () => {
    const job = new AbortController()
    // Cancelled once it is there: a request that came later would take the next test's answer.
    answers = [
      () => {
        job.abort()
        return 'silence'
      },
    ]
    await expect(storeInstances(peer, [object('1.5')], job.signal)).rejects.toMatchObject({ code: 'pacs-unreachable' })
    expect(asked).toHaveLength(1)
  })

  it.each([
    [{ kind: 'basic', user: 'u', password: 'p' }, 'Basic dTpw'],
    [{ kind: 'bearer', accessToken: 'abc' }, 'Bearer abc'],
  ] as const)('authenticates as %o', async (authentication, header) => {
    answers = [found('1.5')]
    await hasInstance({ ...peer, authentication }, '1.5')
    expect(asked[0]?.headers.authorization).toBe(header)
  })

  it('keeps what a UID could smuggle into a path inside its segment', async () => {
    answers = [notFound]
    await findInstances(peer, { ...study, studyInstanceUid: '../../admin?x=' })
    expect(asked[0]?.url).toBe('/dicom-web/studies/..%2F..%2Fadmin%3Fx%3D/instances')
  })

  it('retrieves every part and asks for the transfer syntax as stored', async () => {
    const { contentType, body } = buildMultipart([Buffer.from('one'), Buffer.from('two')], 'bbb')
    answers = [() => ({ status: 200, body, headers: { 'Content-Type': contentType } })]
    expect((await collect(retrieveInstances(peer, study, limits))).map(String)).toEqual(['one', 'two'])
    expect(asked[0]?.headers.accept).toContain('transfer-syntax=*')
  })

  it('takes a broken-off answer for unreachable, and an unusable one for refused', async () => {
    const { contentType, body } = buildMultipart([Buffer.from('one'), Buffer.alloc(2 << 20)], 'bbb')
    answers = [
      () => ({ status: 200, body: body.subarray(0, 100), headers: { 'Content-Type': contentType } }),
      () => ({ status: 200, body, headers: { 'Content-Type': contentType } }),
      () => ({ status: 200, body: 'a page', headers: { 'Content-Type': 'text/html' } }),
    ]
    await expect(collect(retrieveInstances(peer, study, limits))).rejects.toMatchObject({ code: 'pacs-unreachable' })
    await expect(collect(retrieveInstances(peer, study, limits))).rejects.toMatchObject({ code: 'pacs-refused' })
    await expect(collect(retrieveInstances(peer, study, limits))).rejects.toMatchObject({ code: 'pacs-refused' })
  })
})

describe.skipIf(!hasOrthanc)(`Orthanc as the archive${hasOrthanc ? '' : " (needs Debian's orthanc and orthanc-dicomweb)"}`, () => {
  let orthanc: Orthanc
  let peer: DicomwebPeer

  beforeAll(async () => {
    orthanc = await startOrthanc()
    peer = peerAt(`${orthanc.url}/dicom-web`, { timeoutMs: 30_000 })
  })
  afterAll(() => orthanc?.stop())

  it('stores an object, finds it, stores it again without doubling it, and gives it back with its private element', async () => {
    await storeInstances(peer, [object('1.2.840.5.1')])
    await storeInstances(peer, [object('1.2.840.5.1'), object('1.2.840.5.2')])
    expect([...(await findInstances(peer, study))].sort()).toEqual(['1.2.840.5.1', '1.2.840.5.2'])
    expect([await hasInstance(peer, '1.2.840.5.1'), await hasInstance(peer, '1.2.840.5.9')]).toEqual([true, false])
    const files = await collect(retrieveInstances(peer, study, limits))
    expect(files).toHaveLength(2)
    expect(files.every((bytes) => bytes.includes('a private element'))).toBe(true)
    expect(Buffer.from(await retrieve(orthanc, '1.2.840.5.1')).equals(syntheticFile(CR, '1.2.840.5.1'))).toBe(true)
  })

  it('reports what Orthanc will not have', async () => {
    await expect(storeInstances(peer, [{ ...object('1.2.840.5.3'), bytes: Buffer.from('no DICOM') }])).rejects.toMatchObject({ code: expect.stringMatching(/^pacs-/) })
  })
})
