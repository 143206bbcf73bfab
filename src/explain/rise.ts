/** An input and the network in, where the class's probability lives out: the mean of random masks, each weighed by what was left. */
import type { ExplanationMap } from '../domain/explanation.ts'
import type { InputTensor } from '../domain/image.ts'
import type { Manifest } from '../domain/manifest.ts'
import { mixKey, uniformAt } from '../tensor/counter-random.ts'
import { type Tensor, tensorOf } from '../tensor/tensor.ts'
import { buildMap, extremesOf, isFlat } from './build-map.ts'
import { type Perturbation, type PerturbationRun, runPerturbation } from './forward-batch.ts'
import { eachLineOf } from './patch-box.ts'

/** A patch stays visible with this probability. */
const KEPT = 0.5

interface Draws {
  readonly masks: number
  readonly seed: number
}

/** The whole map in one go: `rise`, run. Throws: the signal's reason, once it is aborted. */
export async function riseMap(
  manifest: Manifest,
  input: InputTensor,
  explainedClass: { readonly index: number; readonly name: string },
  draws: Draws,
  run: PerturbationRun,
): Promise<ExplanationMap> {
  return runPerturbation(rise(manifest, input.pixels, explainedClass, draws), run)
}

/**
 * For each patch the mean probability over the masks that show it.
 *
 * The paper divides by how many masks show a patch on average (equation 6), which lets a constant answer look like noise; here each patch is divided by
 * its own number of masks. Hidden patches show the mean of the normalization. Masks are whole patches drawn from `seed`: the same seed gives the same map, and more masks begin
 * with fewer.
 *
 * pixels  [channel, height, width], normalized
 */
export function rise(manifest: Manifest, pixels: Tensor, explainedClass: { readonly index: number; readonly name: string }, { masks, seed }: Draws): Perturbation {
  const { height, width } = manifest.patchGrid
  return {
    passes: masks,
    size: pixels.data.length,
    classIndex: explainedClass.index,
    change: (into, mask) => {
      into.set(pixels.data)
      drawMask(seed, mask, height * width).forEach((isVisible, patch) => {
        if (isVisible === 0) eachLineOf(patch, manifest, (start, end) => into.fill(0, start, end))
      })
    },
    toMap: (probabilities) => toMap(manifest, explainedClass.name, { masks, seed }, weighMasks(probabilities, seed, height * width)),
  }
}

function toMap({ patchGrid }: Manifest, explainedClass: string, { masks, seed }: Draws, weighed: Weighed): ExplanationMap {
  const grid = tensorOf(Float32Array.from(weighed.values), [patchGrid.height, patchGrid.width])
  const { min, max } = extremesOf(grid.data)
  const isNoise = max - min < noiseOf(weighed)
  return buildMap({
    name: 'rise',
    title: 'RISE',
    kind: 'sequential',
    role: 'causal',
    explainedClass,
    grid,
    // Every patch holds the level of all masks: from 0 the differences, which alone count, could not be seen.
    ...(isFlat(grid) ? {} : { range: { min, max } }),
    marks: [{ value: weighed.mean, label: 'all masks' }],
    unit: 'probability',
    method: `mean probability over those of ${masks} random masks of whole patches in which this patch is visible; hidden patches show the mean of the normalization`,
    source: 'RISE, Petsiuk, Das and Saenko, arXiv:1806.07421, equation 1, each patch over its own masks; masks aligned with the patches',
    numbers: { masks, seed, kept: KEPT, meanProbability: weighed.mean, standardError: weighed.standardError },
    notes: [
      'contrast counts: every patch holds the mean level of all masks',
      ...(isNoise ? ['no more contrast than the draws alone would give: ask for more masks, and read nothing from this map'] : []),
    ],
  })
}

/** [patch], 1 where visible; mask number i is the same however many are drawn. */
function drawMask(seed: number, mask: number, patches: number): Uint8Array {
  const key = mixKey(seed, mask)
  return Uint8Array.from({ length: patches }, (_, patch) => (uniformAt(key, patch) < KEPT ? 1 : 0))
}

interface Weighed {
  /** [patch] */
  readonly values: Float64Array
  /** Over all masks. */
  readonly mean: number
  /** The largest of the patches' standard errors. */
  readonly standardError: number
}

/** sum_i f(x M_i) M_i / sum_i M_i for each patch: the masks are drawn again, one at a time, rather than held. */
function weighMasks(probabilities: Float64Array, seed: number, patches: number): Weighed {
  const [counts, sums, squares] = [new Float64Array(patches), new Float64Array(patches), new Float64Array(patches)]
  const add = (to: Float64Array, patch: number, value: number): void => {
    to[patch] = (to[patch] ?? 0) + value
  }
  probabilities.forEach((probability, mask) => {
    drawMask(seed, mask, patches).forEach((isVisible, patch) => {
      add(counts, patch, isVisible)
      add(sums, patch, probability * isVisible)
      add(squares, patch, probability ** 2 * isVisible)
    })
  })
  const mean = probabilities.reduce((total, probability) => total + probability, 0) / probabilities.length
  // A patch that no mask shows is told nothing of: it gets the level of all.
  const values = sums.map((sum, patch) => (counts[patch] === 0 ? mean : sum / (counts[patch] ?? 1)))
  const errors = values.map((value, patch) => Math.sqrt(Math.max(0, (squares[patch] ?? 0) / (counts[patch] || 1) - value ** 2) / (counts[patch] || 1)))
  return { values, mean, standardError: Math.max(...errors) }
}

/** What n values of one standard error spread over by chance: twice the bound sqrt(2 ln n) of the largest of n normal draws (Boucheron, Lugosi and Massart, Concentration Inequalities, theorem 2.5). */
function noiseOf({ values, standardError }: Weighed): number {
  return 2 * Math.sqrt(2 * Math.log(values.length)) * standardError
}
