/** Settings, a database and the engines in, a working gateway out: whatever comes through a door becomes a durable order, and its results reach the archives. */
import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ResultEnvironment } from '../domain/dicom-result.ts'
import { FINAL_JOB_STATES, type InstanceOrder, type InstanceOutcome, type Job, type JobWork } from '../domain/job.ts'
import { type Log, toLogFrames } from '../domain/log.ts'
import { Problem, toProblemData } from '../domain/problem.ts'
import type { Database } from '../jobs/database.ts'
import { type JobQueue, openJobQueue } from '../jobs/open-job-queue.ts'
import { createDelivery, createRetrieval } from '../pacs/deliver-results.ts'
import { type DimseScp, openDimseScp } from '../pacs/dimse-scp.ts'
import type { ReceivedInstance } from '../pacs/dimse-scp-settings.ts'
import { createMovedInstances, type MovedInstances } from '../pacs/moved-instances.ts'
import { readFileMeta } from '../pacs/read-file-meta.ts'
import { receiveStow, type StowAnswer, type StowRequest } from '../pacs/receive-stow.ts'
import { isStorageClass } from '../pacs/storage-classes.ts'
import { type Watch, watchFolder } from '../pacs/watch-folder.ts'
import type { InstanceRequest, InstanceResult, PredictedFrame } from '../routing/instance.ts'
import { createGate, type Gate } from './gate.ts'
import type { DimseDoor, GatewaySettings } from './gateway-file.ts'
import { workWorklists } from './work-worklists.ts'

/** What the work may know of its job. */
export interface OrderedJob {
  readonly id: string
  readonly createdAt: Date
}

export interface GatewayParts {
  readonly settings: GatewaySettings
  readonly database: Database
  /** The folder of the queue's files; shared by servers that share the database. */
  readonly folder: string
  /** Walks the road in an engine. Throws "overloaded", "deadline-exceeded", "engine-lost", and whatever the road throws. */
  readonly processInstance: (request: InstanceRequest, signal: AbortSignal) => Promise<InstanceResult>
  /** Keeps the predictions, so that the API can show them; their id, or null where nothing is kept. */
  readonly keepPrediction: (job: OrderedJob, frames: readonly PredictedFrame[]) => Promise<string | null>
  /** What objects of that time (ISO 8601, UTC) say of this installation. */
  readonly resultEnvironment: (createdAt: string) => ResultEnvironment
  /** Instances handed to the engines at a time; one per engine leaves requests over HTTP their turn. */
  readonly predictConcurrency: number
  readonly now: () => Date
  readonly newId: () => string
  readonly log: Log
}

export interface Gateway {
  readonly jobs: JobQueue
  /** The DIMSE receiver's port; null without one. */
  readonly dimsePort: number | null
  /** The whole of `POST /dicom-web/studies`. Throws as `receiveStow` does. */
  receiveStow(request: StowRequest): Promise<StowAnswer>
  /** Closes the doors, then the queue; what is accepted and undone is done after the next start. The database stays open. */
  close(graceMs: number): Promise<void>
}

const MAX_STOW_PARTS = 1000
const MAX_PULL_PARTS = 100_000
const POLL_MS = 500
const HEARTBEAT_SECONDS = 30
/** An engine that is busy is asked again after about 1, 2, 4 ... seconds; a crash of the process counts as an attempt too. */
const PREDICT_RETRY = { limit: 15, delaySeconds: 1, maxDelaySeconds: 60 }

/** Throws: "settings-invalid" where the receiver can't listen. What was opened by then is closed again, but for the database. */
export async function openGateway(parts: GatewayParts): Promise<Gateway> {
  const moved = createMovedInstances()
  await mkdir(parts.folder, { recursive: true, mode: 0o700 })
  const jobs = await openJobQueue({
    database: parts.database,
    folder: join(parts.folder, 'files'),
    work: createWork(parts, moved),
    destinations: parts.settings.destinations,
    // One more is read from the disk, and the one before it written, while the engines work.
    predictConcurrency: parts.predictConcurrency + 1,
    predictRetry: PREDICT_RETRY,
    retentionMs: parts.settings.retentionMs,
    pollMs: POLL_MS,
    heartbeatSeconds: HEARTBEAT_SECONDS,
    now: parts.now,
    newId: parts.newId,
    log: parts.log,
  })
  jobs.start()
  const { dimse, watches } = await openDoors(parts, jobs, moved).catch(async (error: unknown) => {
    await jobs.close(0)
    throw error
  })
  const { maxObjectBytes, worklists, aeTitle } = parts.settings
  const workers = await workWorklists({ worklists, jobs, folder: parts.folder, stationName: aeTitle, now: parts.now, newId: parts.newId, log: parts.log })
  return {
    jobs,
    dimsePort: dimse?.port ?? null,
    receiveStow: (request) =>
      receiveStow(request, (bytes) => acceptInstance(parts, jobs, { door: 'stow', peer: null }, bytes), { maxPartBytes: maxObjectBytes, maxParts: MAX_STOW_PARTS }),
    async close(graceMs) {
      await Promise.all([dimse?.close(graceMs), ...watches.map((watch) => watch.stop()), ...workers.map((worker) => worker.stop())])
      await jobs.close(graceMs)
    },
  }
}

interface Doors {
  readonly dimse: DimseScp | null
  readonly watches: readonly Watch[]
}

