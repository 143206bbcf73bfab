/** A step's batch in, its gradients out, computed in parts by several threads: the same bits whatever their number. */
import { Worker } from 'node:worker_threads'
import * as tf from '@tensorflow/tfjs'
import { Problem } from '../../src/domain/problem.ts'
import type { DataSet } from '../data/data-set.ts'
import { batchCount, type GradientSetting, type GradientSource, type Part, partGradients, type StepGradients, type StepPlace } from './gradient-source.ts'
import { type LaidOut, layoutOf, pack, totalSize } from './weight-layout.ts'

/** Parts of each batch, and so the most threads. Fixed: sums over other parts would round otherwise. */
export const PARTS = 4

/** What a thread is given once. The arrays lie in memory that all threads share. */
export interface WorkerSetting extends Omit<GradientSetting, 'backend'> {
  readonly backend: GradientSetting['backend']['name']
  readonly layout: readonly LaidOut[]
  /** [weight]: written by the first thread before each step. */
  readonly weights: Float32Array
  /** [part, weight]: each part's place is written by one thread. */
  readonly gradients: Float32Array
}

export interface WorkerRequest {
  readonly place: StepPlace
  readonly parts: readonly number[]
}

export interface PartResult {
  readonly part: number
  readonly loss: number
  /** Weights without a gradient. */
  readonly absent: readonly string[]
}

export type WorkerAnswer = { readonly kind: 'ready' } | { readonly kind: 'done'; readonly results: readonly PartResult[] } | { readonly kind: 'failed'; readonly message: string }

/** Images of part `index` of a batch; empty where the batch has fewer images than parts. */
export function partOf(index: number, count: number): Part {
  return { first: Math.floor((index * count) / PARTS), end: Math.floor(((index + 1) * count) / PARTS) }
}

/** Computes parts one after the other and leaves their gradients in the shared memory. */
export function partRunner(setting: WorkerSetting, primitives: GradientSetting['backend']['primitives'], weights: ReadonlyMap<string, tf.Variable>) {
  const gradientsOf = partGradients({ ...setting, backend: { name: setting.backend, primitives } }, weights)
  const size = totalSize(setting.layout)
  const count = batchCount(setting)
  return async ({ place, parts }: WorkerRequest): Promise<PartResult[]> => {
    const results: PartResult[] = []
    for (const part of parts) {
      const { loss, gradients } = await gradientsOf(place, partOf(part, count))
      const absent = await pack(gradients, setting.layout, setting.gradients.subarray(part * size, (part + 1) * size))
      tf.dispose([...gradients.values()])
      results.push({ part, loss, absent })
    }
    return results
  }
}

/**
 * The source on `workers` threads, this one among them.
 *
 * Throws: "parameter-invalid" for a number of workers that is none of 1 to PARTS, or where the backend is no one thread's; "internal" where a thread ends.
 */
export async function shardedGradients(setting: GradientSetting, weights: ReadonlyMap<string, tf.Variable>, workers: number): Promise<GradientSource> {
  checkWorkers(setting, workers)
  const shared = shareSetting(setting, weights)
  const runHere = partRunner(shared, setting.backend.primitives, weights)
  const parts = Array.from({ length: PARTS }, (_, part) => part).filter((part) => partOf(part, batchCount(setting)).end > partOf(part, batchCount(setting)).first)
  const partsOf = (worker: number): number[] => parts.filter((part) => part % workers === worker)
  const others = await startThreads(shared, workers - 1)
  return {
    async gradientsAt(place) {
      if (others.length > 0) await pack(weights, shared.layout, shared.weights)
      const pending = others.map((thread, i) => thread.run({ place, parts: partsOf(i + 1) }))
      const [here, ...there] = await Promise.all([runHere({ place, parts: partsOf(0) }), ...pending])
      return sumParts(shared, [...here, ...there.flat()])
    },
    async close() {
      await Promise.all(others.map((thread) => thread.end()))
    },
  }
}

