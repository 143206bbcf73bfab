import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, it } from 'vitest'
import { plainPrimitives } from '../../../models/layers/plain-primitives.ts'
import { generated, greatestDifference } from '../support/attention-case.ts'
import { TEST_BACKENDS, useBackend } from '../support/use-backend.ts'

const { linear, layerNorm, gelu, attention } = plainPrimitives

describe.each(TEST_BACKENDS)('the plain primitives on %s', (backend) => {
  beforeAll(() => useBackend(backend))

  it('multiply by the transposed weight and add the bias, over the last axis of any shape', async () => {
    const y = linear(tf.tensor([1, 2, 3, 4], [1, 2, 1, 2]), tf.tensor2d([1, 0, 0, 1, 1, 1], [3, 2]), tf.tensor1d([0, 10, 100]))
    expect(y.shape).toEqual([1, 2, 1, 3])
    expect([...(await y.data())]).toEqual([1, 12, 103, 3, 14, 107])
  })

  it('normalize by the biased variance, as worked out by hand', async () => {
    // 1, 2, 3, 6: mean 3, variance (4 + 1 + 0 + 9) / 4 = 3.5; with epsilon .5 the divisor is 2.
    const y = layerNorm(tf.tensor2d([1, 2, 3, 6], [1, 4]), tf.tensor1d([1, 1, 1, 2]), tf.tensor1d([0, 0, 5, 0]), 0.5)
    expect(greatestDifference(await y.data(), [-1, -0.5, 5, 3])).toBeLessThan(1e-6)
  })

  it('gate by the normal distribution function and not by its tanh approximation', async () => {
    // Phi from tables of the normal distribution: Phi(1) = .841344746, Phi(-2) = .0227501319, Phi(.5) = .6914624613. The tanh form gives .841192 at 1.
    const y = await gelu(tf.tensor1d([0, 1, -2, 0.5, 20, -20])).data()
    expect(greatestDifference(y, [0, 0.841344746, -0.0455002638, 0.34573123, 20, 0])).toBeLessThan(2e-6)
  })

  it('attend to the average of the values where queries are 0, head by head', async () => {
    const v = generated([1, 3, 4], 0.2)
    const qkv = tf.concat([tf.zeros([1, 3, 4]), tf.tensor(generated([1, 3, 4], 1).data, [1, 3, 4]), tf.tensor(v.data, [1, 3, 4])], 2) as tf.Tensor3D
    const mean = [0, 1, 2, 3].map((c) => (v.data[c]! + v.data[4 + c]! + v.data[8 + c]!) / 3)
    expect(greatestDifference(await attention(qkv, 2).data(), [...mean, ...mean, ...mean])).toBeLessThan(1e-6)
  })
})
