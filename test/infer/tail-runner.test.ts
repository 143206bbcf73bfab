import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ModelOutputs, RunTail } from '../../src/domain/outputs.ts'
import { type Bundle, openBundle } from '../../src/infer/load-bundle.ts'
import { nodeRuntime } from '../../src/infer/node-runtime.ts'
import type { Runtime } from '../../src/infer/runtime.ts'
import { at, type Tensor, tensorOf } from '../../src/tensor/tensor.ts'
import { loadGolden } from '../models/support/golden.ts'
import { goldenBundle, goldenInput } from '../support/golden-bundle.ts'

const TOKENS = 17
/** Keys of each run of a tail. */
let keysRun: number[] = []

/** A runtime that says how many keys it was asked with, and takes no others than the network's where it is stubborn. */
const watched = (isStubborn: boolean): Runtime => ({
  ...nodeRuntime,
  open: async (graph) => {
    const session = await nodeRuntime.open(graph)
    return {
      ...session,
      run: (feeds, fetches) => {
        const keys = feeds['keep']?.shape[2]
        if (keys !== undefined) keysRun.push(keys)
        if (isStubborn && keys !== undefined && keys !== TOKENS) return Promise.reject(new Error('another number of keys'))
        return session.run(feeds, fetches)
      },
    }
  },
})

describe('sets of keys', () => {
  const golden = loadGolden('dcmm')
  let free: Bundle
  let stubborn: Bundle
  let outputs: ModelOutputs
  let bias: Tensor

  beforeAll(async () => {
    free = await openBundle(goldenBundle(golden), { runtime: watched(false) })
    stubborn = await openBundle(goldenBundle(golden), { runtime: watched(true) })
    outputs = await free.run(goldenInput(golden, 0), { outputs: ['classTokenScores', 'classTokenBias', 'values', 'residual'], withoutStructure: false, seed: 0, samples: 0 })
    bias = at(outputs.asTrained.classTokenBias!, 0)
  })
  afterAll(async () => {
    await free.release()
    await stubborn.release()
  })

  const groups = Int32Array.from({ length: TOKENS }, (_, token) => (token === 0 ? 0 : 1 + (token % 3)))
  const keep = tensorOf(Float32Array.of(1, 1, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0), [3, 4])
  /** The same, said token by token. */
  const tokenByToken = (tail: RunTail) => {
    const [heads = 0] = bias.shape
    const shape = [3, heads, TOKENS]
    const kept = Float32Array.from({ length: 3 * heads * TOKENS }, (_, i) => keep.data[Math.floor(i / (heads * TOKENS)) * 4 + groups[i % TOKENS]!]!)
    const repeated = tensorOf(Float32Array.from([...bias.data, ...bias.data, ...bias.data]), shape)
    return tail({ alpha: Float32Array.of(1, 1, 1), bias: repeated, keep: tensorOf(kept, shape), direction: null })
  }

  it('are answered with one key a group, as token by token', async () => {
    const tail = free.tailFor(outputs)!
    const expected = await tokenByToken(tail)
    keysRun = []
    const found = await tail({ bias, groups, keep })
    expect(keysRun).toEqual([4])
    expect(found.logits.shape).toEqual(expected.logits.shape)
    expect(new Set(expected.logits.data).size).toBe(9) // the sets differ
    found.logits.data.forEach((logit, i) => {
      expect(Math.abs(logit - expected.logits.data[i]!)).toBeLessThan(2e-6)
    })
  })

  it("are answered token by token where a tail's nodes know the number of keys", async () => {
    const tail = stubborn.tailFor(outputs)!
    keysRun = []
    const found = await tail({ bias, groups, keep })
    expect(keysRun).toEqual([TOKENS])
    expect([...found.logits.data]).toEqual([...(await tokenByToken(tail)).logits.data])
  })
})