function checkWorkers({ backend }: GradientSetting, workers: number): void {
  const invalid = (detail: string): Problem => new Problem('parameter-invalid', detail, { parameter: 'workers' })
  if (!Number.isSafeInteger(workers) || workers < 1 || workers > PARTS) throw invalid(`workers are 1 to ${PARTS}`)
  const isOfOneThread = ['wasm-blas', 'wasm', 'wasm-shipped', 'cpu'].includes(backend.name)
  if (workers > 1 && !isOfOneThread) throw invalid(`the backend ${backend.name} has threads of its own: workers are for wasm and cpu`)
}

/** The training split alone, in shared memory: threads see no other. */
function shareSetting(setting: GradientSetting, weights: ReadonlyMap<string, tf.Variable>): WorkerSetting {
  const { recipe, data, seed, normalization, backend } = setting
  const layout = layoutOf(weights)
  const shared = (length: number): Float32Array => new Float32Array(new SharedArrayBuffer(4 * length))
  const empty = { count: 0, images: new Uint8Array(0), labels: new Uint8Array(0) }
  const { count, images, labels, masks } = data.splits.train
  const train = { count, images: sharedBytes(images), labels: sharedBytes(labels), ...(masks && { masks: sharedBytes(masks) }) }
  const seen: DataSet = { ...data, splits: { train, validation: empty, test: empty } }
  return { recipe, data: seen, seed, normalization, backend: backend.name, layout, weights: shared(totalSize(layout)), gradients: shared(PARTS * totalSize(layout)) }
}

function sharedBytes(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length))
  copy.set(bytes)
  return copy
}

/** Sums in the order of the parts, whichever thread was first. */
function sumParts({ layout, gradients }: WorkerSetting, results: readonly PartResult[]): StepGradients {
  const size = totalSize(layout)
  const ordered = [...results].sort((a, b) => a.part - b.part)
  const sum = new Float32Array(size)
  for (const { part } of ordered) {
    const of = gradients.subarray(part * size, (part + 1) * size)
    for (let i = 0; i < size; i++) sum[i] = (sum[i] ?? 0) + (of[i] ?? 0)
  }
  const present = layout.filter(({ name }) => ordered.some(({ absent }) => !absent.includes(name)))
  return {
    loss: ordered.reduce((total, { loss }) => total + loss, 0),
    gradients: new Map(present.map(({ name, shape, offset, size: length }) => [name, tf.tensor(sum.slice(offset, offset + length), [...shape])])),
  }
}

interface Thread {
  run(request: WorkerRequest): Promise<readonly PartResult[]>
  end(): Promise<void>
}

async function startThreads(setting: WorkerSetting, count: number): Promise<Thread[]> {
  const started = await Promise.allSettled(Array.from({ length: count }, () => startThread(setting)))
  const threads = started.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  const failed = started.find((outcome) => outcome.status === 'rejected')
  if (failed === undefined) return threads
  await Promise.all(threads.map((thread) => thread.end()))
  throw failed.reason
}

async function startThread(setting: WorkerSetting): Promise<Thread> {
  const worker = new Worker(new URL('./gradient-worker.ts', import.meta.url), { workerData: setting })
  const ask = (request: WorkerRequest | null): Promise<WorkerAnswer> =>
    new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        worker.off('message', onMessage).off('error', onError).off('exit', onExit)
        act()
      }
      const onMessage = (answer: WorkerAnswer): void => settle(() => (answer.kind === 'failed' ? reject(lost(answer.message)) : resolve(answer)))
      const onError = (error: unknown): void => settle(() => reject(lost(error instanceof Error ? error.message : 'an unknown error', error)))
      const onExit = (code: number): void => settle(() => reject(lost(`exit ${code}`)))
      worker.on('message', onMessage).on('error', onError).on('exit', onExit)
      if (request !== null) worker.postMessage(request)
    })
  await ask(null)
  return {
    async run(request) {
      const answer = await ask(request)
      return answer.kind === 'done' ? answer.results : []
    },
    async end() {
      await worker.terminate()
    },
  }
}

function lost(reason: string, cause?: unknown): Problem {
  return new Problem('internal', `a training thread failed: ${reason}`, {}, cause)
}
