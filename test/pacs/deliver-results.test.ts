import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { PullOrder, ResultObject } from '../../src/domain/job.ts'
import { createDelivery, createRetrieval } from '../../src/pacs/deliver-results.ts'
import { type DimseScp, openDimseScp } from '../../src/pacs/dimse-scp.ts'
import { createMovedInstances } from '../../src/pacs/moved-instances.ts'
import type { Peer } from '../../src/pacs/peers.ts'
import { readFileMeta } from '../../src/pacs/read-file-meta.ts'
import { hasOrthanc, type Orthanc, startOrthanc } from '../support/orthanc.ts'
import { freePort } from '../support/postgres.ts'
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
const pull = (archive: string): PullOrder => ({
  kind: 'pull',
  archive,
  studyInstanceUid: '1.2.1',
  seriesInstanceUid: null,
  sopInstanceUid: null,
  modelId: null,
  destinations: null,
})
const never = new AbortController().signal
const limits = { maxPartBytes: 1 << 20, maxParts: 100 }

describe('moved instances', () => {
  it('are acknowledged only once the pull has come back for more', async () => {
    const moved = createMovedInstances()
    const inbox = moved.expect('PACS')
    const log: string[] = []
    const offered = moved.offer('PACS', Buffer.from('a')).then((isTaken) => log.push(`acknowledged ${isTaken}`))
    const reading = (async () => {
      for await (const bytes of inbox.instances) {
        await new Promise((resolve) => setTimeout(resolve, 20))
        log.push(`kept ${Buffer.from(bytes)}`)
        inbox.end()
      }
    })()
    await Promise.all([offered, reading])
    expect(log).toEqual(['kept a', 'acknowledged true'])
  })

  it('are nobody’s where no pull waits, and where it gave up', async () => {
    const moved = createMovedInstances()
    expect(await moved.offer('PACS', Buffer.from('a'))).toBe(false)
    const inbox = moved.expect('PACS')
    const offered = moved.offer('PACS', Buffer.from('a'))
    inbox.close()
    expect(await offered).toBe(false)
    expect(await moved.offer('OTHER', Buffer.from('a'))).toBe(false)
  })
})

describe.skipIf(!hasOrthanc)(`delivery to and retrieval from Orthanc${hasOrthanc ? '' : " (needs Debian's orthanc and orthanc-dicomweb)"}`, () => {
  let orthanc: Orthanc
  let scpPort: number
  let scp: DimseScp | null = null
  let peers: Peer[]

  beforeAll(async () => {
    scpPort = await freePort()
    orthanc = await startOrthanc({ attending: ['ATTENDING', '127.0.0.1', scpPort] })
    peers = [
      { kind: 'dicomweb', name: 'web', url: `${orthanc.url}/dicom-web`, authentication: { kind: 'none' }, tls: null, timeoutMs: 20_000 },
      { kind: 'dimse', name: 'dimse', host: '127.0.0.1', port: orthanc.dicomPort, calledAeTitle: 'ORTHANC', callingAeTitle: 'ATTENDING', tls: null, timeoutMs: 20_000 },
    ]
  })
  afterAll(() => orthanc?.stop())
  afterEach(async () => {
    await scp?.close(0)
    scp = null
  })

  it('comes to the same archive content by both roads', async () => {
    const deliver = createDelivery(peers)
    await deliver('web', [object('1.2.8.1')], never, false)
    await deliver('dimse', [object('1.2.8.1'), object('1.2.8.2')], never, false)
    const moved = createMovedInstances()
    scp = await openDimseScp({
      host: '127.0.0.1',
      port: scpPort,
      aeTitle: 'ATTENDING',
      peers: [{ aeTitle: 'ORTHANC', addresses: [] }],
      tls: null,
      maxAssociations: 4,
      maxObjectBytes: 1 << 20,
      idleTimeoutMs: 20_000,
      accept: async ({ bytes, callingAeTitle }) => expect(await moved.offer(callingAeTitle, bytes)).toBe(true),
    })
    const retrieve = createRetrieval(peers, limits, { aeTitle: 'ATTENDING', moved })
    for (const archive of ['web', 'dimse']) {
      const uids: string[] = []
      for await (const bytes of retrieve(pull(archive), never)) uids.push(readFileMeta(bytes).sopInstanceUid)
      expect([archive, ...uids.sort()]).toEqual([archive, '1.2.8.1', '1.2.8.2'])
    }
  })

  it('refuses a peer that is no longer configured, and a move without a receiver', async () => {
    await expect(createDelivery(peers)('gone', [object('1.2.8.1')], never, false)).rejects.toMatchObject({ code: 'pacs-refused' })
    expect(() => createRetrieval(peers, limits, null)(pull('dimse'), never)).toThrow(expect.objectContaining({ code: 'pacs-refused' }))
  })
})
