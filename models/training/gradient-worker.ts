/** The entry of one training thread: a backend of its own, weights and images from shared memory in, gradients of its parts into shared memory out. */
import { parentPort, workerData } from 'node:worker_threads'
import { chooseBackend } from '../backend/choose-backend.ts'
import { assignVariables, toVariables } from '../variables.ts'
import { partRunner, type WorkerAnswer, type WorkerRequest, type WorkerSetting } from './sharded-gradients.ts'

const setting = workerData as WorkerSetting
const answer = (message: WorkerAnswer): void => parentPort?.postMessage(message)

/** Copies: a backend may keep what it is given. */
const currentWeights = () => new Map(setting.layout.map(({ name, shape, offset, size }) => [name, { shape, data: setting.weights.slice(offset, offset + size) }] as const))

const { primitives } = await chooseBackend(setting.backend)
const weights = toVariables(currentWeights())
const run = partRunner(setting, primitives, weights)

parentPort?.on('message', async (request: WorkerRequest) => {
  try {
    assignVariables(weights, currentWeights())
    answer({ kind: 'done', results: await run(request) })
  } catch (error) {
    answer({ kind: 'failed', message: error instanceof Error ? error.message : String(error) })
  }
})
answer({ kind: 'ready' })
