/** A compiled module in, its functions and a memory that grows with what is asked of it out. */

/** Every address that the functions take is a byte offset in the memory. */
export interface OpenModule<Functions> {
  readonly functions: Functions
  /** The memory, of at least this size. What lies in it is the caller's only until the next call. */
  memoryOf(bytes: number): ArrayBuffer
}

const PAGE_BYTES = 65_536

/** module  base64, as AssemblyScript compiles it with --importMemory */
export function openModule<Functions>(module: string): OpenModule<Functions> {
  const memory = new WebAssembly.Memory({ initial: 1 })
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(module, 'base64')), { env: { memory } })
  return {
    functions: exports as Functions,
    memoryOf: (bytes) => {
      const missing = bytes - memory.buffer.byteLength
      if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES))
      return memory.buffer
    },
  }
}
