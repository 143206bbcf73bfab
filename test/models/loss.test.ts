import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, it } from 'vitest'
import { claimedShares, classificationLoss, classOffsets, membershipMaskLoss } from '../../models/loss.ts'
import { uniformAt } from '../../src/tensor/counter-random.ts'
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

describe('classOffsets', () => {
  it('are logarithms of the shares of the labels, times the strength', () => {
    const labels = Uint8Array.of(0, 2, 2, 2)
    expect([...classOffsets(labels, 3, 1)]).toEqual([Math.log(1 / 4), Math.log(1 / 8), Math.log(3 / 4)].map(Math.fround))
    expect([...classOffsets(labels, 3, 0.5)]).toEqual([Math.log(1 / 4) / 2, Math.log(1 / 8) / 2, Math.log(3 / 4) / 2].map(Math.fround))
  })
})

describe('membershipMaskLoss', () => {
  beforeAll(() => useBackend('cpu'))

  const [batch, heads, tokens, communities] = [2, 2, 5, 3]
  const community = 1

  /** Memberships of logits in float64, and the loss by the formula of its docstring: the witness. */
  const referenceLoss = (logits: Float64Array, shares: readonly number[]): number => {
    const membershipAt = (image: number, head: number, token: number): number => {
      const start = ((image * heads + head) * tokens + token) * communities
      const row = [...logits.subarray(start, start + communities)].map(Math.exp)
      return row[community]! / row.reduce((sum, value) => sum + value, 0)
    }
    const patches = tokens - 1
    let [crossEntropy, dice] = [0, 0]
    for (let image = 0; image < batch; image++) {
      let [both, claimed, marked] = [0, 0, 0]
      for (let patch = 0; patch < patches; patch++) {
        const p = (membershipAt(image, 0, patch + 1) + membershipAt(image, 1, patch + 1)) / heads
        const t = shares[image * patches + patch]!
        crossEntropy -= (t * Math.log(p + 1e-6) + (1 - t) * Math.log(1 - p + 1e-6)) / (batch * patches)
        both += p * t
        claimed += p
        marked += t
      }
      dice += (1 - (2 * both + 1) / (claimed + marked + 1)) / batch
    }
    return crossEntropy + dice
  }

  const shares = [1, 0.25, 0, 0, 0, 0, 0, 0]
  const logits = Float64Array.from({ length: batch * heads * tokens * communities }, (_, i) => 4 * uniformAt(9, i) - 2)
  const lossOf = (x: tf.Tensor): tf.Scalar =>
    membershipMaskLoss(tf.softmax(tf.reshape(x, [batch, heads, tokens, communities]), -1), tf.tensor2d(shares, [batch, tokens - 1]), community)

  it('meets the formula in float64, the second image without a finding', async () => {
    const [found] = await lossOf(tf.tensor1d([...logits])).data()
    expect(found).toBeCloseTo(referenceLoss(logits, shares), 5)
  })

  it('meets a case worked out by hand: every patch claimed by half, one of two marked', async () => {
    // Cross-entropy ln 2 whatever is marked; Dice 1 - (2 x 0.5 + 1) / (1 + 1 + 1) = 1/3.
    const membership = tf.fill([1, 1, 3, 2], 0.5) as tf.Tensor4D
    const [found] = await membershipMaskLoss(membership, tf.tensor2d([[1, 0]]), 0).data()
    expect(found).toBeCloseTo(Math.log(2) + 1 / 3, 5)
  })

  it('has the gradient of finite differences in float64: 1e-4 of the largest', async () => {
    const gradient = await tf
      .grad(lossOf)(tf.tensor1d([...logits]))
      .data()
    const h = 1e-5
    const expected = Array.from(logits, (_, i) => {
      const at = (step: number): number =>
        referenceLoss(
          logits.map((value, j) => (j === i ? value + step : value)),
          shares,
        )
      return (at(h) - at(-h)) / (2 * h)
    })
    const largest = Math.max(...expected.map(Math.abs))
    expect(largest).toBeGreaterThan(0.01)
    expected.forEach((slope, i) => {
      expect(Math.abs(gradient[i]! - slope)).toBeLessThan(1e-4 * largest)
    })
  })

  it('does not look at the class token', async () => {
    const changed = logits.map((value, i) => (Math.floor(i / communities) % tokens === 0 ? value + 3 * (i % communities) : value))
    expect(await lossOf(tf.tensor1d([...changed])).data()).toEqual(await lossOf(tf.tensor1d([...logits])).data())
  })

  it('is nearly nothing for an empty mask that nothing claims, and stays finite where all is wrong', async () => {
    const claims = (value: number): tf.Tensor4D => tf.tensor4d([[[[0, 1], ...new Array(4).fill([value, 1 - value])]]])
    const of = async (value: number, share: number): Promise<number> => (await membershipMaskLoss(claims(value), tf.fill([1, 4], share) as tf.Tensor2D, 0).data())[0]!
    expect(await of(0, 0)).toBeLessThan(1e-5)
    expect(await of(1, 1)).toBeLessThan(1e-5)
    expect(await of(1, 0)).toBeCloseTo(-Math.log(1e-6) + 1 - 1 / 5, 1)
  })

  it('is made of the mean over heads', async () => {
    const membership = tf.tensor4d([
      [
        [
          [1, 0],
          [0.2, 0.8],
        ],
        [
          [1, 0],
          [0.6, 0.4],
        ],
      ],
    ])
    expect((await claimedShares(membership, 0).data())[0]).toBeCloseTo(0.4, 6)
  })
})
