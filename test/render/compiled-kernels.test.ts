import { resolve } from 'node:path'
import { expect, it } from 'vitest'
import { COMPILED_KERNELS } from '../../src/render/compiled-kernels.ts'

const compile = async (): Promise<string> => {
  const { default: asc } = await import('assemblyscript/dist/asc.js')
  let module = ''
  const flags = ['-O3', '--runtime', 'stub', '--importMemory', '--noExportMemory', '--use', 'abort=', '--enable', 'simd']
  const { error, stderr } = await asc.main(['kernels.as.ts', '--baseDir', resolve(import.meta.dirname, '../../src/render'), '--outFile', 'kernels.wasm', ...flags], {
    writeFile: (name: string, contents: string | Uint8Array) => {
      if (name === 'kernels.wasm') module = Buffer.from(contents as Uint8Array).toString('base64')
    },
  })
  if (error) throw new Error(stderr.toString())
  return module
}

it('holds the kernels whose source lies beside it, compiled', async () => {
  expect(COMPILED_KERNELS).toBe(await compile())
})
