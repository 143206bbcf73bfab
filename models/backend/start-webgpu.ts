/**
 * TF.js' webgpu backend on Dawn, the WebGPU of Chromium, through the npm package `webgpu`: any GPU that has a Vulkan driver.
 *
 * Neither package is a dependency (150 MB with Dawn for every platform): the imports' names are not fixed at compile time.
 */
import { setBackendOrThrow } from './set-backend.ts'

const DAWN = 'webgpu'
const BACKEND = '@tensorflow/tfjs-backend-webgpu'

/** What is used of GPUAdapterInfo (WebGPU, 4.3). */
interface AdapterInfo {
  readonly vendor: string
  readonly architecture: string
  readonly device: string
  readonly description: string
  /** Some drivers don't say. */
  readonly isFallbackAdapter?: boolean
}

interface Gpu {
  requestAdapter(): Promise<{ readonly info: AdapterInfo } | null>
}

interface Dawn {
  readonly globals: Readonly<Record<string, unknown>>
  create(options: readonly string[]): Gpu
}

/**
 * What runs, in words.
 *
 * softwareToo  whether an adapter that computes on the processor will do: it is slower than wasm by far, and for checks alone
 *
 * Throws: Error where a package or a Vulkan adapter is missing, or the only adapter is software and that won't do.
 */
export async function startWebgpu(softwareToo: boolean): Promise<string> {
  const dawn = (await import(DAWN)) as Dawn
  const gpu = dawn.create([])
  const adapter = await gpu.requestAdapter()
  if (adapter === null) throw new Error('no Vulkan adapter')
  const { info } = adapter
  const title = info.description || info.device || info.vendor
  if (isSoftware(info) && !softwareToo) throw new Error(`only a software adapter (${title}); name the backend to use it`)
  Object.assign(globalThis, dawn.globals)
  Object.defineProperty(globalThis.navigator, 'gpu', { value: gpu, configurable: true })
  await import(BACKEND)
  await setBackendOrThrow('webgpu')
  return `TF.js on WebGPU (Dawn, ${title}), plain operations`
}

/** Mesa's and Google's software renderers, by what they call themselves. */
function isSoftware({ isFallbackAdapter, architecture, device, description }: AdapterInfo): boolean {
  return isFallbackAdapter === true || /swiftshader|llvmpipe|lavapipe/i.test(`${architecture} ${device} ${description}`)
}
