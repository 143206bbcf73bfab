/**
 * Start-up: settings, bundles, engines; the rooms are joined, the server listens, and on a signal it stops.
 *
 * The only file of the server that touches the process: its environment, clock, random source, signals and streams. A server that
 * can't do its work does not listen: it says on standard error what is wrong and ends with code 1.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { availableParallelism, hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { type Logger, pino } from 'pino'
import { type Config, readConfig, refuseRemote } from './config.ts'
import type { ResultEnvironment } from './domain/dicom-result.ts'
import type { GatewayDoor } from './domain/gateway.ts'
import { toLogFrames } from './domain/log.ts'
import { NOTICE } from './domain/prediction.ts'
import { Problem } from './domain/problem.ts'
import type { PublishedModel } from './domain/published-model.ts'
import { createEnginePool, type EnginePool } from './engine/engine-pool.ts'
import { readModels } from './engine/read-models.ts'
import { type GatewaySettings, readGatewayFile } from './gateway/gateway-file.ts'
import { type OrderedJob, openGateway } from './gateway/open-gateway.ts'
import { createApp } from './http/create-app.ts'
import { createHttpServer, SERVER_LIMITS } from './http/create-server.ts'
import { toArtifacts, toKeptAnswer } from './http/to-answer.ts'
import { type Database, openPglite, openPostgres } from './jobs/database.ts'
import { type ExplanationDesk, openExplanationDesk } from './jobs/explanation-desk.ts'
import { type FolderLock, lockDataFolder } from './jobs/lock-data-folder.ts'
import type { PredictedFrame } from './routing/instance.ts'
import { openPredictionFolder, type PredictionFolder } from './store/prediction-store.ts'

const ROOT = resolve(import.meta.dirname, '..')
/** Of the pool of connections to a PostgreSQL server; the queue opens as many of its own. */
const DATABASE_CONNECTIONS = 8
const HOUR_MS = 3_600_000
const SWEEP_INTERVAL_MS = 10 * 60_000
/** How often a stopping server closes connections that have become idle. */
const CLOSE_IDLE_INTERVAL_MS = 50
/** What an engine gets of the environment: where to find libraries and write nothing of ours; no setting, no secret. */
const ENGINE_VARIABLES = ['PATH', 'LANG', 'TZ', 'TMPDIR', 'LD_LIBRARY_PATH']

const newId = (): string => randomBytes(16).toString('hex')
const now = (): Date => new Date()
const idsOf = (models: readonly PublishedModel[]): readonly string[] => models.map(({ manifest }) => manifest.id)

async function main(): Promise<void> {
  const config = readConfig(process.env, availableParallelism())
  const log = pino({ level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: true }))
  endOnFault(log)
  logWarnings(log)
  const modelsFolder = resolve(ROOT, config.modelsDir)
  const models = await readModels(modelsFolder)
  const gatewaySettings = config.gatewayFile === null ? null : await readGatewayFile(resolve(ROOT, config.gatewayFile), idsOf(models))
  if (gatewaySettings?.dimse) refuseRemote(config, gatewaySettings.dimse.host, 'dimse.host of the gateway file')
  const { store, lock } = await openStore(config)
  const pool = await startEngines(config, modelsFolder, log)
  const gateway = gatewaySettings === null ? null : await startGateway(config, gatewaySettings, { pool, store, log })
  const life = new AbortController()
  const explanations = openDesk(config, { pool, store, log, stopping: life.signal })
  const server = await listen(config, { pool, store, models, explanations, gateway, log, stopping: life.signal })
  const sweeping = setInterval(() => void sweep(store, explanations, gateway, log), SWEEP_INTERVAL_MS)
  onStopSignal(() => {
    life.abort()
    clearInterval(sweeping)
    void stop({ server, gateway, pool }, config.drainMs, log).then(() => lock.release())
  })
  // Last: whoever reads this line may ask the server to stop the moment after.
  announce(server, models, gateway, config)
}

/** The data folder's only user for as long as the lock is held: whoever drops it unreleased lets it go too. Throws: "settings-invalid" where another process has it. */
async function openStore(config: Config): Promise<{ store: PredictionFolder; lock: FolderLock }> {
  const dataFolder = resolve(ROOT, config.dataDir)
  await mkdir(dataFolder, { recursive: true, mode: 0o700 })
  const lock = await lockDataFolder(dataFolder, { processId: process.pid, host: hostname(), since: now().toISOString() })
  const store = await openPredictionFolder({ folder: join(dataFolder, 'predictions'), retentionMs: config.retentionHours * HOUR_MS, maxBytes: config.maxKeptBytes, now })
  await store.sweep()
  return { store, lock }
}

