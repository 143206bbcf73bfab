import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DicomResult } from '../../src/domain/dicom-result.ts'
import type { Job } from '../../src/domain/job.ts'
import { Problem } from '../../src/domain/problem.ts'
import { type Bundle, loadBundle } from '../../src/infer/load-bundle.ts'
import { processInstance } from '../../src/instance-road.ts'
import { buildFileMeta } from '../../src/pacs/build-file-meta.ts'
import { findInstances, retrieveInstances } from '../../src/pacs/dicomweb-client.ts'
import { buildMultipart } from '../../src/pacs/multipart.ts'
import type { DicomwebPeer } from '../../src/pacs/peers.ts'
import type { StowAnswer } from '../../src/pacs/receive-stow.ts'
import { TINY_DCMM, writeTinyBundles } from '../e2e/support/write-tiny-bundle.ts'
import { syntheticFile } from '../pacs/support/synthetic-files.ts'
import { dciodvfyErrors, hasDcmtk } from '../support/dicom-tools.ts'
import { hasOrthanc, type Orthanc, startOrthanc } from '../support/orthanc.ts'
import { buildGray16 } from '../support/synthetic-dicom.ts'
import { openTestGateway, settingsOf, type TestGateway } from './support.ts'

const CR = '1.2.840.10008.5.1.4.1.1.1'
const run = promisify(execFile)
const retry = { limit: 50, delaySeconds: 0, maxDelaySeconds: 1 }
const destination = { name: 'pacs', concurrency: 2, retry }

let folder: string
let open: TestGateway | null = null
let orthanc: Orthanc | null = null

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'attending-gateway-'))
})
afterEach(async () => {
  await open?.close()
  await orthanc?.stop()
  open = null
  orthanc = null
  rmSync(folder, { recursive: true, force: true })
})

async function send({ gateway }: TestGateway, files: readonly Uint8Array[]): Promise<StowAnswer> {
  const { contentType, body } = buildMultipart(files, 'bbb-0123456789')
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield body
  }
  return gateway.receiveStow({ contentType, body: chunks() })
}

async function untilEnd({ gateway }: TestGateway, jobs: number): Promise<readonly Job[]> {
  await expect
    .poll(
      async () => {
        const { states } = await gateway.jobs.counts()
        return states.queued + states.running + states.delivering === 0 ? states.done + states.dead + states.failed + states.skipped : -1
      },
      { timeout: 60_000, interval: 100 },
    )
    .toBe(jobs)
  return gateway.jobs.list({ limit: 1000 })
}

describe('the gateway', () => {
  it('takes the same instance once, whichever way its job went before', async () => {
    const problems = [new Problem('image-undecodable', 'damaged', {})]
    let performed = 0
    open = await openTestGateway(folder, settingsOf({}), {
      processInstance: async () => {
        performed++
        const problem = problems.shift()
        if (problem !== undefined) throw problem
        return performed === 2 ? { kind: 'skipped', reason: 'not today' } : { kind: 'results', modelId: 'm', frames: [], objects: [], omitted: [], destinations: [] }
      },
    })
    const file = syntheticFile(CR, '1.2.3')
    const story: (readonly [number, readonly string[]])[] = []
    for (const jobs of [1, 1, 2, 2]) {
      expect((await send(open, [file])).status).toBe(200)
      story.push([performed, (await untilEnd(open, jobs)).map(({ state }) => state)])
    }
    // Failed, replayed into a skip, made anew, and from then on done.
    expect(story.map(([, states]) => states)).toEqual([['failed'], ['skipped'], ['done', 'skipped'], ['done', 'skipped']])
    expect(performed).toBe(3)
  })

  it('hands the engines no more instances at a time than they may have, while the next one stands ready, and all of them in the end', async () => {
    const ends: (() => void)[] = []
    open = await openTestGateway(folder, settingsOf({}), {
      predictConcurrency: 2,
      processInstance: async () => {
        await new Promise<void>((resolve) => ends.push(resolve))
        return { kind: 'skipped', reason: 'seen' }
      },
    })
    const files = Array.from({ length: 5 }, (_, number) => syntheticFile(CR, `1.2.${number}`))
    expect((await send(open, files)).status).toBe(200)
    await expect.poll(async () => (await open!.gateway.jobs.counts()).states.running, { timeout: 30_000 }).toBe(3)
    expect(ends).toHaveLength(2)
    for (let ended = 0; ended < files.length; ended++) {
      await expect.poll(() => ends.length, { timeout: 30_000 }).toBeGreaterThan(ended)
      ends[ended]?.()
    }
    await untilEnd(open, files.length)
  })

  it('says A700 where as many orders wait as may', async () => {
    open = await openTestGateway(folder, settingsOf({ maxQueued: 1 }), { processInstance: () => new Promise(() => {}), predictConcurrency: 1 })
    // One is in the engines' hands, one stands ready behind it.
    expect((await send(open, [syntheticFile(CR, '1.2.1')])).status).toBe(200)
    await expect.poll(async () => (await open!.gateway.jobs.counts()).states.running, { timeout: 10_000 }).toBe(1)
    expect((await send(open, [syntheticFile(CR, '1.2.3')])).status).toBe(200)
    await expect.poll(async () => (await open!.gateway.jobs.counts()).states.running, { timeout: 10_000 }).toBe(2)
    const answer = await send(open, [syntheticFile(CR, '1.2.4'), syntheticFile(CR, '1.2.5')])
    expect(answer).toMatchObject({ status: 202, body: { '00081198': { Value: [{ '00081155': { Value: ['1.2.5'] }, '00081197': { Value: [0xa700] } }] } } })
  })
})

