/** An SBM network and a batch in, what its sampled masks predict, how much they disagree, and how far the mean-field answer lies from them out. */
import * as tf from '@tensorflow/tfjs'
import { mixKey } from '../src/tensor/counter-random.ts'
import { type Tensor, tensorOf } from '../src/tensor/tensor.ts'
import { forward } from './forward.ts'
import type { Primitives } from './layers/primitives.ts'
import type { NetworkConfig } from './network-config.ts'

/** Each [batch, class]. */
export interface SampledPrediction {
  /** Mean over the samples of the class probabilities, not of the logits. */
  readonly mean: Tensor
  /** Standard deviation of one sample's probabilities, n - 1 in its denominator: the network's instability on this image. */
  readonly deviation: Tensor
  /** Class probabilities in expected mode. */
  readonly meanField: Tensor
  /** meanField - mean: the network was trained by sampling and is served mean-field, which need not agree. */
  readonly gap: Tensor
}

export interface Sampling {
  readonly primitives: Primitives
  /** One for each image of the batch; sample r of an image draws from `mixKey(seed, r)`. */
  readonly seeds: readonly number[]
  /** At least 2. */
  readonly samples: number
}

/**
 * Monte Carlo over masks, and the mean-field prediction beside it.
 *
 * pixels  [batch, channel, height, width], normalized
 *
 * Throws: as `forward`; RangeError for fewer than two samples.
 */
export async function sampledPrediction(config: NetworkConfig, weights: ReadonlyMap<string, tf.Tensor>, pixels: tf.Tensor4D, sampling: Sampling): Promise<SampledPrediction> {
  const { primitives, seeds, samples } = sampling
  if (samples < 2) throw new RangeError('a deviation needs two samples')
  const shape = [pixels.shape[0], config.classes]
  const probabilities = async (mask: Parameters<typeof forward>[3]['mask'] & {}): Promise<Float32Array> => {
    const result = tf.tidy(() => tf.softmax(forward(config, weights, pixels, { primitives, mask }).logits))
    const values = Float32Array.from(await result.data())
    result.dispose()
    return values
  }

  const meanField = await probabilities({ mode: 'expected' })
  const mean = new Float64Array(meanField.length)
  const squares = new Float64Array(meanField.length) // sums of squared distances from the mean so far (Welford)
  for (let sample = 0; sample < samples; sample++) {
    const drawn = await probabilities({ mode: 'sample', seeds: seeds.map((seed) => mixKey(seed, sample)) })
    drawn.forEach((value, i) => {
      const before = value - (mean[i] ?? 0)
      mean[i] = (mean[i] ?? 0) + before / (sample + 1)
      squares[i] = (squares[i] ?? 0) + before * (value - (mean[i] ?? 0))
    })
  }
  return {
    mean: tensorOf(Float32Array.from(mean), shape),
    deviation: tensorOf(
      Float32Array.from(squares, (sum) => Math.sqrt(sum / (samples - 1))),
      shape,
    ),
    meanField: tensorOf(meanField, shape),
    gap: tensorOf(
      meanField.map((value, i) => value - (mean[i] ?? 0)),
      shape,
    ),
  }
}
