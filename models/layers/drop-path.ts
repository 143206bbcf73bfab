/** A residual branch in, the same with whole images' branches dropped and the rest scaled up out. Source: Huang et al., arXiv:1603.09382, section 3. */
import * as tf from '@tensorflow/tfjs'
import { mixKey, uniformAt } from '../../src/tensor/counter-random.ts'

export interface DropPath {
  /** Probability that the last layer's branches are dropped; earlier layers rise to it linearly from 0. */
  readonly rate: number
  /** One for each step: equal seeds drop equal branches. */
  readonly seed: number
  /** Where the first image stands in the step's batch; left out, 0. */
  readonly first?: number
}

/** The chance that a branch of `layer` is dropped: 0 in the first layer, `rate` in the last (arXiv:1603.09382, equation 4; timm's rule). */
export function dropProbability(rate: number, layer: number, depth: number): number {
  return depth === 1 ? rate : (rate * layer) / (depth - 1)
}

/**
 * The branch, dropped for some images and divided by the share kept for the others, so that its mean stays.
 *
 * branch   [batch, token, width]
 * part     0 for the attention's branch, 1 for the MLP's
 * returns  [batch, token, width]
 */
export function dropPath(branch: tf.Tensor3D, drop: DropPath | undefined, layer: number, depth: number, part: 0 | 1): tf.Tensor3D {
  const probability = drop === undefined ? 0 : dropProbability(drop.rate, layer, depth)
  if (drop === undefined || probability === 0) return branch
  const [batch] = branch.shape
  const key = mixKey(drop.seed, 2 * layer + part)
  const factors = Array.from({ length: batch }, (_, image) => (uniformAt(key, (drop.first ?? 0) + image) < probability ? 0 : 1 / (1 - probability)))
  return tf.mul(branch, tf.tensor3d(factors, [batch, 1, 1]))
}
