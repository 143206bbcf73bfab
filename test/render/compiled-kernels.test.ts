import { expect, it } from 'vitest'
import { COMPILED_KERNELS } from '../../src/render/compiled-kernels.ts'
import { compileKernels } from '../support/compile-kernels.ts'

it('holds the kernels whose source lies beside it, compiled', async () => {
  expect(COMPILED_KERNELS).toBe(await compileKernels('render'))
})
