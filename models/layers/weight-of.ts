/** A network's weights by timm's names, seen from one of its parts. */
import type * as tf from '@tensorflow/tfjs'
import { Problem } from '../../src/domain/problem.ts'

/** The tensor of that name. Throws: "checkpoint-invalid" where there is none. */
export type WeightOf = (name: string) => tf.Tensor

/** Weights whose names start with `prefix`, asked for without it. */
export function weightsUnder(weights: ReadonlyMap<string, tf.Tensor>, prefix = ''): WeightOf {
  return (name) => {
    const weight = weights.get(prefix + name)
    if (weight === undefined) throw new Problem('checkpoint-invalid', `the weights lack ${prefix}${name}`, {})
    return weight
  }
}
