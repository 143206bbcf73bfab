import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildUid } from '../../src/dicom/build-uid.ts'
import { Problem } from '../../src/domain/problem.ts'
import type { RetrieveKey } from '../../src/pacs/peers.ts'
import { claimWorkitem, findWorkitems } from '../../src/pacs/ups-client.ts'
import { startUpsWorker, type UpsSettings, type UpsWorker } from '../../src/pacs/ups-worker.ts'
import { UpsOriginServer } from './support/ups-origin-server.ts'

const input = (study: string, series: string, ...instances: readonly string[]): object => ({
  '0020000D': { vr: 'UI', Value: [study] },
  '0020000E': { vr: 'UI', Value: [series] },
  ...(instances.length === 0 ? {} : { '00081199': { vr: 'SQ', Value: instances.map((uid) => ({ '00081155': { vr: 'UI', Value: [uid] } })) } }),
})
const output = { studyInstanceUid: '1.2.1', seriesInstanceUid: '1.2.9', sopClassUid: '1.2.840.10008.5.1.4.1.1.88.33', sopInstanceUid: '1.2.9.1' }

describe('the worker of a UPS worklist', () => {
  let origin: UpsOriginServer
  let settings: UpsSettings
  let workers: UpsWorker[]
  let performed: RetrieveKey[][]

  beforeEach(async () => {
    origin = new UpsOriginServer()
    workers = []
    performed = []
    settings = {
      peer: { kind: 'dicomweb', name: 'worklist', url: await origin.listen(), authentication: { kind: 'none' }, tls: null, timeoutMs: 5000 },
      worklistLabel: 'attending',
      stationName: 'ATTENDING',
      pollMs: 20,
      transactionUidOf: (uid) => buildUid('transaction', uid),
      perform: async ({ inputs }, progress) => {
        performed.push([...inputs])
        await progress(0)
        await progress(50.4)
        return [output, { ...output, sopInstanceUid: '1.2.9.2' }]
      },
      now: () => new Date('2026-01-02T03:04:05Z'),
      log: { info() {}, warn() {}, error() {} },
    }
  })
  afterEach(async () => {
    await Promise.all(workers.map((worker) => worker.stop()))
    origin.close()
  })

  const start = (fields: Partial<UpsSettings> = {}): void => void workers.push(startUpsWorker({ ...settings, ...fields }))

  it('claims, reports and completes a workitem, with references to what it made', async () => {
    const item = origin.add('1.2.3', 'attending', [input('1.2.1', '1.2.2'), input('1.2.1', '1.2.4', '1.2.4.1', '1.2.4.2')])
    const other = origin.add('1.2.5', 'somebody else', [input('1.2.1', '1.2.2')])
    start()
    await expect.poll(() => item.state).toBe('COMPLETED')
    expect([item.story, item.progress, other.story]).toEqual([['SCHEDULED', 'IN PROGRESS', 'COMPLETED'], ['0', '50'], ['SCHEDULED']])
    expect(performed).toEqual([
      [
        { studyInstanceUid: '1.2.1', seriesInstanceUid: '1.2.2', sopInstanceUid: null },
        { studyInstanceUid: '1.2.1', seriesInstanceUid: '1.2.4', sopInstanceUid: '1.2.4.1' },
        { studyInstanceUid: '1.2.1', seriesInstanceUid: '1.2.4', sopInstanceUid: '1.2.4.2' },
      ],
    ])
    expect(item.dataset['00741216']?.Value).toMatchObject([
      {
        '00404050': { Value: ['20260102030405+0000'] },
        '00404033': {
          Value: [
            {
              '0020000D': { Value: ['1.2.1'] },
              '0020000E': { Value: ['1.2.9'] },
              '00081199': { Value: [{ '00081155': { Value: ['1.2.9.1'] } }, { '00081155': { Value: ['1.2.9.2'] } }] },
            },
          ],
        },
      },
    ])
  })

  it('does each workitem once where two workers look at one worklist', async () => {
    const items = Array.from({ length: 6 }, (_, index) => origin.add(`1.2.3.${index}`, 'attending', [input('1.2.1', `1.2.2.${index}`)]))
    start({ transactionUidOf: (uid) => buildUid('first', uid) })
    start({ transactionUidOf: (uid) => buildUid('second', uid) })
    await expect.poll(() => items.map(({ state }) => state)).toEqual(new Array(6).fill('COMPLETED'))
    expect(performed).toHaveLength(6)
  })

  it('cancels what cannot be done, with the reason', async () => {
    const item = origin.add('1.2.3', 'attending', [input('1.2.1', '1.2.2')])
    const empty = origin.add('1.2.4', 'attending', [])
    start({
      perform: async () => {
        throw new Problem('image-undecodable', 'the image is damaged', {})
      },
    })
    await expect.poll(() => [item.state, empty.state]).toEqual(['CANCELED', 'CANCELED'])
    expect(item.dataset['00741002']?.Value).toMatchObject([{ '00741238': { Value: ['the image is damaged'] } }])
  })

  it('goes on with a claimed workitem once the worklist answers again', async () => {
    const item = origin.add('1.2.3', 'attending', [input('1.2.1', '1.2.2')])
    start({
      perform: async () => {
        performed.push([])
        if (performed.length === 1) origin.failures = 3
        return [output]
      },
    })
    await expect.poll(() => item.state).toBe('COMPLETED')
    expect(item.story).toEqual(['SCHEDULED', 'IN PROGRESS', 'COMPLETED'])
  })

  it('takes up what it had claimed before it died, and nothing that another has', async () => {
    const [own, foreign] = ['1.2.3', '1.2.4'].map((uid) => origin.add(uid, 'attending', [input('1.2.1', '1.2.2')]))
    await claimWorkitem(settings.peer, '1.2.3', settings.transactionUidOf('1.2.3'))
    await claimWorkitem(settings.peer, '1.2.4', '1.2.999')
    start()
    await expect.poll(() => own?.state).toBe('COMPLETED')
    expect(foreign).toMatchObject({ state: 'IN PROGRESS', progress: [] })
  })

  it('leaves a workitem alone that somebody ended meanwhile', async () => {
    const item = origin.add('1.2.3', 'attending', [input('1.2.1', '1.2.2')])
    const next = origin.add('1.2.4', 'attending', [input('1.2.1', '1.2.2')])
    start({
      perform: async () => {
        if (performed.push([]) === 1) item.state = 'CANCELED'
        return [output]
      },
    })
    await expect.poll(() => next.state).toBe('COMPLETED')
    expect(item.state).toBe('CANCELED')
  })

  it('says who it is in the address of the state where the origin server wants it there, and nowhere else', async () => {
    const item = origin.add('1.2.3', 'attending', [input('1.2.1', '1.2.2')])
    const peer = { ...settings.peer, requester: 'ATTENDING' }
    await expect(claimWorkitem(peer, '1.2.3', '1.2')).rejects.toMatchObject({ code: 'pacs-refused' })
    origin.requesters = []
    await expect(claimWorkitem(settings.peer, '1.2.3', '1.2')).rejects.toMatchObject({ code: 'pacs-refused' })
    start({ peer })
    await expect.poll(() => item.state).toBe('COMPLETED')
    expect(origin.requesters).toEqual(['ATTENDING', 'ATTENDING'])
  })

  it('finds nothing in an empty worklist and nothing under a UID that is none', async () => {
    expect(await findWorkitems(settings.peer, 'attending', 'SCHEDULED', 10)).toEqual([])
    origin.add('../../1', 'attending', [])
    expect(await findWorkitems(settings.peer, 'attending', 'SCHEDULED', 10)).toEqual([])
    await expect(claimWorkitem(settings.peer, '9.9', '1.2')).rejects.toMatchObject({ code: 'pacs-refused' })
  })
})
