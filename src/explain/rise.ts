/** An input and the network in, where the class's probability lives out: the mean of random masks, each weighed by what was left. */
import type { ExplanationMap } from '../domain/explanation.ts'
import type { InputTensor } from '../domain/image.ts'
import type { Manifest } from '../domain/manifest.ts'
import { mixKey, uniformAt } from '../tensor/counter-random.ts'
import { tensorOf } from '../tensor/tensor.ts'
import { buildMap } from './build-map.ts'
import { type PerturbationRun, probabilitiesOf } from './forward-batch.ts'

/** A patch stays visible with this probability. */
const KEPT = 0.5

/**
 * Mean over masks of probability times mask, over the part that a mask keeps.
 *
 * Hidden patches show the mean of the normalization. Masks are whole patches drawn from `seed`: the same seed gives the same map.
 * Throws: the signal's reason, once it is aborted.
 */
export async function riseMap(
  manifest: Manifest,
  input: InputTensor,
  explainedClass: { readonly index: number; readonly name: string },
  draws: { readonly masks: number; readonly seed: number },
  run: PerturbationRun,
): Promise<ExplanationMap> {
  const { height, width } = manifest.patchGrid
  const patterns = drawPatterns(draws.masks, height * width, draws.seed)
  const probabilities = await probabilitiesOf(run, input.pixels.data.length, draws.masks, explainedClass.index, (into, mask) => {
    into.set(input.pixels.data)
    hidePatches(into, patterns[mask] ?? new Uint8Array(height * width), manifest)
  })
  return buildMap({
    name: 'rise',
    title: 'RISE',
    kind: 'sequential',
    role: 'causal',
    explainedClass: explainedClass.name,
    grid: tensorOf(Float32Array.from(weighPatterns(patterns, probabilities, height * width)), [height, width]),
    unit: 'model output score',
    method: `mean model output score over ${draws.masks} masks of whole patches in which this patch is visible; hidden patches show the mean of the normalization`,
    source: 'RISE, Petsiuk, Das and Saenko, arXiv:1806.07421, equation 6, masks aligned with the patches',
    numbers: { masks: draws.masks, seed: draws.seed, kept: KEPT },
    notes: ['contrast counts: every patch holds the mean level of all masks'],
  })
}

/** [mask][patch], 1 where visible; mask number i is the same however many are drawn. */
function drawPatterns(masks: number, patches: number, seed: number): readonly Uint8Array[] {
  return Array.from({ length: masks }, (_, mask) => {
    const key = mixKey(seed, mask)
    return Uint8Array.from({ length: patches }, (_unused, patch) => (uniformAt(key, patch) < KEPT ? 1 : 0))
  })
}

/** sum_i f(x M_i) M_i / (n p). */
function weighPatterns(patterns: readonly Uint8Array[], probabilities: Float64Array, patches: number): Float64Array {
  const sums = new Float64Array(patches)
  patterns.forEach((pattern, mask) => {
    const probability = probabilities[mask] ?? 0
    for (let patch = 0; patch < patches; patch++) sums[patch] = (sums[patch] ?? 0) + probability * (pattern[patch] ?? 0)
  })
  return sums.map((sum) => sum / (patterns.length * KEPT))
}

/** Sets the pixels of hidden patches to 0, the mean of normalized input. */
function hidePatches(into: Float32Array, pattern: Uint8Array, { patchGrid, input }: Pick<Manifest, 'patchGrid' | 'input'>): void {
  const rowsOfPatch = input.height / patchGrid.height
  const columnsOfPatch = input.width / patchGrid.width
  for (let channel = 0; channel < input.channels; channel++) {
    for (let row = 0; row < input.height; row++) {
      const line = (channel * input.height + row) * input.width
      const firstPatch = Math.floor(row / rowsOfPatch) * patchGrid.width
      for (let column = 0; column < patchGrid.width; column++) {
        if (pattern[firstPatch + column] === 0) into.fill(0, line + column * columnsOfPatch, line + (column + 1) * columnsOfPatch)
      }
    }
  }
}
