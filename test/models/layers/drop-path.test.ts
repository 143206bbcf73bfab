import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, it } from 'vitest'
import { dropPath, dropProbability } from '../../../models/layers/drop-path.ts'
import { useBackend } from '../support/use-backend.ts'

describe('drop path', () => {
  beforeAll(() => useBackend('cpu'))

  const factors = async (seed: number, layer: number, part: 0 | 1, batch = 2000): Promise<number[]> => [
    ...(await dropPath(tf.ones([batch, 1, 1]), { rate: 0.4, seed }, layer, 5, part).data()),
  ]

  it('rises linearly from nothing in the first layer to the whole rate in the last', () => {
    expect([0, 1, 2, 3, 4].map((layer) => dropProbability(0.4, layer, 5))).toEqual([0, 0.1, 0.2, expect.closeTo(0.3, 12), 0.4])
    expect(dropProbability(0.4, 0, 1)).toBe(0.4)
  })

  it('drops whole images at its rate and scales the others so that the mean stays', async () => {
    const values = await factors(1, 4, 0)
    const dropped = values.filter((value) => value === 0).length / values.length
    expect(Math.abs(dropped - 0.4)).toBeLessThan(4 * Math.sqrt((0.4 * 0.6) / 2000))
    expect(new Set(values.filter((value) => value !== 0).map((value) => value.toFixed(5)))).toEqual(new Set([(1 / 0.6).toFixed(5)]))
    const wide = await dropPath(tf.ones([50, 2, 3]), { rate: 0.4, seed: 1 }, 4, 5, 0).array()
    for (const image of wide) expect(new Set(image.flat()).size).toBe(1)
  })

  it('draws differently for each seed, layer and branch, and equally for equal ones', async () => {
    const [a, again, otherSeed, otherBranch, otherLayer] = [await factors(1, 4, 0), await factors(1, 4, 0), await factors(2, 4, 0), await factors(1, 4, 1), await factors(1, 3, 0)]
    expect(again).toEqual(a)
    for (const other of [otherSeed, otherBranch, otherLayer]) {
      const agree = other.filter((value, i) => (value === 0) === (a[i] === 0)).length / other.length
      expect(agree).toBeLessThan(0.65) // independent draws agree on .4 x .4 + .6 x .6 = .52, at most .58 for a rate of .3
    }
  })

  it('leaves the branch alone in the first layer and without a rate', () => {
    const branch = tf.ones<tf.Rank.R3>([2, 1, 1])
    expect(dropPath(branch, { rate: 0.4, seed: 1 }, 0, 5, 0)).toBe(branch)
    expect(dropPath(branch, undefined, 4, 5, 0)).toBe(branch)
  })

  it('passes the gradient of kept images alone', async () => {
    const values = await factors(3, 4, 0, 20)
    const gradient = tf.grad((x) => tf.sum(dropPath(x as tf.Tensor3D, { rate: 0.4, seed: 3 }, 4, 5, 0)))(tf.ones([20, 1, 1]))
    expect([...(await gradient.data())]).toEqual(values)
  })
})
