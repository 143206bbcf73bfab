import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, it } from 'vitest'
import { plainPrimitives } from '../../models/layers/plain-primitives.ts'
import { runNetwork } from '../../models/run-network.ts'
import { type SampledPrediction, sampledPrediction } from '../../models/sampled-prediction.ts'
import { toTfTensors } from '../../models/variables.ts'
import { mixKey } from '../../src/tensor/counter-random.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'
import { loudWeights, smallPixels, smallSbm } from './support/small-network.ts'
import { useBackend } from './support/use-backend.ts'

const config = smallSbm({ classTokenAlwaysOn: false }, { structuredLayers: [2] })
const pixels = smallPixels(config, 1)

/** The same image once for each seed. */
function predict(seeds: readonly number[], samples: number): Promise<SampledPrediction> {
  const batch = tf.tile(tf.tensor(pixels.data, [1, 2, 12, 12]), [seeds.length, 1, 1, 1]) as tf.Tensor4D
  return sampledPrediction(config, toTfTensors(loudWeights(config)), batch, { primitives: plainPrimitives, seeds, samples })
}

const deviationOf = (values: readonly number[]): number => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1))
}

describe('sampledPrediction', () => {
  beforeAll(() => useBackend('wasm'))

  it('S16: has a mean that converges at 1 / sqrt(samples), and reports its gap to the mean-field answer', async () => {
    const runs = 40
    const firstClass = (values: Tensor): number[] => Array.from({ length: runs }, (_, run) => values.data[run * 3]!)
    const predictRuns = (samples: number): Promise<SampledPrediction> =>
      predict(
        Array.from({ length: runs }, (_, run) => 1000 * samples + run),
        samples,
      )
    const [few, many] = [await predictRuns(4), await predictRuns(36)]
    const [ofFew, ofMany] = [deviationOf(firstClass(few.mean)), deviationOf(firstClass(many.mean))]
    // Expected 3: 36 samples against 4. Each deviation of 40 values has a relative error of 1 / sqrt(78) = .11, their ratio .16: 4 sigma are 1.9.
    expect(ofFew / ofMany).toBeGreaterThan(1.6)
    expect(ofFew / ofMany).toBeLessThan(5.5)
    // A mean of 36 deviates a sixth as much as one sample, which is what is reported.
    const reported = firstClass(many.deviation).reduce((sum, value) => sum + value, 0) / runs
    expect(reported).toBeGreaterThan(0.001)
    expect(reported / ofMany).toBeGreaterThan(3)
    expect(reported / ofMany).toBeLessThan(12)
    many.gap.data.forEach((value, i) => {
      expect(value).toBeCloseTo(many.meanField.data[i]! - many.mean.data[i]!, 6)
    })
  })

  it('meets the mean and deviation of single sampled runs, and the probabilities of expected mode', async () => {
    const softmax = (logits: Float32Array): number[] => {
      const weights = [...logits].map(Math.exp)
      return weights.map((weight) => weight / weights.reduce((sum, value) => sum + value, 0))
    }
    const runs: number[][] = []
    for (let sample = 0; sample < 5; sample++) {
      const found = await runNetwork(config, loudWeights(config), pixels, { primitives: plainPrimitives, mask: { mode: 'sample', seeds: [mixKey(77, sample)] } })
      runs.push(softmax(found.get('logits')!.data))
    }
    const { mean, deviation, meanField } = await predict([77], 5)
    for (const index of [0, 1, 2]) {
      const values = runs.map((run) => run[index]!)
      expect(mean.data[index]).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / 5, 5)
      expect(deviation.data[index]).toBeCloseTo(deviationOf(values), 5)
    }
    const expected = await runNetwork(config, loudWeights(config), pixels, { primitives: plainPrimitives })
    softmax(expected.get('logits')!.data).forEach((value, i) => {
      expect(meanField.data[i]).toBeCloseTo(value, 5)
    })
  })

  it('refuses a deviation of one sample', async () => {
    await expect(predict([1], 1)).rejects.toThrow(RangeError)
  })
})
