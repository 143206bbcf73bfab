/** Rows in, the inner products of all pairs of them out. */
import { GRAM_KERNEL } from './gram-kernel.ts'

const PAGE_BYTES = 65_536
/** The kernel's tile: rows are padded to a multiple of it. */
const TILE = 4

interface Kernel {
  readonly memory: WebAssembly.Memory
  readonly gram: (x: number, rows: number, columns: number, workspace: number, products: number) => void
}

let opened: Kernel | undefined

/**
 * x x^T of x [rows, columns]: [rows, rows], symmetric. Every product is summed in the order of the columns, so that equal rows have equal products.
 *
 * By gram.as.ts, a quarter of the time of the fastest plain loops for the same bits: half of what finding communities takes.
 */
export function gram(x: Float64Array, rows: number): Float64Array {
  if (rows === 0) return new Float64Array(0)
  const columns = x.length / rows
  const padded = Math.ceil(rows / TILE) * TILE
  const workspace = x.byteLength
  const products = workspace + columns * padded * x.BYTES_PER_ELEMENT
  opened ??= openKernel()
  const { memory, gram: run } = opened
  makeRoom(memory, products + padded * padded * x.BYTES_PER_ELEMENT)
  new Float64Array(memory.buffer, 0, x.length).set(x)
  run(0, rows, columns, workspace, products)
  const out = new Float64Array(rows * rows)
  for (let row = 0; row < rows; row++) out.set(new Float64Array(memory.buffer, products + row * padded * x.BYTES_PER_ELEMENT, rows), row * rows)
  return out
}

function openKernel(): Kernel {
  const memory = new WebAssembly.Memory({ initial: 1 })
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(GRAM_KERNEL, 'base64')), { env: { memory } })
  return { memory, gram: exports['gram'] as Kernel['gram'] }
}

function makeRoom(memory: WebAssembly.Memory, bytes: number): void {
  const missing = bytes - memory.buffer.byteLength
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES))
}
