/** A gateway that keeps its jobs in memory, does no work, and reads STOW-RS bodies as the real one does. */
import { createHash } from 'node:crypto'
import type { GatewayDoor } from '../../../src/domain/gateway.ts'
import { FINAL_JOB_STATES, type Job, type JobEvent, type JobOrder, type JobState, type Jobs, type Submission, type SubmitOptions } from '../../../src/domain/job.ts'
import { Problem } from '../../../src/domain/problem.ts'
import { receiveStow } from '../../../src/pacs/receive-stow.ts'

export interface FakeGateway extends GatewayDoor {
  readonly jobs: FakeJobs
  readonly received: Uint8Array[]
}

export const MAX_OBJECT_BYTES = 64 * 1024

export function createFakeGateway(): FakeGateway {
  const received: Uint8Array[] = []
  return {
    jobs: new FakeJobs(),
    received,
    archives: ['pacs', 'vna'],
    maxQueued: 3,
    maxObjectBytes: MAX_OBJECT_BYTES,
    receiveStow: (request) => receiveStow(request, async (bytes) => void received.push(bytes), { maxPartBytes: MAX_OBJECT_BYTES, maxParts: 4 }),
  }
}

export class FakeJobs implements Jobs {
  readonly orders: { order: JobOrder; bytes: Uint8Array | null; options: SubmitOptions }[] = []
  readonly #jobs = new Map<string, Job>()
  readonly #byKey = new Map<string, string>()
  readonly #events: JobEvent[] = []
  #wake: () => void = () => undefined

  submitInstance(order: JobOrder, bytes: Uint8Array, options: SubmitOptions = {}): Promise<Submission> {
    return this.#submit(order, Uint8Array.from(bytes), options)
  }

  submitPull(order: JobOrder, options: SubmitOptions = {}): Promise<Submission> {
    return this.#submit(order, null, options)
  }

  async #submit(order: JobOrder, bytes: Uint8Array | null, options: SubmitOptions): Promise<Submission> {
    const known = this.#byKey.get(options.idempotencyKey ?? '')
    if (known !== undefined) return { job: await this.find(known), isNew: false }
    this.orders.push({ order, bytes, options })
    const id = createHash('md5').update(String(this.orders.length)).digest('hex')
    if (options.idempotencyKey !== undefined) this.#byKey.set(options.idempotencyKey, id)
    this.#jobs.set(id, newJob(id, order, options.priority ?? 0))
    this.change(id, { state: 'queued' })
    return { job: await this.find(id), isNew: true }
  }

  /** What the work would do. */
  change(id: string, fields: Partial<Job>): void {
    const job = { ...this.#jobs.get(id)!, ...fields }
    this.#jobs.set(id, job)
    const { state, progress, problem, updatedAt } = job
    this.#events.push({ sequence: this.#events.length + 1, jobId: id, at: updatedAt, state, progress, destination: null, problem })
    this.#wake()
  }

  async find(id: string): Promise<Job> {
    const job = this.#jobs.get(id)
    if (job === undefined) throw new Problem('job-unknown', 'there is no job of this id', {})
    return job
  }

  async list({ state, limit }: { readonly state?: JobState; readonly limit: number }): Promise<readonly Job[]> {
    return [...this.#jobs.values()]
      .filter((job) => state === undefined || job.state === state)
      .reverse()
      .slice(0, limit)
  }

  cancel(id: string): Promise<Job> {
    return this.#move(id, (state) => !FINAL_JOB_STATES.includes(state), 'cancelled')
  }

  replay(id: string): Promise<Job> {
    return this.#move(id, (state) => state === 'failed' || state === 'dead', 'queued')
  }

  async #move(id: string, may: (state: JobState) => boolean, state: JobState): Promise<Job> {
    if (!may((await this.find(id)).state)) throw new Problem('job-finished', 'the job has come to its end', {})
    this.change(id, { state })
    return this.find(id)
  }

  async *follow(id: string, after: number, signal: AbortSignal): AsyncIterable<JobEvent> {
    for (let place = after; !signal.aborted; ) {
      const event = this.#events.find(({ jobId, sequence }) => jobId === id && sequence > place)
      if (event !== undefined) {
        place = event.sequence
        yield event
      } else if (FINAL_JOB_STATES.includes((await this.find(id)).state)) return
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
          signal.addEventListener('abort', () => resolve(), { once: true })
        })
    }
  }

  async counts(): ReturnType<Jobs['counts']> {
    const states = { queued: 0, running: 0, delivering: 0, done: 0, skipped: 0, failed: 0, dead: 0, cancelled: 0 }
    for (const { state } of this.#jobs.values()) states[state]++
    return { states, oldestQueuedSeconds: states.queued === 0 ? 0 : 12.5 }
  }
}

const newJob = (id: string, order: JobOrder, priority: number): Job => ({
  id,
  kind: order.kind,
  door: order.kind === 'pull' ? 'pull' : order.door,
  state: 'queued',
  priority,
  progress: { step: 'wait', done: 0, total: 0 },
  createdAt: '2026-01-02T03:04:05.678Z',
  updatedAt: '2026-01-02T03:04:05.678Z',
  finishedAt: null,
  modelId: order.modelId,
  predictionId: null,
  reason: null,
  problem: null,
  resultKinds: [],
  deliveries: [],
  parentId: null,
})
