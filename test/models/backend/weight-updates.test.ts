import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, it } from 'vitest'
import { type ChosenBackend, chooseBackend } from '../../../models/backend/choose-backend.ts'
import { plainUpdates } from '../../../models/backend/plain-updates.ts'
import type { WeightUpdates } from '../../../models/backend/weight-updates.ts'

let backend: ChosenBackend
beforeAll(async () => {
  backend = await chooseBackend('wasm')
})

const settings = { learningRate: 0.1, weightDecay: 0.5, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, gradientScale: 1 }
/** Within tidy the initial tensor goes at once, so that the variable alone owns its memory. */
const variable = (values: number[]): tf.Variable => tf.tidy(() => tf.variable(tf.tensor1d(values), false))

/** Two steps on five weights, the fifth in the kernel's tail. */
async function twoSteps(updates: WeightUpdates): Promise<number[]> {
  const [weight, first, second] = [variable([1, -2, 3, 0, 0.5]), variable([0, 0, 0, 0, 0]), variable([0, 0, 0, 0, 0])]
  updates.adamw(weight, tf.tensor1d([0.1, -0.2, 0.3, 4, -5]), first, second, { ...settings, step: 1 })
  updates.adamw(weight, tf.tensor1d([-0.3, 0.1, 0, 1, 2]), first, second, { ...settings, step: 2, gradientScale: 0.5 })
  return [...(await weight.data()), ...(await first.data()), ...(await second.data())]
}

/** The same two steps, weight by weight in float64, from algorithm 2 of arXiv:1711.05101. */
function twoStepsByHand(): number[] {
  const gradients = [
    [0.1, -0.2, 0.3, 4, -5],
    [-0.15, 0.05, 0, 0.5, 1],
  ]
  const columns = [1, -2, 3, 0, 0.5].map((start, i) => {
    let [weight, m, v] = [start, 0, 0]
    gradients.forEach((gradient, t) => {
      m = 0.9 * m + 0.1 * gradient[i]!
      v = 0.99 * v + 0.01 * gradient[i]! ** 2
      weight = weight * (1 - 0.1 * 0.5) - (0.1 * (m / (1 - 0.9 ** (t + 1)))) / (Math.sqrt(v / (1 - 0.99 ** (t + 1))) + 1e-8)
    })
    return [weight, m, v]
  })
  return [0, 1, 2].flatMap((row) => columns.map((column) => column[row]!))
}

describe.each([
  ['in plain operations', () => plainUpdates],
  ['on the wasm kernels', () => backend.updates],
])('weight updates %s', (_, updatesOf) => {
  it('take AdamW steps as worked out in float64', async () => {
    const expected = twoStepsByHand()
    const actual = await twoSteps(updatesOf())
    actual.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 5)
    })
  })

  it('move an average by its share towards the current weights', async () => {
    const averaged = variable([0, 10, -4])
    updatesOf().moveTowards(averaged, tf.tensor1d([1, 0, -4]), 0.25)
    expect([...(await averaged.data())]).toEqual([0.25, 7.5, -4])
  })

  it('take one norm over all gradients', async () => {
    expect(await updatesOf().globalNorm([tf.tensor1d([3, 0]), tf.tensor2d([[4], [12]])])).toBeCloseTo(13, 5)
  })
})

describe('the wasm kernels, in place', () => {
  it('refuse a weight whose memory a clone shares, since the clone would change too', () => {
    const weight = variable([1, 2, 3])
    const clone = tf.clone(weight)
    expect(() => backend.updates.moveTowards(weight, tf.tensor1d([0, 0, 0]), 0.5)).toThrow('share')
    clone.dispose()
    backend.updates.moveTowards(weight, tf.tensor1d([0, 0, 0]), 0.5)
    expect([...weight.dataSync()]).toEqual([0.5, 1, 1.5])
  })
})
