/**
 * Orders sent to the whole product while its process is killed again and again: what was lost, and what was doubled, counted in a real archive.
 *
 * The sender is one of the kind that hospitals have: it sends an instance again until it is acknowledged, and never after that.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildChestPhantom } from '../../src/demo/chest-phantom.ts'
import { buildMultipart } from '../../src/pacs/multipart.ts'
import { type RunningServer, startServer } from '../e2e/support/start-server.ts'
import { TINY_DCMM, writeTinyBundles } from '../e2e/support/write-tiny-bundle.ts'
import type { Orthanc } from '../support/orthanc.ts'

export interface ChaosSettings {
  readonly kills: number
  readonly orders: number
  /** Empty, for everything that the server keeps. */
  readonly folder: string
  /** null for PGlite in the data folder. */
  readonly databaseUrl: string | null
  readonly archive: Orthanc
  /** Of the moments of the kills. */
  readonly seed: number
  readonly report: (line: string) => void
}

export interface ChaosOutcome {
  readonly acknowledged: number
  /** How often an instance was sent without an acknowledgement. */
  readonly sentAgain: number
  /** Jobs by state when nothing was left to do. */
  readonly states: Readonly<Record<string, number>>
  /** Studies in the archive, one for each order, by how many result objects they hold. */
  readonly studiesByObjects: Readonly<Record<number, number>>
}

/** The longest life of a server between two kills, after it listens. */
const LONGEST_LIFE_MS = 4000
const END_LIMIT_MS = 600_000

export async function killServer(settings: ChaosSettings): Promise<ChaosOutcome> {
  const { kills, orders, seed, report } = settings
  const environment = prepare(settings)
  const random = randomFrom(seed)
  const sender = createSender()
  for (let kill = 0; kill < kills; kill++) {
    const server = await startServer(environment)
    // Each life gets its share, so that the last kills find the server in the midst of accepting, too.
    const sending = sender.sendUpTo(server, Math.ceil((orders * (kill + 1)) / kills))
    await pause(random() * LONGEST_LIFE_MS)
    await server.stop('SIGKILL')
    await sending
    report(`kill ${kill + 1} of ${kills}: ${sender.acknowledged()} of ${orders} acknowledged`)
  }
  const server = await startServer(environment)
  try {
    await sender.sendUpTo(server, orders)
    const states = await untilIdle(server, orders, report)
    return { acknowledged: sender.acknowledged(), sentAgain: sender.sentAgain(), states, studiesByObjects: await countStudies(settings.archive) }
  } finally {
    await server.stop()
  }
}

function prepare({ folder, databaseUrl, archive }: ChaosSettings): Readonly<Record<string, string>> {
  mkdirSync(folder, { recursive: true })
  writeTinyBundles(join(folder, 'models'))
  const action = { model: TINY_DCMM, frames: 'first', destinations: ['archive'] }
  writeFileSync(join(folder, 'rules.json'), JSON.stringify({ version: 1, rules: [{ name: 'all', when: {}, action }] }))
  const delivery = { concurrency: 2, retryLimit: 100, retryDelaySeconds: 1, retryMaxDelaySeconds: 2 }
  const peer = { kind: 'dicomweb', name: 'archive', url: `${archive.url}/dicom-web`, delivery }
  writeFileSync(join(folder, 'gateway.json'), JSON.stringify({ version: 1, rulesFile: 'rules.json', archives: [peer] }))
  return {
    ATTENDING_MODELS_DIR: join(folder, 'models'),
    ATTENDING_DATA_DIR: join(folder, 'data'),
    ATTENDING_QUEUE_DIR: join(folder, 'queue'),
    ATTENDING_GATEWAY_FILE: join(folder, 'gateway.json'),
    ATTENDING_ENGINES: '1',
    ...(databaseUrl === null ? {} : { DATABASE_URL: databaseUrl }),
  }
}

interface Sender {
  /** Returns when so many are acknowledged, or the server is gone. */
  sendUpTo(server: RunningServer, count: number): Promise<void>
  acknowledged(): number
  sentAgain(): number
}

function createSender(): Sender {
  let [acknowledged, sentAgain] = [0, 0]
  return {
    async sendUpTo(server, count) {
      while (acknowledged < count) {
        const status = await store(server, acknowledged)
        if (status === 200) acknowledged++
        else {
          sentAgain++
          if (status === null) return
          await pause(50)
        }
      }
    },
    acknowledged: () => acknowledged,
    sentAgain: () => sentAgain,
  }
}

/** STOW-RS of one instance; null where the server is gone. */
async function store({ url }: RunningServer, number: number): Promise<number | null> {
  const instance = buildChestPhantom({ rows: 96, columns: 80, seed: number, opacity: 0.5 })
  const { contentType, body } = buildMultipart([instance], 'chaos-0123456789')
  try {
    const response = await fetch(`${url}/dicom-web/studies`, { method: 'POST', headers: { 'content-type': contentType }, body: new Uint8Array(body) })
    await response.arrayBuffer()
    return response.status
  } catch {
    return null
  }
}

async function untilIdle({ url }: RunningServer, orders: number, report: (line: string) => void): Promise<Record<string, number>> {
  const startedAt = performance.now()
  for (let look = 0; ; look++) {
    const { jobs } = (await (await fetch(`${url}/v1/jobs?limit=1000`)).json()) as { jobs: readonly { state: string }[] }
    const states: Record<string, number> = {}
    for (const { state } of jobs) states[state] = (states[state] ?? 0) + 1
    const open = (states['queued'] ?? 0) + (states['running'] ?? 0) + (states['delivering'] ?? 0)
    if (jobs.length >= orders && open === 0) return states
    if (performance.now() - startedAt > END_LIMIT_MS) return states
    if (look % 20 === 0) report(`${open} orders are open`)
    await pause(500)
  }
}

async function countStudies({ url }: Orthanc): Promise<Record<number, number>> {
  const studies = (await (await fetch(`${url}/studies`)).json()) as readonly string[]
  const counts: Record<number, number> = {}
  for (const id of studies) {
    const { CountInstances } = (await (await fetch(`${url}/studies/${id}/statistics`)).json()) as { CountInstances: number }
    counts[CountInstances] = (counts[CountInstances] ?? 0) + 1
  }
  return counts
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Pseudo-random numbers in [0, 1). */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
