import { describe, expect, it } from 'vitest'
import { compileKernels, DATA_SECTION, hasSection, type KernelVariant, supportedVariant } from '../../../models/backend/compile-kernels.ts'

const CODE_SECTION = 10

describe('the compiled kernels', () => {
  it.each<KernelVariant>(['simd', 'relaxed-simd'])('have code and no data segment, which would overwrite the backend memory (%s)', async (variant) => {
    const bytes = await compileKernels(variant)
    expect(hasSection(bytes, CODE_SECTION)).toBe(true)
    expect(hasSection(bytes, DATA_SECTION)).toBe(false)
  })

  it('are the same bytes from the cache as from the compiler', async () => {
    const first = await compileKernels('simd')
    expect(Buffer.from(await compileKernels('simd')).equals(Buffer.from(first))).toBe(true)
  })

  it('are relaxed exactly where the runtime accepts the relaxed build', async () => {
    const accepted = WebAssembly.validate(await compileKernels('relaxed-simd'))
    expect(supportedVariant()).toBe(accepted ? 'relaxed-simd' : 'simd')
  })
})

describe('hasSection', () => {
  it('finds the data section of a module that has one', () => {
    // (module (memory 1) (data (i32.const 0) "a"))
    const module = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 5, 3, 1, 0, 1, 11, 7, 1, 0, 65, 0, 11, 1, 97)
    expect(WebAssembly.validate(module)).toBe(true)
    expect(hasSection(module, DATA_SECTION)).toBe(true)
    expect(hasSection(module, CODE_SECTION)).toBe(false)
  })
})
