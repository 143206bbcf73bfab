/** The AssemblyScript sources of kernels/ in, a WebAssembly module that this machine can run out; compiled once and kept under node_modules/.cache. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const SOURCES = join(import.meta.dirname, 'kernels')
const CACHE = resolve(import.meta.dirname, '../../node_modules/.cache/attending')
const ASSEMBLYSCRIPT = resolve(import.meta.dirname, '../../node_modules/assemblyscript/package.json')

/** No runtime, no own memory, no data: the module works in the memory of TF.js' wasm backend and must put nothing there by itself. */
export const KERNEL_FLAGS = ['-O3', '--runtime', 'stub', '--importMemory', '--noExportMemory', '--use', 'abort=', '--enable', 'simd']

/** 'relaxed-simd' has fused multiply-add; its rounding is the processor's own. */
export type KernelVariant = 'relaxed-simd' | 'simd'

/** (module (func (result v128) v128.const 0, 0, 0; f32x4.relaxed_madd)): valid only where relaxed SIMD is. */
const RELAXED_PROBE = Uint8Array.from(
  [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 61, 1, 59, 0].concat(
    ...[1, 2, 3].map(() => [253, 12, ...new Array<number>(16).fill(0)]),
    [253, 133, 2, 11],
  ),
)

/** The best variant that this runtime accepts; null where it has no SIMD at all. */
export function supportedVariant(): KernelVariant | null {
  if (WebAssembly.validate(RELAXED_PROBE)) return 'relaxed-simd'
  const simdProbe = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11)
  return WebAssembly.validate(simdProbe) ? 'simd' : null
}

/**
 * The compiled module's bytes.
 *
 * The cache's key is the hash of every source, the flags and the compiler's version, so a stale module can't be met.
 * Throws: Error with the compiler's messages.
 */
export async function compileKernels(variant: KernelVariant): Promise<Uint8Array<ArrayBuffer>> {
  const flags = variant === 'relaxed-simd' ? [...KERNEL_FLAGS, '--enable', 'relaxed-simd'] : KERNEL_FLAGS
  const file = join(CACHE, `kernels-${variant}-${digestOf(flags)}.wasm`)
  if (existsSync(file)) return new Uint8Array(readFileSync(file))
  const bytes = await compileFolder(SOURCES, flags)
  if (hasSection(bytes, DATA_SECTION)) throw new Error('the kernels have a data segment, which would overwrite the backend memory')
  mkdirSync(CACHE, { recursive: true })
  const temporary = `${file}.${process.pid}.tmp`
  writeFileSync(temporary, bytes)
  renameSync(temporary, file)
  return bytes
}

function digestOf(flags: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify(flags)).update(readFileSync(ASSEMBLYSCRIPT))
  for (const name of readdirSync(SOURCES).sort()) hash.update(name).update(readFileSync(join(SOURCES, name)))
  return hash.digest('hex').slice(0, 24)
}

/**
 * kernels.as.ts of a folder as a WebAssembly module.
 *
 * The compiler itself is loaded only here: most runs find the module in the cache. By its file, which readers of the import graph can follow too.
 * Throws: Error with the compiler's messages.
 */
export async function compileFolder(folder: string, flags: readonly string[]): Promise<Uint8Array<ArrayBuffer>> {
  const { default: asc } = await import('assemblyscript/dist/asc.js')
  let output = new Uint8Array(0)
  const result = await asc.main(['kernels.as.ts', '--baseDir', folder, '--outFile', 'kernels.wasm', ...flags], {
    writeFile: (name: string, contents: string | Uint8Array) => {
      if (name === 'kernels.wasm' && typeof contents !== 'string') output = new Uint8Array(contents)
    },
  })
  if (result.error || output.length === 0) throw new Error(`the kernels do not compile: ${result.stderr.toString()}`, { cause: result.error })
  return output
}

export const DATA_SECTION = 11

/** Whether a WebAssembly module has a section of this id (core specification 5.5.2). */
export function hasSection(module: Uint8Array, id: number): boolean {
  let at = 8 // magic and version
  while (at < module.length) {
    const section = module[at]!
    if (section === id) return true
    const { value, next } = readLeb128(module, at + 1)
    at = next + value
  }
  return false
}

function readLeb128(bytes: Uint8Array, start: number): { value: number; next: number } {
  let value = 0
  let shift = 0
  let at = start
  for (;;) {
    const byte = bytes[at++]!
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) return { value, next: at }
    shift += 7
  }
}
