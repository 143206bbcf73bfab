/**
 * Orders sent to the whole product while its process is killed again and again: what was lost, and what was stored more than once, counted at
 * a real archive.
 *
 * The sender is one of the kind that hospitals have: it sends an instance again until it is acknowledged, and never after that.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type RunningServer, startServer } from '../e2e/support/start-server.ts'
import { TINY_DCMM, writeTinyBundles } from '../e2e/support/write-tiny-bundle.ts'
import type { Orthanc } from '../support/orthanc.ts'
import { getJson } from './get-json.ts'
import { type ArchiveContent, readArchive } from './read-archive.ts'
import { RecordingArchive, STORE_POINTS, type StorePoint } from './recording-archive.ts'
import { createSender, type Sender } from './sender.ts'

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

/** Report, secondary capture, segmentation and key object selection of a radiograph. */
export const OBJECTS = 4

const AIMS = ['accept', 'predict', 'deliver'] as const
type Aim = (typeof AIMS)[number]

/** What a kill fell on. */
export interface KillRecord {
  readonly aim: Aim
  /** Of a kill amid a store. */
  readonly point: StorePoint | null
  /** Whether an instance was sent and not yet acknowledged. */
  readonly isAccepting: boolean
  /** Stores under way. */
  readonly openStores: number
  /** Jobs by state as the server told them at the last moment. */
  readonly states: Readonly<Record<string, number>>
}

export interface ChaosOutcome extends ArchiveContent {
  readonly acknowledged: number
  /** How often an instance was sent without an acknowledgement. */
  readonly sentAgain: number
  /** Jobs by state when nothing was left to do. */
  readonly states: Readonly<Record<string, number>>
  readonly killRecords: readonly KillRecord[]
}

const END_LIMIT_MS = 600_000
const LOOK_MS = 20
/** How long an instance takes to be accepted, and to be predicted: a kill falls at any moment of it. */
const ACCEPT_MS = 60
const PREDICT_MS = 100
/** From an answered store to the server's own record of it. */
const RECORD_MS = 30

interface Run {
  readonly settings: ChaosSettings
  readonly archive: RecordingArchive
  readonly sender: Sender
  readonly random: () => number
}

export async function killServer(settings: ChaosSettings): Promise<ChaosOutcome> {
  const archive = await RecordingArchive.start(settings.archive)
  try {
    return await runLives({ settings, archive, sender: createSender(), random: randomFrom(settings.seed) })
  } finally {
    await archive.close()
  }
}

async function runLives(run: Run): Promise<ChaosOutcome> {
  const { settings, archive, sender } = run
  const { kills, orders, report } = settings
  const environment = prepare(settings, archive.url)
  const killRecords: KillRecord[] = []
  for (let kill = 0; kill < kills; kill++) {
    const record = await liveAndDie(run, await startServer(environment), kill)
    killRecords.push(record)
    report(`kill ${kill + 1} of ${kills}: ${sender.acknowledged()} of ${orders} acknowledged, ${deliveredOrders(archive)} delivered; ${JSON.stringify(record)}`)
  }
  const server = await startServer(environment)
  try {
    await sender.sendUpTo(server, orders)
    const states = await untilIdle(server, orders, report)
    return { acknowledged: sender.acknowledged(), sentAgain: sender.sentAgain(), states, killRecords, ...(await readArchive(settings.archive, archive.stores)) }
  } finally {
    await server.stop()
  }
}

