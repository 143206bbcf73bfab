/** A map's order of patches and the network in, how fast the class goes or comes when patches do out. */
import type { Manifest } from '../../domain/manifest.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { allProbabilitiesOf, type PerturbationRun } from '../forward-batch.ts'
import { copyPatch } from '../occlusion.ts'

export interface PerturbationCurve {
  /** Probability of the class after each step; the first is that of the start, the last that of the end. */
  readonly probabilities: Float64Array
  /** Area under the curve over the part of the patches that changed, by trapezoids. */
  readonly area: number
}

/** Patches by descending value; of equal ones the first comes first. */
export function orderOf(values: ArrayLike<number>): readonly number[] {
  return Array.from(values, (_, patch) => patch).sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b)
}

/**
 * The curve from one input to another, patch by patch.
 *
 * from, to  [channel, height, width]: deletion goes from the image to a baseline, insertion from a baseline to the image
 * order     the patches as they change
 * steps     points after the start; each changes an equal part of the patches
 *
 * Source: Petsiuk, Das and Saenko, arXiv:1806.07421, section 4.1. Low is good for deletion, high for insertion.
 */
export async function perturbationCurve(
  manifest: Pick<Manifest, 'patchGrid' | 'input'>,
  from: Tensor,
  to: Tensor,
  order: readonly number[],
  steps: number,
  classIndex: number,
  run: PerturbationRun,
): Promise<PerturbationCurve> {
  const change = (into: Float32Array, step: number): void => {
    into.set(from.data)
    for (const patch of order.slice(0, Math.round((order.length * step) / steps))) copyPatch(into, to, patch, manifest)
  }
  const probabilities = await allProbabilitiesOf({ passes: steps + 1, size: from.data.length, classIndex, change }, run)
  return { probabilities, area: areaUnder(probabilities) }
}

/** Trapezoids over [0, 1]. */
export function areaUnder(values: Float64Array): number {
  let sum = 0
  for (let i = 1; i < values.length; i++) sum += ((values[i - 1] ?? 0) + (values[i] ?? 0)) / 2
  return sum / (values.length - 1)
}
