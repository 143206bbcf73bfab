/** A backend's name, or none, in; TF.js running on the best backend that can be had, and the primitives that suit it, out. */
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm'
import { Problem } from '../../src/domain/problem.ts'
import { plainPrimitives } from '../layers/plain-primitives.ts'
import type { Primitives } from '../layers/primitives.ts'
import { supportedVariant } from './compile-kernels.ts'
import { fusedPrimitives } from './fused-primitives.ts'
import { type NativeBlas, openNativeBlas } from './native-blas.ts'
import { plainUpdates } from './plain-updates.ts'
import { setBackendOrThrow } from './set-backend.ts'
import { startWebgpu } from './start-webgpu.ts'
import { registerWasmKernels } from './wasm-kernels.ts'
import { wasmUpdates } from './wasm-updates.ts'
import type { WeightUpdates } from './weight-updates.ts'

/** In the order of preference. 'wasm-blas' gives large matrix products to the system's OpenBLAS; 'wasm-shipped' is TF.js' wasm backend without our kernels. */
export const BACKEND_NAMES = ['tfjs-node-gpu', 'tfjs-node', 'webgpu', 'wasm-blas', 'wasm', 'wasm-shipped', 'cpu'] as const
export type BackendName = (typeof BACKEND_NAMES)[number]

export interface RefusedBackend {
  readonly backend: BackendName
  readonly reason: string
}

export interface ChosenBackend {
  readonly name: BackendName
  /** One sentence for the person at the terminal: what runs, and with which kernels. */
  readonly description: string
  readonly primitives: Primitives
  readonly updates: WeightUpdates
  readonly refused: readonly RefusedBackend[]
}

type Started = Omit<ChosenBackend, 'name' | 'refused'>

/** `byName`: whether the person asked for this one, and takes it slow. */
type Starter = (byName: boolean) => Promise<Started>

const starters: Readonly<Record<BackendName, Starter>> = {
  'tfjs-node-gpu': () => startNative('@tensorflow/tfjs-node-gpu'),
  'tfjs-node': () => startNative('@tensorflow/tfjs-node'),
  webgpu: async (byName) => ({ description: await startWebgpu(byName), primitives: plainPrimitives, updates: plainUpdates }),
  'wasm-blas': startWasmWithBlas,
  wasm: () => startWasmWithKernels(null),
  'wasm-shipped': startShippedWasm,
  cpu: startCpu,
}

/**
 * The wanted backend, or the first of BACKEND_NAMES that starts.
 *
 * What runs is asserted: TF.js falls back to another backend in silence.
 * Throws: "backend-unavailable" where the wanted one, or none at all, can be had.
 */
export async function chooseBackend(wanted: BackendName | null): Promise<ChosenBackend> {
  const refused: RefusedBackend[] = []
  for (const name of wanted === null ? BACKEND_NAMES : [wanted]) {
    try {
      return { name, refused, ...(await starters[name](wanted !== null)) }
    } catch (error) {
      refused.push({ backend: name, reason: reasonOf(error) })
    }
  }
  const reasons = refused.map(({ backend, reason }) => `${backend}: ${reason}`).join('; ')
  throw new Problem('backend-unavailable', `no such backend can be had (${reasons})`, { backend: wanted ?? 'any' })
}

/** The name as one of ours. Throws: "parameter-invalid". */
export function parseBackendName(name: string): BackendName {
  const known = BACKEND_NAMES.find((backend) => backend === name)
  if (known) return known
  throw new Problem('parameter-invalid', `the backend is one of ${BACKEND_NAMES.join(', ')}`, { parameter: 'backend' })
}

/** The first line of what went wrong; of a package that is not there, just that, since the message would name folders. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if ('code' in error && error.code === 'ERR_MODULE_NOT_FOUND') return 'not installed'
  return error.message.split('\n')[0] ?? ''
}

/** tfjs-node registers the backend 'tensorflow' on the one TF.js instance. Neither package is a dependency: the import's name is not fixed at compile time. */
async function startNative(packageName: string): Promise<Started> {
  await import(packageName)
  await setBackendOrThrow('tensorflow')
  return { description: `${packageName} (libtensorflow), plain operations`, primitives: plainPrimitives, updates: plainUpdates }
}

/** By name alone: the order of a sum is the processor's, so that the same seed trains to other bits elsewhere. */
async function startWasmWithBlas(byName: boolean): Promise<Started> {
  if (!byName) throw new Error('its sums differ from processor to processor: taken only where it is asked for by name')
  return startWasmWithKernels(await openNativeBlas())
}

async function startWasmWithKernels(blas: NativeBlas | null): Promise<Started> {
  const variant = supportedVariant()
  if (variant === null) throw new Error('this runtime has no WebAssembly SIMD')
  await startWasm()
  const kernels = await registerWasmKernels(variant, blas)
  const description = `TF.js wasm with our ${variant} kernels${blas === null ? '' : ` and ${blas.description}`}`
  return { description, primitives: fusedPrimitives, updates: wasmUpdates(kernels) }
}

async function startShippedWasm(): Promise<Started> {
  await startWasm()
  return { description: 'TF.js wasm as shipped, plain operations', primitives: plainPrimitives, updates: plainUpdates }
}

async function startCpu(): Promise<Started> {
  tf.enableProdMode() // without it the first operation prints an advertisement for the native backend, which was refused just now
  await setBackendOrThrow('cpu')
  return { description: 'TF.js in plain JavaScript, plain operations', primitives: plainPrimitives, updates: plainUpdates }
}

async function startWasm(): Promise<void> {
  const entry = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm')
  setWasmPaths(`${dirname(entry)}/`)
  await setBackendOrThrow('wasm')
  refuseExhaustedMemory()
}

const guarded = new WeakSet<object>()

/** TF.js writes to address 0 where its allocator has nothing left (4 GiB at most), and dies much later of "memory access out of bounds", with the cause lost. */
function refuseExhaustedMemory(): void {
  const { wasm } = tf.backend() as unknown as { readonly wasm: { _malloc: (bytes: number) => number; _free(address: number): void } }
  if (guarded.has(wasm)) return
  guarded.add(wasm)
  // Emscripten puts a stub there whose first call writes the real allocator in its own place, over whatever stands there by then.
  wasm._free(wasm._malloc(1))
  const allocate = wasm._malloc
  wasm._malloc = (bytes) => {
    const address = allocate(bytes)
    if (address === 0 && bytes > 0)
      throw new Problem('memory-exhausted', `the wasm backend has no ${Math.ceil(bytes / 2 ** 20)} MiB left of its 4 GiB: fewer images at once are needed`, {})
    return address
  }
}