/** Engines with every model loaded and warm. */
async function startEngines(config: Config, modelsFolder: string, log: Logger): Promise<EnginePool> {
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  const pool = createEnginePool({
    childFile: join(import.meta.dirname, 'engine', 'child.ts'),
    environment: Object.fromEntries(ENGINE_VARIABLES.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))),
    start: { modelsFolder, trustedKeys: config.trustedKeys, software: `attending ${version}` },
    engines: config.engines,
    queueLimit: config.queueLimit,
    deadlineMs: config.deadlineMs,
    log,
  })
  try {
    await pool.ready()
    return pool
  } catch (error) {
    await pool.drain(0)
    throw error
  }
}

function openDesk(config: Config, { pool, store, log, stopping }: Pick<Rooms, 'pool' | 'store' | 'log' | 'stopping'>): ExplanationDesk {
  const { explanationsAtOnce: atOnce, explanationQueueLimit: queueLimit, explanationDeadlineMs: deadlineMs } = config
  return openExplanationDesk({ engines: pool, store, atOnce, queueLimit, deadlineMs, now, newId, log, stopping })
}

interface RunningGateway {
  readonly door: GatewayDoor
  readonly dimsePort: number | null
  sweep(): Promise<number>
  close(graceMs: number): Promise<void>
}

/** The doors, open; the queue, at work on what was left undone. Throws: "settings-invalid" where the database can't be had, or a door can't open. */
async function startGateway(config: Config, settings: GatewaySettings, rooms: Pick<Rooms, 'pool' | 'store' | 'log'>): Promise<RunningGateway> {
  let database: Database | null = null
  try {
    database = await openDatabase(config)
    return await openDoors(config, settings, database, rooms)
  } catch (error) {
    await database?.close()
    await rooms.pool.drain(0)
    throw error
  }
}

async function openDoors(config: Config, settings: GatewaySettings, database: Database, { pool, store, log }: Pick<Rooms, 'pool' | 'store' | 'log'>): Promise<RunningGateway> {
  const gateway = await openGateway({
    settings,
    database,
    folder: resolve(ROOT, config.dataDir, config.queueDir),
    processInstance: (request, signal) => pool.processInstance(request, signal),
    keepPrediction: (job, frames) => keepPrediction(store, job, frames),
    resultEnvironment: (createdAt) => toResultEnvironment(config, createdAt),
    predictConcurrency: config.engines,
    now,
    newId,
    log,
  })
  const { jobs, dimsePort } = gateway
  const { maxQueued, maxObjectBytes, archives } = settings
  return {
    door: { jobs, archives: archives.map(({ name }) => name), maxQueued, maxObjectBytes, receiveStow: (request) => gateway.receiveStow(request) },
    dimsePort,
    sweep: () => jobs.sweep(),
    close: async (graceMs) => {
      await gateway.close(graceMs)
      await database.close()
    },
  }
}

async function openDatabase({ databaseUrl, dataDir }: Config): Promise<Database> {
  if (databaseUrl === null) return openPglite(join(resolve(ROOT, dataDir), 'database'))
  try {
    return await openPostgres(databaseUrl, DATABASE_CONNECTIONS)
  } catch (error) {
    throw new Problem('settings-invalid', 'the database of DATABASE_URL cannot be reached', { setting: 'DATABASE_URL' }, error)
  }
}

/** The first frame's prediction, under the id and the time of its job: a second attempt finds it there, and its results over HTTP are those that were delivered. */
async function keepPrediction(store: PredictionFolder, job: OrderedJob, [first]: readonly PredictedFrame[]): Promise<string | null> {
  if (first === undefined) return null
  const { prediction, origin } = first
  const { id } = job
  const isKept = await store.findAnswer(id).then(
    () => true,
    () => false,
  )
  if (isKept) return id
  const createdAt = job.createdAt.toISOString()
  await store.keep({ answer: toKeptAnswer(prediction, id, createdAt), artifacts: toArtifacts(prediction, id, createdAt), origin })
  return id
}

interface Rooms {
  readonly pool: EnginePool
  readonly store: PredictionFolder
  readonly models: readonly PublishedModel[]
  readonly explanations: ExplanationDesk
  readonly gateway: RunningGateway | null
  readonly log: Logger
  readonly stopping: AbortSignal
}

