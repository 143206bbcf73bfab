import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { encodeModel } from '../../../export/onnx/encode-model.ts'
import { counterUniformFunction, counterUniformNode } from '../../../export/ops/counter-uniform.ts'
import { maskUniforms } from '../../../src/tensor/counter-random.ts'
import { exactUniform, UNIFORM_CASES, type UniformCase } from '../../cases/counter-uniform.ts'
import { OP_FORMS, openOp, opModel } from '../support/op-graph.ts'

const modelOf = ({ layer, heads, tokens }: UniformCase) =>
  opModel(counterUniformNode('seed', 'uniform', layer, heads, tokens), counterUniformFunction(), { seed: 1, uniform: 4 }, { seed: 'uint32' })
const run = async (spec: UniformCase, form: (typeof OP_FORMS)[number], seeds: readonly number[] = spec.seeds) => {
  const session = await openOp(modelOf(spec), form)
  const results = await session.run({ seed: { type: 'uint32', data: Uint32Array.from(seeds), shape: [seeds.length] } }, ['uniform'])
  await session.release()
  return results.get('uniform')!
}

describe.each(UNIFORM_CASES)('CounterUniform for $case ($because)', (spec) => {
  it.each(OP_FORMS)('gives the bits of the reference in TypeScript, as %s', async (form) => {
    const { shape, data } = await run(spec, form)
    expect(shape).toEqual([spec.seeds.length, spec.heads, spec.tokens, spec.tokens])
    expect(Buffer.from(data.buffer).equals(Buffer.from(maskUniforms(spec.seeds, spec.layer, spec.heads, spec.tokens).buffer))).toBe(true)
  })

  it('gives the bits of exact integer arithmetic', async () => {
    const { data } = await run(spec, 'function')
    const perImage = spec.heads * spec.tokens ** 2
    const step = Math.max(1, Math.floor(data.length / 2000))
    for (let i = 0; i < data.length; i += step) expect(data[i]).toBe(exactUniform(spec.seeds[Math.floor(i / perImage)]!, spec.layer, i % perImage))
  })
})

describe('CounterUniform', () => {
  const spec = UNIFORM_CASES[2]!

  it('gives an image the same bits alone and in a batch', async () => {
    const together = await run(spec, 'function')
    const size = together.data.length / spec.seeds.length
    for (const [image, seed] of spec.seeds.entries()) expect((await run(spec, 'function', [seed])).data).toEqual(together.data.subarray(image * size, (image + 1) * size))
  })

  it('gives the same bits on one thread and on two', async () => {
    const results: Float32Array[] = []
    for (const intraOpNumThreads of [1, 2]) {
      const session = await InferenceSession.create(encodeModel(modelOf(UNIFORM_CASES[3]!)), { intraOpNumThreads })
      const { uniform } = await session.run({ seed: new OrtTensor('uint32', Uint32Array.of(9), [1]) })
      results.push(uniform!.data as Float32Array)
      await session.release()
    }
    expect(results[1]).toEqual(results[0])
  })

  it('is uniform: each tenth of [0, 1) gets its share, and layers differ', async () => {
    const first = await run({ ...spec, heads: 4, tokens: 50, seeds: [3] }, 'function')
    const counts = new Array<number>(10).fill(0)
    for (const value of first.data) counts[Math.floor(value * 10)]! += 1
    const expected = first.data.length / 10
    // Nine degrees of freedom: 27.9 is the 99.9 % point of chi-squared.
    expect(counts.reduce((total, count) => total + (count - expected) ** 2 / expected, 0)).toBeLessThan(27.9)
    const second = await run({ ...spec, heads: 4, tokens: 50, seeds: [3], layer: spec.layer + 1 }, 'function')
    expect(second.data).not.toEqual(first.data)
  })
})
