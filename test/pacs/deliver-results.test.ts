import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { PullOrder, ResultObject } from '../../src/domain/job.ts'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { createDelivery, createRetrieval } from '../../src/pacs/deliver-results.ts'
import { type DimseScp, openDimseScp } from '../../src/pacs/dimse-scp.ts'
import { createMovedInstances } from '../../src/pacs/moved-instances.ts'
import type { Peer } from '../../src/pacs/peers.ts'
import { readFileMeta } from '../../src/pacs/read-file-meta.ts'
import { corpusFile, hasCorpus } from '../support/corpus.ts'
import { freePort } from '../support/free-port.ts'
import { hasOrthanc, type Orthanc, startOrthanc, stow } from '../support/orthanc.ts'
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
/** The UID of (0020,element), explicit VR little endian. */
function uidAt(file: Uint8Array, element: number): string {
  const bytes = Buffer.from(file)
  const at = bytes.indexOf(Buffer.from([0x20, 0, element, 0, 0x55, 0x49]))
  return bytes.toString('latin1', at + 8, at + 8 + bytes.readUInt16LE(at + 6)).replace(/\0$/, '')
}

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
    const dimse = { kind: 'dimse', host: '127.0.0.1', port: orthanc.dicomPort, calledAeTitle: 'ORTHANC', callingAeTitle: 'ATTENDING', tls: null, timeoutMs: 20_000 } as const
    peers = [
      { kind: 'dicomweb', name: 'web', url: `${orthanc.url}/dicom-web`, authentication: { kind: 'none' }, tls: null, timeoutMs: 20_000 },
      { ...dimse, name: 'dimse' },
      { ...dimse, name: 'get', retrieveBy: 'get' },
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

  const fetched = async (order: PullOrder, maxPartBytes = limits.maxPartBytes): Promise<readonly Uint8Array[]> => {
    const files: Uint8Array[] = []
    for await (const bytes of createRetrieval(peers, { ...limits, maxPartBytes }, null)(order, never)) files.push(bytes)
    return files
  }
  const uidsOf = (files: readonly Uint8Array[]): readonly string[] => files.map((bytes) => readFileMeta(bytes).sopInstanceUid).sort()

  it('comes by C-GET without a receiver: a study, a series or one instance, private elements too', async () => {
    await createDelivery(peers)('dimse', [object('1.2.8.1'), object('1.2.8.2')], never, false)
    const study = await fetched(pull('get'))
    expect(uidsOf(study)).toEqual(['1.2.8.1', '1.2.8.2'])
    expect(study.every((bytes) => Buffer.from(bytes).includes('a private element'))).toBe(true)
    expect(uidsOf(await fetched({ ...pull('get'), seriesInstanceUid: '1.2.2' }))).toEqual(['1.2.8.1', '1.2.8.2'])
    expect(uidsOf(await fetched({ ...pull('get'), seriesInstanceUid: '1.2.2', sopInstanceUid: '1.2.8.2' }))).toEqual(['1.2.8.2'])
    await expect(fetched({ ...pull('get'), studyInstanceUid: '9.9' })).rejects.toMatchObject({ code: 'pacs-refused' })
  })

  it('keeps nothing by C-GET that is larger than the limit, and says that it failed', async () => {
    await createDelivery(peers)('dimse', [object('1.2.8.1')], never, false)
    await expect(fetched(pull('get'), 100)).rejects.toMatchObject({ code: expect.stringMatching(/^pacs-/) })
  })

  it.skipIf(!hasCorpus)(
    'comes by C-GET in the transfer syntax in which the archive keeps it (needs the corpus)',
    async () => {
      const files = ['cr_mono1_j2kr_u10.dcm', 'ct_small_evle.dcm', 'mr4_jlsn_neg_intercept.dcm'].map((name) => new Uint8Array(readFileSync(corpusFile(name))))
      expect((await stow(orthanc, files)).failed).toEqual([])
      for (const file of files) {
        const { sopInstanceUid, transferSyntaxUid } = readFileMeta(file)
        const [studyInstanceUid = '', seriesInstanceUid = ''] = [0x0d, 0x0e].map((element) => uidAt(file, element))
        const [got] = await fetched({ ...pull('get'), studyInstanceUid, seriesInstanceUid, sopInstanceUid }, 1 << 25)
        expect([readFileMeta(got!).sopInstanceUid, readFileMeta(got!).transferSyntaxUid]).toEqual([sopInstanceUid, transferSyntaxUid])
        const [own, theirs] = await Promise.all([file, got!].map(async (bytes) => (await decodeImage(bytes, { frame: 1 })).image.pixels.data))
        expect(theirs).toEqual(own)
      }
    },
    120_000,
  )

  it('refuses a peer that is no longer configured, and a move without a receiver', async () => {
    await expect(createDelivery(peers)('gone', [object('1.2.8.1')], never, false)).rejects.toMatchObject({ code: 'pacs-refused' })
    expect(() => createRetrieval(peers, limits, null)(pull('dimse'), never)).toThrow(expect.objectContaining({ code: 'pacs-refused' }))
  })
})
