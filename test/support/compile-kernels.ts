/** `node launch.mjs test/support/compile-kernels.ts`: each kernels.as.ts of src in, the compiled-kernels.ts beside it out. A test compiles them again and compares. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const SOURCE = resolve(import.meta.dirname, '../../src')
/** The rooms that have kernels. */
export const KERNEL_ROOMS = ['render', 'tensor'] as const
const FLAGS = ['-O3', '--runtime', 'stub', '--importMemory', '--noExportMemory', '--use', 'abort=', '--enable', 'simd']

/** The room's kernels as a WebAssembly module in base64. Throws: Error with the compiler's messages. */
export async function compileKernels(room: (typeof KERNEL_ROOMS)[number]): Promise<string> {
  const { default: asc } = await import('assemblyscript/dist/asc.js')
  let module = ''
  const { error, stderr } = await asc.main(['kernels.as.ts', '--baseDir', join(SOURCE, room), '--outFile', 'kernels.wasm', ...FLAGS], {
    writeFile: (name: string, contents: string | Uint8Array) => {
      if (name === 'kernels.wasm') module = Buffer.from(contents as Uint8Array).toString('base64')
    },
  })
  if (error) throw new Error(stderr.toString())
  return module
}

if (import.meta.main) {
  for (const room of KERNEL_ROOMS) {
    const file = join(SOURCE, room, 'compiled-kernels.ts')
    const module = await compileKernels(room)
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replace(/(COMPILED_KERNELS =\s*')[^']*'/, (_, start: string) => `${start}${module}'`),
    )
  }
}