describe.skipIf(!hasOrthanc || !hasDcmtk)(`the gateway before Orthanc${hasOrthanc && hasDcmtk ? '' : " (needs Debian's orthanc, orthanc-dicomweb and dcmtk)"}`, () => {
  const peerAt = (url: string, timeoutMs = 20_000): DicomwebPeer => ({
    kind: 'dicomweb',
    name: 'pacs',
    url: `${url}/dicom-web`,
    authentication: { kind: 'none' },
    tls: null,
    timeoutMs,
  })
  const allIn = async (peer: DicomwebPeer, studyInstanceUid = '1.2.1'): Promise<readonly string[]> =>
    [...(await findInstances(peer, { studyInstanceUid, seriesInstanceUid: null, sopInstanceUid: null }))].sort()

  it('brings valid results of the whole road back, through every door, and nothing twice', async () => {
    orthanc = await startOrthanc()
    const peer = peerAt(orthanc.url)
    const models = join(folder, 'models')
    writeTinyBundles(models)
    const bundles = new Map<string, Bundle>([[TINY_DCMM, await loadBundle(join(models, TINY_DCMM))]])
    const made: DicomResult[] = []
    const inbox = join(folder, 'inbox')
    mkdirSync(inbox)
    open = await openTestGateway(
      folder,
      settingsOf({
        rules: { version: 1, rules: [{ name: 'radiographs', when: { modality: ['CR', 'DX'] }, action: { model: TINY_DCMM, frames: 'first', destinations: ['pacs'] } }] },
        archives: [peer],
        destinations: [destination],
        dimse: { host: '127.0.0.1', port: 0, peers: [{ aeTitle: 'STORESCU', addresses: [] }], tls: null, maxAssociations: 4, idleTimeoutMs: 10_000 },
        watch: [{ name: 'inbox', folder: inbox, pollMs: 50 }],
      }),
      {
        processInstance: async (request) => {
          const result = await processInstance(bundles, request, 'attending test')
          if (result.kind === 'results') made.push(...result.objects)
          return result
        },
      },
    )
    const image = gray(
      Array.from({ length: 40 * 40 }, (_, i) => (i * 37) % 4096),
      40,
      { Modality: 'CR', SOPClassUID: CR, SOPInstanceUID: '1.2.840.6.1', StudyInstanceUID: '1.2.1', SeriesInstanceUID: '1.2.2' },
    )
    const file = join(folder, 'a.dcm')
    writeFileSync(file, image)
    const tomogram = gray(new Array(16).fill(7), 4, {
      Modality: 'CT',
      SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
      SOPInstanceUID: '1.2.840.6.2',
      StudyInstanceUID: '1.2.1',
      SeriesInstanceUID: '1.2.3',
    })
    // Each door in turn; the archive must hold the same afterwards as after the first.
    await run('storescu', ['-xe', '-aec', 'ATTENDING', '127.0.0.1', String(open.gateway.dimsePort), file])
    await untilEnd(open, 1)
    const afterFirst = await allIn(peer)
    expect(afterFirst).toEqual([...new Set(made.map(({ sopInstanceUid }) => sopInstanceUid))].sort())
    expect(new Set(made.map(({ kind }) => kind))).toEqual(new Set(['sc', 'seg', 'sr', 'ko']))
    expect((await send(open, [image, tomogram])).status).toBe(200)
    writeFileSync(join(inbox, 'b.dcm'), image)
    const jobs = await untilEnd(open, 4)
    expect(jobs.map(({ door, state }) => `${door} ${state}`).sort()).toEqual(['c-store done', 'folder done', 'stow done', 'stow skipped'])
    expect(await allIn(peer)).toEqual(afterFirst)
    for await (const bytes of retrieveInstances(peer, { studyInstanceUid: '1.2.1', seriesInstanceUid: null, sopInstanceUid: null }, { maxPartBytes: 1 << 24, maxParts: 20 }))
      expect(dciodvfyErrors(bytes)).toEqual([])
    await bundles.get(TINY_DCMM)?.release()
  }, 120_000)

  /** Preamble, DICM, and an element of 28 bytes. */
  const META_END = 160
  /** With the names in its head that a file has by the standard. */
  function gray(values: readonly number[], columns: number, dataset: { readonly SOPClassUID: string; readonly SOPInstanceUID: string } & Record<string, string>): Buffer {
    const bytes = Buffer.from(buildGray16(values, columns, dataset))
    const meta = { sopClassUid: dataset.SOPClassUID, sopInstanceUid: dataset.SOPInstanceUID, transferSyntaxUid: '1.2.840.10008.1.2.1', sourceApplicationEntityTitle: 'TEST' }
    return Buffer.concat([buildFileMeta(meta), bytes.subarray(META_END)])
  }

  /** Stands between the gateway and the archive, and fails as it is told. */
  class FaultyWire {
    mode: 'pass' | 'reset' | 'stall' | 'refuse' | 'cut-answer' = 'pass'
    readonly met = new Map<string, number>()
    readonly #sockets = new Set<Socket>()
    #server: Server = createServer()

    async listen(target: number): Promise<string> {
      this.#server = createServer((socket) => this.#serve(socket, target))
      await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
      return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    }

    #serve(socket: Socket, target: number): void {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      const { mode } = this
      this.met.set(mode, (this.met.get(mode) ?? 0) + 1)
      if (mode === 'refuse') socket.once('data', () => socket.end('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'))
      // Amidst the body of the request.
      if (mode === 'reset') socket.once('data', () => socket.resetAndDestroy())
      if (mode === 'pass' || mode === 'cut-answer') this.#forward(socket, target, mode === 'cut-answer')
    }

    #forward(socket: Socket, target: number, isCut: boolean): void {
      const upstream = connect(target, '127.0.0.1')
      upstream.on('error', () => socket.destroy())
      socket.pipe(upstream)
      // The archive has stored by then: the answer alone is lost.
      if (isCut) upstream.once('data', () => socket.destroy())
      else upstream.pipe(socket)
    }

    close(): void {
      for (const socket of this.#sockets) socket.destroy()
      this.#server.close()
    }
  }

  it('delivers each result once to an archive that resets, stalls, refuses, loses its answers and is gone for a while', async () => {
    orthanc = await startOrthanc()
    const wire = new FaultyWire()
    const peer = peerAt(await wire.listen(Number(new URL(orthanc.url).port)), 700)
    open = await openTestGateway(folder, settingsOf({ archives: [peer], destinations: [{ ...destination, retry: { limit: 200, delaySeconds: 0, maxDelaySeconds: 1 } }] }))
    const files = Array.from({ length: 12 }, (_, index) => syntheticFile(CR, `1.2.840.9.${index}`))
    const modes = ['reset', 'stall', 'refuse', 'cut-answer'] as const
    for (const mode of modes) {
      wire.mode = mode
      await send(open, files.slice(modes.indexOf(mode) * 3, modes.indexOf(mode) * 3 + 3))
      await expect.poll(() => wire.met.get(mode) ?? 0, { timeout: 20_000 }).toBeGreaterThanOrEqual(2)
    }
    wire.mode = 'pass'
    const jobs = await untilEnd(open, 12)
    wire.close()
    expect(new Set(jobs.map(({ state }) => state))).toEqual(new Set(['done']))
    expect(await allIn(peerAt(orthanc.url))).toHaveLength(24)
    const statistics = (await (await fetch(`${orthanc.url}/statistics`)).json()) as { CountInstances: number }
    expect(statistics.CountInstances).toBe(24)
  }, 120_000)
})
