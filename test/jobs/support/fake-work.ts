/** Work that the tests of the queue steer: what a prediction comes to is read from the payload, an archive is a map in memory. */
import { randomBytes } from 'node:crypto'
import type { InstanceOrder, InstanceOutcome, Job, JobState, JobWork, PullOrder, ResultObject } from '../../../src/domain/job.ts'
import type { Log } from '../../../src/domain/log.ts'
import { Problem } from '../../../src/domain/problem.ts'
import type { Database } from '../../../src/jobs/database.ts'
import { type JobQueue, type JobQueueSettings, openJobQueue } from '../../../src/jobs/open-job-queue.ts'

export const newId = (): string => randomBytes(16).toString('hex')
export const silentLog: Log = { info() {}, warn() {}, error() {} }

export const order = (fields: Partial<InstanceOrder> = {}): InstanceOrder => ({ kind: 'instance', door: 'stow', peer: null, modelId: null, destinations: null, ...fields })

export class FakeWork implements JobWork {
  /** What each performed payload was, in order. */
  readonly performed: string[] = []
  /** Per destination, object UID to how often it arrived. */
  readonly archives = new Map<string, Map<string, number>>()
  /** Of each delivery: how many objects it had, and whether it was said to be a repeated one. */
  readonly deliveries: [number, boolean][] = []
  /** Thrown by the next deliveries to a destination, in order. */
  readonly deliveryProblems = new Map<string, Problem[]>()
  performProblems: Problem[] = []
  /** Two objects for each. */
  frames = 1
  instances: readonly string[] = []
  destinations: readonly string[] = ['archive']
  /** Awaited inside `perform`, to hold it there. */
  gate: Promise<void> = Promise.resolve()

  async perform(_order: InstanceOrder, bytes: Uint8Array, _job: unknown, signal: AbortSignal): Promise<InstanceOutcome> {
    const text = Buffer.from(bytes).toString()
    this.performed.push(text)
    await Promise.race([this.gate, new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Problem('engine-lost', 'aborted', {}))))])
    const problem = this.performProblems.shift()
    if (problem !== undefined) throw problem
    if (text.startsWith('skip')) return { kind: 'skipped', reason: 'no rule takes it' }
    const frames = Array.from({ length: this.frames }, (_, frame) => (frame === 0 ? '' : String(frame)))
    const kinds = frames.flatMap((frame) => [`sr${frame}`, `sc${frame}`])
    const objects = kinds.map(
      (kind): ResultObject => ({
        kind,
        studyInstanceUid: '1.2.8',
        seriesInstanceUid: '1.2.9',
        sopClassUid: '1.2.3',
        sopInstanceUid: `${text}.${kind}`,
        bytes: Buffer.from(`${text} ${kind}`),
      }),
    )
    return { kind: 'results', modelId: 'model-a', predictionId: newId(), objects, destinations: this.destinations }
  }

  async *retrieve(_order: PullOrder, _signal: AbortSignal): AsyncIterable<Uint8Array> {
    for (const instance of this.instances) yield Buffer.from(instance)
  }

  async deliver(destination: string, objects: readonly ResultObject[], _signal: AbortSignal, isRepeated: boolean): Promise<void> {
    this.deliveries.push([objects.length, isRepeated])
    const problem = this.deliveryProblems.get(destination)?.shift()
    if (problem !== undefined) throw problem
    const archive = this.archives.get(destination) ?? new Map<string, number>()
    this.archives.set(destination, archive)
    for (const { sopInstanceUid } of objects) archive.set(sopInstanceUid, (archive.get(sopInstanceUid) ?? 0) + 1)
  }

  arrived(destination: string): string[] {
    return [...(this.archives.get(destination)?.keys() ?? [])].sort()
  }
}

export function openTestQueue(database: Database, folder: string, work: JobWork, settings: Partial<JobQueueSettings> = {}): Promise<JobQueue> {
  const retry = { limit: 2, delaySeconds: 0, maxDelaySeconds: 1 }
  return openJobQueue({
    database,
    folder,
    work,
    destinations: ['archive', 'second'].map((name) => ({ name, concurrency: 2, retry })),
    predictConcurrency: 2,
    predictRetry: retry,
    retentionMs: 3_600_000,
    pollMs: 50,
    heartbeatSeconds: 10,
    now: () => new Date(),
    newId,
    log: silentLog,
    ...settings,
  })
}

/** The job once it has reached one of the states; the test's own time limit ends the wait. */
export async function untilState(queue: JobQueue, id: string, ...states: readonly JobState[]): Promise<Job> {
  for (;;) {
    const job = await queue.find(id)
    if (states.includes(job.state)) return job
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