async function listen(config: Config, { pool, store, models, explanations, gateway, log, stopping }: Rooms): Promise<Server> {
  const app = createApp({
    engines: pool,
    store,
    explanations,
    models,
    log,
    now,
    newId,
    resultEnvironment: (createdAt) => toResultEnvironment(config, createdAt),
    gateway: gateway?.door ?? null,
    stopping,
    openApiText: await readFile(join(ROOT, 'openapi.yaml'), 'utf8'),
    maxBodyBytes: config.maxBodyBytes,
    maxBufferedBytes: config.maxBufferedBytes,
    hasProcessMetrics: true,
  })
  const server = createHttpServer(app, SERVER_LIMITS, newId)
  try {
    await new Promise<void>((done, fail) => server.once('error', fail).listen(config.port, config.host, done))
    return server
  } catch (error) {
    await gateway?.close(0)
    await pool.drain(0)
    throw new Problem('settings-invalid', `cannot listen on ${config.host} port ${config.port} (${(error as NodeJS.ErrnoException).code})`, { setting: 'ATTENDING_PORT' }, error)
  }
}

/** The zone is the process's own, by TZ or the machine's, as it was at that time. */
function toResultEnvironment({ deviceSerial }: Config, createdAt: string): ResultEnvironment {
  return { createdAt, utcOffsetMinutes: 0 - new Date(createdAt).getTimezoneOffset(), deviceSerialNumber: deviceSerial }
}

function announce(server: Server, models: readonly PublishedModel[], gateway: RunningGateway | null, config: Config): void {
  const { address, port, family } = server.address() as AddressInfo
  const lines = [
    `attending listens on http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    ...models.map(({ manifest }) => `  model  ${manifest.id}`),
    `  engines  ${config.engines}`,
    ...(gateway === null ? [] : [`  gateway  STOW-RS at /dicom-web/studies, ${gateway.dimsePort === null ? 'no DIMSE receiver' : `C-STORE on port ${gateway.dimsePort}`}`]),
    NOTICE,
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

async function sweep(store: PredictionFolder, explanations: ExplanationDesk, gateway: RunningGateway | null, log: Logger): Promise<void> {
  try {
    const removed = await store.sweep()
    if (removed > 0) log.info({ removed }, 'expired predictions removed')
    await explanations.sweep()
    const jobs = (await gateway?.sweep()) ?? 0
    if (jobs > 0) log.info({ jobs }, 'jobs over their time removed')
  } catch (error) {
    log.error({ frames: toLogFrames(error) }, 'sweep failed')
  }
}

/** Once: a terminal and its launcher may both send the same signal. */
function onStopSignal(stopOnce: () => void): void {
  let isStopping = false
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (isStopping) return
      isStopping = true
      stopOnce()
    })
  }
}

/** Takes no new connection, answers what it has, lets the jobs that run and then the engines end; what waits is done after the next start. Then nothing is left to keep the process alive, and it ends with code 0. */
async function stop({ server, gateway, pool }: Pick<Rooms, 'gateway' | 'pool'> & { readonly server: Server }, drainMs: number, log: Logger): Promise<void> {
  log.info({ ...pool.stats() }, 'stopping')
  const closed = new Promise<void>((done) => server.close(() => done()))
  const closingIdle = setInterval(() => server.closeIdleConnections(), CLOSE_IDLE_INTERVAL_MS)
  const limit = setTimeout(() => server.closeAllConnections(), drainMs)
  await closed
  clearInterval(closingIdle)
  clearTimeout(limit)
  await gateway?.close(drainMs)
  await pool.drain(0)
  log.info({}, 'stopped')
}

/** What nobody caught ends the process; its message may quote an image, so the log gets only where it came from. */
function endOnFault(log: Logger): void {
  process.on('uncaughtException', (error) => {
    log.fatal({ frames: toLogFrames(error) }, 'unexpected failure')
    process.exit(1)
  })
}

/** Node's warnings as lines of the log. That a part of Node is experimental (SQLite, for the lock) is known and no news to an operator. */
function logWarnings(log: Logger): void {
  process.removeAllListeners('warning')
  process.on('warning', (warning) => {
    if (warning.name !== 'ExperimentalWarning') log.warn({ warning: warning.name, frames: toLogFrames(warning) }, 'warning of the runtime')
  })
}

main().catch((error: unknown) => {
  const message = error instanceof Problem ? `${error.code}: ${error.message}` : `internal: ${toLogFrames(error)}`
  process.stderr.write(`attending does not start.\n${message}\n`)
  process.exitCode = 1
})