async function openDoors(parts: GatewayParts, jobs: JobQueue, moved: MovedInstances): Promise<Doors> {
  const { settings, log } = parts
  const { dimse, aeTitle, maxObjectBytes, watch } = settings
  const accept = (instance: ReceivedInstance): Promise<void> => acceptStored(parts, jobs, moved, instance)
  const scp = dimse === null ? null : await openDimseScp({ ...dimse, aeTitle, maxObjectBytes, accept }).catch((error: unknown) => refuseAddress(dimse, error))
  const watches: Watch[] = []
  for (const { name, folder, pollMs } of watch) {
    const accept = (bytes: Uint8Array): Promise<void> => acceptFile(parts, jobs, name, bytes)
    watches.push(await watchFolder({ folder, pollMs, maxFileBytes: maxObjectBytes, accept, log }))
  }
  return { dimse: scp, watches }
}

function refuseAddress({ host, port }: DimseDoor, error: unknown): never {
  const { code } = error as NodeJS.ErrnoException
  throw new Problem('settings-invalid', `the gateway cannot listen on ${host} port ${port} (${code})`, { setting: 'ATTENDING_GATEWAY_FILE' }, error)
}

/** An instance that one of our own C-MOVEs asked for belongs to the pull; any other is an order of its own. */
async function acceptStored(parts: GatewayParts, jobs: JobQueue, moved: MovedInstances, { bytes, callingAeTitle, moveOriginator }: ReceivedInstance): Promise<void> {
  if (moveOriginator === parts.settings.aeTitle && (await moved.offer(callingAeTitle, bytes))) return
  await acceptInstance(parts, jobs, { door: 'c-store', peer: callingAeTitle }, bytes)
}

/** Throws "dicom-not-part10", "uid-invalid", "sop-class-unsupported": what a folder holds was asked nothing at its door. */
async function acceptFile(parts: GatewayParts, jobs: JobQueue, peer: string, bytes: Uint8Array): Promise<void> {
  if (!isStorageClass(readFileMeta(bytes).sopClassUid)) throw new Problem('sop-class-unsupported', 'the SOP class is no image that is read', {})
  await acceptInstance(parts, jobs, { door: 'folder', peer }, bytes)
}

/** Says in the log why an instance was not accepted: its sender is told a number only. */
async function acceptInstance(parts: GatewayParts, jobs: JobQueue, arrival: Pick<InstanceOrder, 'door' | 'peer'>, bytes: Uint8Array): Promise<void> {
  try {
    await submitInstance(parts, jobs, arrival, bytes)
  } catch (error) {
    const { code } = toProblemData(error)
    parts.log.error({ door: arrival.door, code, frames: code === 'internal' ? toLogFrames(error) : null }, 'an instance was not accepted')
    throw error
  }
}

/**
 * The instance as a durable order. The same bytes through the same door are one job: sent again they change nothing, unless that job came to
 * no good end; then it is taken up again.
 *
 * Throws: "overloaded" where as many orders wait as may.
 */
async function submitInstance({ settings }: GatewayParts, jobs: JobQueue, arrival: Pick<InstanceOrder, 'door' | 'peer'>, bytes: Uint8Array): Promise<void> {
  if ((await jobs.countQueued()) >= settings.maxQueued) throw new Problem('overloaded', 'as many orders wait as may', { retryAfterSeconds: 60 })
  const order: InstanceOrder = { kind: 'instance', ...arrival, modelId: null, destinations: null }
  const idempotencyKey = createHash('sha256').update(`${arrival.door}\n${arrival.peer}\n`).update(bytes).digest('hex')
  const { job, isNew } = await jobs.submitInstance(order, bytes, { idempotencyKey })
  if (isNew || !endedBadly(job)) return
  if (job.state === 'failed' || job.state === 'dead') await jobs.replay(job.id)
  else {
    await jobs.releaseKey(idempotencyKey)
    await jobs.submitInstance(order, bytes, { idempotencyKey })
  }
}

/** Rules may have changed since it was skipped, and who cancelled it may want it after all. */
function endedBadly({ state }: Job): boolean {
  return FINAL_JOB_STATES.includes(state) && state !== 'done'
}

function createWork(parts: GatewayParts, moved: MovedInstances): JobWork {
  const { settings } = parts
  const deliver = createDelivery(settings.archives)
  const limits = { maxPartBytes: settings.maxObjectBytes, maxParts: MAX_PULL_PARTS }
  const retrieve = createRetrieval(settings.archives, limits, settings.dimse === null ? null : { aeTitle: settings.aeTitle, moved })
  const engines = createGate(parts.predictConcurrency)
  return { perform: (order, bytes, job, signal) => perform(parts, engines, order, bytes, job, signal), retrieve, deliver }
}

async function perform(parts: GatewayParts, engines: Gate, order: InstanceOrder, bytes: Uint8Array, job: OrderedJob, signal: AbortSignal): Promise<InstanceOutcome> {
  const { rules } = parts.settings
  // The order's own time: a second attempt makes the same bytes.
  const environment = parts.resultEnvironment(job.createdAt.toISOString())
  const { modelId, destinations, door, peer } = order
  const request: InstanceRequest = { bytes, arrival: { door, peer }, rules, modelId, destinations, requestId: job.id, environment }
  const result = await engines.pass(() => parts.processInstance(request, signal), signal)
  if (result.kind === 'skipped') return result
  const predictionId = await parts.keepPrediction(job, result.frames)
  return { kind: 'results', modelId: result.modelId, predictionId, objects: result.objects, destinations: result.destinations }
}
