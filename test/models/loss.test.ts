import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, it } from 'vitest'
import { classificationLoss } from '../../models/loss.ts'
import { useBackend } from './support/use-backend.ts'

describe('classificationLoss', () => {
  beforeAll(() => useBackend('cpu'))

  const lossOf = async (logits: number[][], targets: number[][], smoothing: number): Promise<number> =>
    (await classificationLoss(tf.tensor2d(logits), tf.tensor2d(targets), smoothing).data())[0]!

  it('is ln C for equal logits, smoothed or not', async () => {
    expect(await lossOf([[2, 2, 2, 2]], [[0, 1, 0, 0]], 0)).toBeCloseTo(Math.log(4), 6)
    expect(await lossOf([[2, 2, 2, 2]], [[0, 1, 0, 0]], 0.1)).toBeCloseTo(Math.log(4), 6)
  })

  it('meets the smoothed cross-entropy worked out by hand, averaged over the batch', async () => {
    // Logits (0, ln 3): log-probabilities ln(1/4), ln(3/4). Targets of class 1, smoothing .2: weights .1 and .9; second image, class 0: .9 and .1.
    const [low, high] = [Math.log(1 / 4), Math.log(3 / 4)]
    const expected = -(0.1 * low + 0.9 * high + 0.9 * low + 0.1 * high) / 2
    const logits = [
      [0, Math.log(3)],
      [0, Math.log(3)],
    ]
    const targets = [
      [0, 1],
      [1, 0],
    ]
    expect(await lossOf(logits, targets, 0.2)).toBeCloseTo(expected, 6)
  })

  it('stays finite for logits that softmax alone would overflow on', async () => {
    expect(await lossOf([[1000, 0]], [[0, 1]], 0)).toBeCloseTo(1000, 3)
  })

  it('takes mixed targets', async () => {
    expect(await lossOf([[0, Math.log(3)]], [[0.5, 0.5]], 0)).toBeCloseTo(-(Math.log(1 / 4) + Math.log(3 / 4)) / 2, 6)
  })
})
