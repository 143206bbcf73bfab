import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { buildChestPhantom } from '../../src/demo/chest-phantom.ts'
import type { JobAnswer } from '../../src/http/to-job-answer.ts'
import { buildMultipart, parseMultipartType } from '../../src/pacs/multipart.ts'
import { readFileMeta } from '../../src/pacs/read-file-meta.ts'
import { type RunningServer, startServer } from './support/start-server.ts'
import { TINY_DCMM, writeTinyBundles } from './support/write-tiny-bundle.ts'

/** Report, secondary capture, segmentation and key object selection of a radiograph. */
const OBJECTS = 4
const OUT_OF_RESOURCES = 0xa700
type Fault = 'gone' | 'silence' | 'late-answer' | 'reset' | 'unavailable' | 'listed-as-failed' | 'forbidden'

/** An origin of STOW-RS and QIDO-RS that counts what it keeps, and fails as it is told. */
class FaultyOrigin {
  fault: Fault | null = null
  readonly met = new Map<Fault, number>()
  /** How often an instance of this UID was stored. */
  readonly stored = new Map<string, number>()
  readonly #server: Server = createServer((request, response) => void this.#serve(request, response).catch(() => response.destroy()))
  #port = 0

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (this.#server.address() as AddressInfo).port
    return `http://127.0.0.1:${this.#port}/dicom-web`
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { fault } = this
    if (fault !== null) this.met.set(fault, (this.met.get(fault) ?? 0) + 1)
    if (fault === 'reset') return void request.once('data', () => request.socket.resetAndDestroy())
    const uids = request.method === 'POST' ? uidsOf(await bytesOf(request), request) : []
    if (fault === 'silence') return
    if (fault === 'unavailable' || fault === 'forbidden') return void response.writeHead(fault === 'forbidden' ? 403 : 503).end()
    if (request.method === 'GET') return this.#find(request, response)
    if (fault === 'listed-as-failed') return void response.writeHead(200).end(listing('00081198', uids))
    for (const uid of uids) this.stored.set(uid, (this.stored.get(uid) ?? 0) + 1)
    // Behind the client's patience: all is kept, and the client can't know it.
    if (fault === 'late-answer') return
    response.writeHead(200).end(listing('00081199', uids))
  }

  #find(request: IncomingMessage, response: ServerResponse): void {
    const uid = new URL(request.url ?? '', 'http://origin').searchParams.get('SOPInstanceUID') ?? ''
    if (!this.stored.has(uid)) return void response.writeHead(204).end()
    response.writeHead(200).end(JSON.stringify([{ '00080018': { vr: 'UI', Value: [uid] } }]))
  }
}

const listing = (tag: string, uids: readonly string[]): string =>
  JSON.stringify({ [tag]: { vr: 'SQ', Value: uids.map((uid) => ({ '00081155': { vr: 'UI', Value: [uid] }, '00081197': { vr: 'US', Value: [OUT_OF_RESOURCES] } })) } })

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

/** SOP Instance UIDs of the parts of a STOW-RS request. */
function uidsOf(body: Buffer, request: IncomingMessage): string[] {
  const { boundary } = parseMultipartType(request.headers['content-type'] ?? '')
  const text = body.toString('latin1')
  return text
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => readFileMeta(Buffer.from(part.slice(part.indexOf('\r\n\r\n') + 4, -2), 'latin1')).sopInstanceUid)
}

let folder: string
let origin: FaultyOrigin
let server: RunningServer

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'attending-faults-'))
  writeTinyBundles(join(folder, 'models'))
  origin = new FaultyOrigin()
  const delivery = { retryLimit: 1000, retryDelaySeconds: 1, retryMaxDelaySeconds: 1 }
  const archive = { kind: 'dicomweb', name: 'archive', url: await origin.listen(), timeoutSeconds: 1, delivery }
  const action = { model: TINY_DCMM, destinations: ['archive'] }
  writeFileSync(join(folder, 'rules.json'), JSON.stringify({ version: 1, rules: [{ name: 'all', when: {}, action }] }))
  writeFileSync(join(folder, 'gateway.json'), JSON.stringify({ version: 1, rulesFile: 'rules.json', archives: [archive] }))
  server = await startServer({
    ATTENDING_MODELS_DIR: join(folder, 'models'),
    ATTENDING_DATA_DIR: join(folder, 'data'),
    ATTENDING_GATEWAY_FILE: join(folder, 'gateway.json'),
    ATTENDING_ENGINES: '1',
  })
}, 120_000)
afterAll(async () => {
  await server.stop()
  await origin.close()
  rmSync(folder, { recursive: true, force: true })
})

async function send(seeds: readonly number[]): Promise<void> {
  const instances = seeds.map((seed) => buildChestPhantom({ rows: 96, columns: 80, seed, opacity: 0.5 }))
  const { contentType, body } = buildMultipart(instances, 'b-0123456789')
  const response = await fetch(`${server.url}/dicom-web/studies`, { method: 'POST', headers: { 'content-type': contentType }, body: new Uint8Array(body) })
  expect(response.status).toBe(200)
}

const jobs = async (): Promise<readonly JobAnswer[]> => ((await (await fetch(`${server.url}/v1/jobs?limit=100`)).json()) as { jobs: readonly JobAnswer[] }).jobs
const countIn = async (state: string): Promise<number> => (await jobs()).filter((job) => job.state === state).length
const until = (state: string, count: number): Promise<void> => expect.poll(() => countIn(state), { timeout: 90_000, interval: 200 }).toBe(count)

it('delivers each result once to an archive that is gone, silent, late, cut off, unavailable, or lists as failed what it answers with 200', async () => {
  const faults = ['silence', 'late-answer', 'reset', 'unavailable', 'listed-as-failed'] as const
  for (const [index, fault] of faults.entries()) {
    origin.fault = fault
    await send([2 * index, 2 * index + 1])
    await expect.poll(() => origin.met.get(fault) ?? 0, { timeout: 60_000 }).toBeGreaterThanOrEqual(2)
  }
  await origin.close()
  await send([10, 11])
  // What was stored late may have been found by then; the last two have results and no place to bring them.
  await expect.poll(async () => (await countIn('delivering')) + (await countIn('done')), { timeout: 90_000, interval: 200 }).toBe(12)
  expect(await countIn('delivering')).toBeGreaterThanOrEqual(2)
  origin.fault = null
  await origin.listen()
  await until('done', 12)
  expect(origin.stored.size).toBe(12 * OBJECTS)
  // What was stored without an answer is asked for, and not sent a second time.
  expect([...origin.stored.values()].filter((times) => times > 1)).toEqual([])
}, 240_000)

it('holds a result that the archive forbids as dead, and delivers it once when its job is replayed', async () => {
  const before = origin.stored.size
  origin.fault = 'forbidden'
  await send([20])
  await until('dead', 1)
  expect(origin.stored.size).toBe(before)
  origin.fault = null
  const dead = (await jobs()).find(({ state }) => state === 'dead')
  const replay = await fetch(`${server.url}/v1/jobs/${dead?.id}/replay`, { method: 'POST' })
  expect(replay.ok).toBe(true)
  await until('done', 13)
  expect(origin.stored.size).toBe(before + OBJECTS)
}, 120_000)
