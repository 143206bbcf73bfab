/** Workitems through the whole gateway: an origin server holds the worklist, Orthanc holds the images and gets the results. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Problem } from '../../src/domain/problem.ts'
import type { WorklistSettings } from '../../src/gateway/gateway-file.ts'
import { findInstances } from '../../src/pacs/dicomweb-client.ts'
import type { DicomwebPeer } from '../../src/pacs/peers.ts'
import { syntheticFile } from '../pacs/support/synthetic-files.ts'
import { UpsOriginServer } from '../pacs/support/ups-origin-server.ts'
import { hasOrthanc, type Orthanc, startOrthanc, stow } from '../support/orthanc.ts'
import { objectsOf, openTestGateway, settingsOf, type TestGateway } from './support.ts'

const CR = '1.2.840.10008.5.1.4.1.1.1'
const INPUT = { '0020000D': { vr: 'UI', Value: ['1.2.1'] }, '0020000E': { vr: 'UI', Value: ['1.2.2'] } }

describe.skipIf(!hasOrthanc)(`a worklist of the gateway${hasOrthanc ? '' : " (needs Debian's orthanc and orthanc-dicomweb)"}`, () => {
  let folder: string
  let orthanc: Orthanc
  let origin: UpsOriginServer
  let open: TestGateway | null = null
  let archive: DicomwebPeer
  let worklist: WorklistSettings
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'attending-worklist-'))
    orthanc = await startOrthanc()
    origin = new UpsOriginServer()
    const peer = { kind: 'dicomweb', authentication: { kind: 'none' }, tls: null, timeoutMs: 20_000 } as const
    archive = { ...peer, name: 'pacs', url: `${orthanc.url}/dicom-web` }
    worklist = {
      name: 'ai',
      peer: { ...peer, name: 'manager', url: await origin.listen() },
      label: 'attending',
      pollMs: 30,
      inputArchive: 'pacs',
      modelId: null,
      destinations: null,
    }
    await stow(orthanc, [syntheticFile(CR, '1.2.3.1'), syntheticFile(CR, '1.2.3.2')])
  })
  afterEach(async () => {
    await open?.close()
    open = null
    origin.close()
    await orthanc.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const settings = () =>
    settingsOf({ archives: [archive], destinations: [{ name: 'pacs', concurrency: 2, retry: { limit: 20, delaySeconds: 0, maxDelaySeconds: 1 } }], worklists: [worklist] })
  const resultsIn = async () => {
    const all = await findInstances(archive, { studyInstanceUid: '1.2.1', seriesInstanceUid: null, sopInstanceUid: null })
    return all.filter((uid) => !uid.startsWith('1.2.3.')).sort()
  }
  const outputsOf = (uid: string): string[] =>
    JSON.stringify(origin.workitems.get(uid)?.dataset['00741216'] ?? [])
      .match(/2\.25\.\d+/g)
      ?.sort() ?? []

  it('is claimed, fetched, predicted, delivered and completed with references to what lies in the archive', async () => {
    const item = origin.add('1.9.1', 'attending', [INPUT])
    open = await openTestGateway(folder, settings())
    await expect.poll(() => item.state, { timeout: 30_000 }).toBe('COMPLETED')
    const results = await resultsIn()
    expect(results).toHaveLength(4)
    expect(outputsOf('1.9.1')).toEqual(results)
    expect(item.progress.at(-1)).toBe('100')
  }, 60_000)

  it('is gone on with by the next process, under the same transaction UID and without doing anything twice', async () => {
    const item = origin.add('1.9.2', 'attending', [INPUT])
    let isStuck = true
    let performed = 0
    const processInstance = async ({ bytes }: { readonly bytes: Uint8Array }) => {
      performed++
      if (isStuck) throw new Problem('overloaded', 'not now', { retryAfterSeconds: 1 })
      return { kind: 'results', modelId: 'm', frames: [], objects: objectsOf(bytes), omitted: [], destinations: ['pacs'] } as const
    }
    open = await openTestGateway(folder, settings(), { processInstance })
    await expect.poll(() => performed, { timeout: 30_000 }).toBeGreaterThan(0)
    const claimedWith = item.transactionUid
    await open.close()
    expect(item.state).toBe('IN PROGRESS')
    isStuck = false
    open = await openTestGateway(folder, settings(), { processInstance })
    await expect.poll(() => item.state, { timeout: 40_000 }).toBe('COMPLETED')
    expect(item.transactionUid).toBe(claimedWith)
    expect(outputsOf('1.9.2')).toEqual(await resultsIn())
    expect(await resultsIn()).toHaveLength(4)
    expect((await open.gateway.jobs.list({ limit: 100 })).filter(({ kind }) => kind === 'pull')).toHaveLength(1)
  }, 90_000)

  it('is canceled with the reason where no rule takes an image, and where one cannot be read', async () => {
    const outcomes: (() => never)[] = []
    const skipped = origin.add('1.9.3', 'attending', [INPUT])
    open = await openTestGateway(folder, settings(), {
      processInstance: async () => {
        outcomes[0]?.()
        return { kind: 'skipped', reason: 'not this one' }
      },
    })
    await expect.poll(() => skipped.state, { timeout: 30_000 }).toBe('CANCELED')
    expect(JSON.stringify(skipped.dataset['00741002'])).toContain('no rule takes any')
    outcomes.push(() => {
      throw new Problem('image-undecodable', 'damaged', {})
    })
    const unreadable = origin.add('1.9.4', 'attending', [INPUT])
    await expect.poll(() => unreadable.state, { timeout: 30_000 }).toBe('CANCELED')
    expect(JSON.stringify(unreadable.dataset['00741002'])).toContain('failed')
    expect(await resultsIn()).toEqual([])
  }, 60_000)
})
