/** `node launch.mjs test/support/compile-kernels.ts`: each kernels.as.ts of src in, the compiled-kernels.ts beside it out. A test compiles them again and compares. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { compileFolder, KERNEL_FLAGS } from '../../models/backend/compile-kernels.ts'

const SOURCE = resolve(import.meta.dirname, '../../src')
/** The rooms that have kernels. */
export const KERNEL_ROOMS = ['render', 'tensor'] as const

/** The room's kernels as a WebAssembly module in base64. Throws: Error with the compiler's messages. */
export async function compileKernels(room: (typeof KERNEL_ROOMS)[number]): Promise<string> {
  return Buffer.from(await compileFolder(join(SOURCE, room), KERNEL_FLAGS)).toString('base64')
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
