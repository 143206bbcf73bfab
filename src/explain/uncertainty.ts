/** Logits of drawn masks in, how the answer varies over them out. */
import type { Uncertainty } from '../domain/explanation.ts'
import type { Manifest } from '../domain/manifest.ts'
import type { NamedOutputs } from '../domain/outputs.ts'
import { softmax } from '../tensor/softmax.ts'
import { extremesOf } from './build-map.ts'
import { outputOf } from './read-outputs.ts'

/**
 * Mean probability, standard deviation and flip rate over the samples; null without any.
 *
 * The deviation is the sample's (one less than the samples below the line), 0 for a single mask.
 */
export function uncertaintyOf(manifest: Pick<Manifest, 'classes'>, samples: readonly NamedOutputs[], seed: number): Uncertainty | null {
  if (samples.length === 0) return null
  const draws = samples.map((sample) => softmax(outputOf(sample, 'logits').data))
  const means = manifest.classes.map((_, index) => draws.reduce((sum, draw) => sum + (draw[index] ?? 0), 0) / draws.length)
  const predicted = extremesOf(means).argmax
  return {
    samples: draws.length,
    seed,
    classes: manifest.classes.map(({ name }, index) => ({ name, meanProbability: means[index] ?? 0, standardDeviation: deviationOf(draws, index, means[index] ?? 0) })),
    flipRate: draws.filter((draw) => extremesOf(draw).argmax !== predicted).length / draws.length,
  }
}

function deviationOf(draws: readonly Float64Array[], index: number, mean: number): number {
  if (draws.length < 2) return 0
  return Math.sqrt(draws.reduce((sum, draw) => sum + ((draw[index] ?? 0) - mean) ** 2, 0) / (draws.length - 1))
}
