/** A step of a training in, its learning rate out. */
import type { TrainingSettings } from '../recipes/recipe.ts'

/**
 * The learning rate of a step: a straight rise to the top, then half a cosine to 0.
 *
 * step   from 0
 * steps  in the whole training
 *
 * Source: Goyal et al., arXiv:1706.02677, section 2.2 (warm-up); Loshchilov and Hutter, arXiv:1608.03983, equation 5 without restarts.
 */
export function learningRateAt(step: number, steps: number, { learningRate, warmupShare }: Pick<TrainingSettings, 'learningRate' | 'warmupShare'>): number {
  const warmup = Math.round(steps * warmupShare)
  if (step < warmup) return (learningRate * (step + 1)) / (warmup + 1)
  const done = (step - warmup) / Math.max(1, steps - warmup)
  return (learningRate * (1 + Math.cos(Math.PI * done))) / 2
}
