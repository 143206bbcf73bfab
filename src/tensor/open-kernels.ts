/** A number of bytes in, the compiled kernels with a memory of at least that size out. */
import { COMPILED_KERNELS } from './compiled-kernels.ts'

/** The functions of kernels.as.ts; every address is a byte offset in `memory`. */
export interface Kernels {
  readonly memory: ArrayBuffer
  readonly gram: (x: number, rows: number, columns: number, workspace: number, products: number) => void
  readonly averageLink: (distances: number, items: number, padded: number, sizes: number, chain: number, merges: number) => void
}

const PAGE_BYTES = 65_536

let opened: { readonly memory: WebAssembly.Memory; readonly exports: Readonly<Record<string, unknown>> } | undefined

/** One module for all, compiled at the first call. What lies in its memory is the caller's only until the next call. */
export function openKernels(bytes: number): Kernels {
  opened ??= instantiate()
  const { memory, exports } = opened
  const missing = bytes - memory.buffer.byteLength
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES))
  return { memory: memory.buffer, gram: exports['gram'] as Kernels['gram'], averageLink: exports['averageLink'] as Kernels['averageLink'] }
}

function instantiate(): NonNullable<typeof opened> {
  const memory = new WebAssembly.Memory({ initial: 1 })
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(COMPILED_KERNELS, 'base64')), { env: { memory } })
  return { memory, exports }
}
