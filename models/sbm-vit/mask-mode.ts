/** How a stochastic block attention gets its mask: by chance in training, by a rule or a stated seed afterwards. */
import type { Tensor } from '../../src/tensor/tensor.ts'

/**
 * - `train-sample`  a fresh Bernoulli draw for each step, image, layer and head, keyed by the run's seed (the paper)
 * - `sample`        the same draw from a stated seed for each image of the batch, [batch]
 * - `expected`      the mean mask clamp(P + delta, 0, 1): deterministic and dense, "mean-field"; not the mean of the sampled attention
 * - `fixed`         a given 0/1 mask for each structured layer, [batch or 1, head or 1, token, token]
 * - `threshold`     edges with P >= tau, and each row's most probable one
 * - `topP`          in each row the fewest keys whose P sums to at least rho of the row; ties go to the lower index
 */
export type SbmMask =
  | { readonly mode: 'train-sample'; readonly runSeed: number; readonly step: number }
  | { readonly mode: 'sample'; readonly seeds: readonly number[] }
  | { readonly mode: 'expected' }
  | { readonly mode: 'fixed'; readonly masks: ReadonlyMap<number, Tensor> }
  | { readonly mode: 'threshold'; readonly tau: number }
  | { readonly mode: 'topP'; readonly rho: number }

export type HardMask = Exclude<SbmMask, { mode: 'expected' }>
