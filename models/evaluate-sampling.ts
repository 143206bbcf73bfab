/** An SBM network and a split in, what its masks make of it out: drawn, cut off at a half, and the mean field that is served, with the distance between them. */
import * as tf from '@tensorflow/tfjs'
import { mixKey } from '../src/tensor/counter-random.ts'
import { type Tensor, tensorOf } from '../src/tensor/tensor.ts'
import { forward } from './forward.ts'
import type { Primitives } from './layers/primitives.ts'
import { type Metrics, metricsOf } from './metrics.ts'
import type { NetworkConfig } from './network-config.ts'
import { sampledPrediction } from './sampled-prediction.ts'
import type { SbmMask } from './sbm-vit/mask-mode.ts'
import { evaluationBatches, evaluationPixels, networkLogits, type SplitRequest } from './training/network-logits.ts'

export interface SamplingEvaluation {
  /** Masks drawn for each image. */
  readonly samples: number
  /** Of the mean of the drawn masks' probabilities. */
  readonly sampled: Metrics
  /** Edges that are as likely as not, and each row's most likely one. */
  readonly thresholded: Metrics
  /** Share of edges among those that are not forced, the mean over images, layers and heads. */
  readonly density: { readonly meanField: number; readonly thresholded: number }
  /** Of the largest class's probability, the mean over the images: how far the served answer lies from the mean of the drawn ones. */
  readonly meanGap: number
  /** Standard deviation of one draw's probability of the mean field's class, the mean over the images. */
  readonly meanDeviation: number
  /** Share of the images whose class differs between the mean field and the mean of the draws. */
  readonly flips: number
}

const SAMPLES = 16
const THRESHOLD: SbmMask = { mode: 'threshold', tau: 0.5 }

/** The same numbers each time: image i draws from its own key. */
export async function evaluateSampling(config: NetworkConfig, weights: ReadonlyMap<string, tf.Tensor>, request: SplitRequest, primitives: Primitives): Promise<SamplingEvaluation> {
  const { count, labels } = request.data.splits[request.split]
  const { classes } = config
  const means = new Float32Array(count * classes)
  let [gap, deviation, flips] = [0, 0, 0]
  for (const { start, end } of evaluationBatches(config, count)) {
    const pixels = evaluationPixels(request, start, end)
    const [images] = pixels.shape
    const seeds = Array.from({ length: images }, (_, i) => mixKey(0, start + i))
    const prediction = await sampledPrediction(config, weights, pixels, { primitives, seeds, samples: SAMPLES })
    pixels.dispose()
    means.set(prediction.mean.data, start * classes)
    for (let image = 0; image < images; image++) {
      const served = largest(prediction.meanField, image)
      gap += Math.abs(prediction.gap.data[image * classes + served] ?? 0)
      deviation += prediction.deviation.data[image * classes + served] ?? 0
      if (largest(prediction.mean, image) !== served) flips++
    }
  }
  const mean = tensorOf(means, [count, classes])
  const thresholded = await networkLogits(config, weights, request, { primitives, mask: THRESHOLD })
  return {
    samples: SAMPLES,
    sampled: metricsOf({ ...mean, data: mean.data.map((probability) => Math.log(Math.max(probability, 1e-12))) }, labels),
    thresholded: metricsOf(thresholded, labels),
    density: {
      meanField: await densityOf(config, weights, request, primitives, { mode: 'expected' }),
      thresholded: await densityOf(config, weights, request, primitives, THRESHOLD),
    },
    meanGap: gap / count,
    meanDeviation: deviation / count,
    flips: flips / count,
  }
}

function largest({ data, shape }: Tensor, image: number): number {
  const row = data.subarray(image * (shape[1] ?? 1), (image + 1) * (shape[1] ?? 1))
  return row.indexOf(Math.max(...row))
}

/** The network's own density term with a weight of 1. */
async function densityOf(config: NetworkConfig, weights: ReadonlyMap<string, tf.Tensor>, request: SplitRequest, primitives: Primitives, mask: SbmMask): Promise<number> {
  const { count } = request.data.splits[request.split]
  const weighed = { ...config, sbm: config.sbm && { ...config.sbm, densityWeight: 1 } }
  let sum = 0
  for (const { start, end } of evaluationBatches(config, count)) {
    const pixels = evaluationPixels(request, start, end)
    const density = tf.tidy(() => forward(weighed, weights, pixels, { primitives, mask }).regularization)
    sum += ((await density.data())[0] ?? Number.NaN) * pixels.shape[0]
    tf.dispose([pixels, density])
  }
  return sum / count
}