function prepare({ folder, databaseUrl }: ChaosSettings, archiveUrl: string): Readonly<Record<string, string>> {
  mkdirSync(folder, { recursive: true })
  writeTinyBundles(join(folder, 'models'))
  const action = { model: TINY_DCMM, frames: 'first', destinations: ['archive'] }
  writeFileSync(join(folder, 'rules.json'), JSON.stringify({ version: 1, rules: [{ name: 'all', when: {}, action }] }))
  const delivery = { concurrency: 2, retryLimit: 100, retryDelaySeconds: 1, retryMaxDelaySeconds: 2 }
  const peer = { kind: 'dicomweb', name: 'archive', url: `${archiveUrl}/dicom-web`, delivery }
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

/**
 * One life: orders are sent somewhat ahead of the deliveries, and once this life's share of all orders is delivered the server dies.
 *
 * The shares spread the kills over the whole of the work; the aims spread them over the steps of an order.
 */
async function liveAndDie(run: Run, server: RunningServer, kill: number): Promise<KillRecord> {
  const { settings, archive, sender } = run
  const { kills, orders } = settings
  const due = Math.floor((orders * (kill + 1)) / (kills + 1))
  const lead = 2 * Math.ceil(orders / kills)
  // Each life to come still finds something to send.
  const goal = Math.min(orders - (kills - kill), due + lead)
  const sending = sender.sendUpTo(server, goal)
  while (deliveredOrders(archive) < due) await pause(LOOK_MS)
  await sending
  const aim = AIMS[kill % AIMS.length] ?? 'accept'
  if (aim === 'accept') return dieAccepting(run, server, goal)
  if (aim === 'predict') return diePredicting(run, server)
  return dieDelivering(run, server, STORE_POINTS[Math.floor(kill / AIMS.length) % STORE_POINTS.length] ?? 'stored')
}

async function dieAccepting(run: Run, server: RunningServer, goal: number): Promise<KillRecord> {
  const states = await lookAt(server)
  const sending = run.sender.sendUpTo(server, goal + 1)
  await pause(run.random() * ACCEPT_MS)
  const record = recordOf(run, 'accept', null, states)
  await server.stop('SIGKILL')
  await sending
  return record
}

async function diePredicting(run: Run, server: RunningServer): Promise<KillRecord> {
  let states = await lookAt(server)
  while ((states['running'] ?? 0) === 0) {
    await pause(LOOK_MS)
    states = await lookAt(server)
  }
  await pause(run.random() * PREDICT_MS)
  const record = recordOf(run, 'predict', null, states)
  await server.stop('SIGKILL')
  return record
}

async function dieDelivering(run: Run, server: RunningServer, point: StorePoint): Promise<KillRecord> {
  let record: KillRecord | null = null
  let isDead: Promise<unknown> = Promise.resolve()
  const die = (): Promise<unknown> => server.stop('SIGKILL')
  // The server notes an answer sooner than it can be asked for its jobs: they are looked at while the answer is held.
  await run.archive.atNextStore(point === 'answered' ? 'stored' : point, async () => {
    record = recordOf(run, 'deliver', point, await lookAt(server))
    if (point === 'answered') isDead = run.archive.atNextStore(point, () => pause(run.random() * RECORD_MS).then(die))
    else await die()
  })
  await isDead
  if (record === null) throw new Error('no store was held')
  return record
}

function recordOf({ archive, sender }: Run, aim: Aim, point: StorePoint | null, states: Readonly<Record<string, number>>): KillRecord {
  return { aim, point, isAccepting: sender.isWaiting(), openStores: archive.openStores, states }
}

function deliveredOrders({ stores }: RecordingArchive): number {
  return Math.floor(stores.size / OBJECTS)
}

async function lookAt({ url }: RunningServer): Promise<Record<string, number>> {
  const { jobs } = await getJson<{ jobs: readonly { state: string }[] }>(`${url}/v1/jobs?limit=1000`)
  const states: Record<string, number> = {}
  for (const { state } of jobs) states[state] = (states[state] ?? 0) + 1
  return states
}

async function untilIdle(server: RunningServer, orders: number, report: (line: string) => void): Promise<Record<string, number>> {
  const startedAt = performance.now()
  for (let look = 0; ; look++) {
    const states = await lookAt(server)
    const open = (states['queued'] ?? 0) + (states['running'] ?? 0) + (states['delivering'] ?? 0)
    const known = Object.values(states).reduce((sum, jobs) => sum + jobs, 0)
    if ((known >= orders && open === 0) || performance.now() - startedAt > END_LIMIT_MS) return states
    if (look % 20 === 0) report(`${open} orders are open`)
    await pause(500)
  }
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
