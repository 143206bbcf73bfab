/** One test image in, what each of its maps is worth out. */
import type { Explanation, ExplanationMap } from '../../src/domain/explanation.ts'
import type { InputTensor } from '../../src/domain/image.ts'
import type { Baseline } from '../../src/domain/perturbation.ts'
import { toSourcePoint } from '../../src/domain/placement.ts'
import type { ForwardBatch } from '../../src/explain/forward-batch.ts'
import { blurred } from '../../src/explain/occlusion.ts'
import { type Coherence, shuffle, spatialCoherence } from '../../src/explain/validation/coherence.ts'
import { orderOf, perturbationCurve } from '../../src/explain/validation/faithfulness.ts'
import { intersectionOverUnion, type Localization, localize, type PatchMap, type Region } from '../../src/explain/validation/localization.ts'
import type { Bundle } from '../../src/infer/load-bundle.ts'
import { mixKey } from '../../src/tensor/counter-random.ts'
import { correlation } from '../../src/tensor/rank-correlation.ts'
import { resizeBilinear } from '../../src/tensor/resize.ts'
import { softmax } from '../../src/tensor/softmax.ts'
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'
import { explainInput } from './explain-input.ts'

/** Random orders that a map is measured against. */
export const RANDOM_ORDERS = 10
export const SHUFFLES = 1000
/** Parts of a map's largest value at which its IoU is taken. */
export const THRESHOLDS = Array.from({ length: 19 }, (_, i) => (i + 1) / 20)
const CURVE_STEPS = 14
/** Maps of labels or of the structure's inside, which do not say where a class is seen. */
const NO_RELEVANCE = ['communities', 'query-loading', 'key-loading', 'mask', 'edge-probability', 'entropy']

/** Areas under the class's probability: from the image to a baseline patch by patch, and back. */
export interface Faithfulness {
  readonly deletion: number
  readonly insertion: number
}

/** Against the mean of the normalization, and against the image blurred as wide as a patch: they need not agree. */
export type FaithfulnessByBaseline = Readonly<Record<Baseline, Faithfulness>>

export interface Placed {
  readonly found: Localization
  /** IoU at each of THRESHOLDS. */
  readonly overlaps: readonly number[]
}

export interface MapMeasures {
  readonly name: string
  /** Null where the image's curves were not asked for. */
  readonly faithfulness: FaithfulnessByBaseline | null
  /** Whether the map is made for one class; a map that is not can't tell classes apart. */
  readonly classSpecific: boolean
  /** Correlation of the maps of the two likeliest classes; null where one is flat. */
  readonly acrossClasses: number | null
  /** Part of the map on patches that show nothing; null of maps that are not read as "where". */
  readonly blankShare: number | null
  /** Null without a region. */
  readonly placed: Placed | null
}

export interface ImageMeasures {
  readonly maps: readonly MapMeasures[]
  /** Null where the image's curves were not asked for. */
  readonly random: FaithfulnessByBaseline | null
  readonly agreement: Explanation['agreement']
  /** Null for a network without communities. */
  readonly communities: (Coherence & { readonly count: number }) | null
}

/**
 * All measures of one image.
 *
 * region      null where nobody marked one
 * withCurves  deletion and insertion cost 60 runs of the network a map and 600 for the random orders
 */
export async function measureImage(bundle: Bundle, input: InputTensor, region: Region | null, seed: number, withCurves = true): Promise<ImageMeasures> {
  const explanation = await explainInput(bundle, input, null)
  const other = await explainInput(bundle, input, secondClassOf(explanation))
  const classIndex = explanation.classes.findIndex(({ name }) => name === explanation.predictedClass)
  const curves = (order: readonly number[]): Promise<FaithfulnessByBaseline> => curveAreas(bundle, input, order, classIndex)
  const maps: MapMeasures[] = []
  for (const map of explanation.maps.filter(({ name }) => !NO_RELEVANCE.includes(name))) {
    const second = other.maps.find(({ name }) => name === map.name)
    maps.push({
      name: map.name,
      faithfulness: withCurves ? await curves(orderOf(map.grid.data)) : null,
      classSpecific: map.classSpecific,
      acrossClasses: second === undefined ? null : correlation(map.grid.data, second.grid.data),
      blankShare: map.numbers['blankShare'] ?? null,
      placed: region === null ? null : placeOn(map.grid, input, region),
    })
  }
  const random = withCurves ? await randomAreas(bundle.manifest.patchGrid, curves, seed) : null
  return { maps, random, agreement: explanation.agreement, communities: coherenceOf(explanation.maps, seed) }
}

/** The likeliest class but the predicted one. */
function secondClassOf({ classes, predictedClass }: Explanation): string | null {
  const others = classes.filter(({ name }) => name !== predictedClass).sort((a, b) => b.probability - a.probability)
  return others[0]?.name ?? null
}

async function curveAreas(bundle: Bundle, input: InputTensor, order: readonly number[], classIndex: number): Promise<FaithfulnessByBaseline> {
  const { manifest } = bundle
  const run = { forward: forwardOf(bundle), batchSize: 1 }
  const against = async (cover: Tensor): Promise<Faithfulness> => {
    const deletion = await perturbationCurve(manifest, input.pixels, cover, order, CURVE_STEPS, classIndex, run)
    const insertion = await perturbationCurve(manifest, cover, input.pixels, order, CURVE_STEPS, classIndex, run)
    return { deletion: deletion.area, insertion: insertion.area }
  }
  const mean = tensorOf(new Float32Array(input.pixels.data.length), input.pixels.shape)
  const blur = blurred(input.pixels, manifest.input.height / manifest.patchGrid.height)
  return { mean: await against(mean), blur: await against(blur) }
}

/** The mean over random orders. */
async function randomAreas(
  { height, width }: { readonly height: number; readonly width: number },
  curves: (order: readonly number[]) => Promise<FaithfulnessByBaseline>,
  seed: number,
): Promise<FaithfulnessByBaseline> {
  const patches = Array.from({ length: height * width }, (_, patch) => patch)
  const draws: FaithfulnessByBaseline[] = []
  for (let draw = 0; draw < RANDOM_ORDERS; draw++) draws.push(await curves(shuffle(patches, mixKey(seed, draw))))
  const meanOf = (part: (draw: FaithfulnessByBaseline) => number): number => draws.reduce((sum, draw) => sum + part(draw) / draws.length, 0)
  const meanAgainst = (baseline: Baseline): Faithfulness => ({ deletion: meanOf((draw) => draw[baseline].deletion), insertion: meanOf((draw) => draw[baseline].insertion) })
  return { mean: meanAgainst('mean'), blur: meanAgainst('blur') }
}

/** One image after another: a bundle takes one input a call. */
function forwardOf(bundle: Bundle): ForwardBatch {
  const { channels, height, width } = bundle.manifest.input
  const size = channels * height * width
  const placement = { sourceRows: height, sourceColumns: width, top: 0, left: 0, height, width, quarterTurns: 0 as const, inputHeight: height, inputWidth: width }
  return async (pixels, batch) => {
    const answers: number[] = []
    for (let row = 0; row < batch; row++) {
      const input = { pixels: tensorOf(pixels.subarray(row * size, (row + 1) * size), [channels, height, width]), placement }
      const { asTrained } = await bundle.run(input, { outputs: ['logits'], withoutStructure: false, seed: 0, samples: 0 })
      answers.push(...softmax(asTrained.logits?.data ?? []))
    }
    return Float32Array.from(answers)
  }
}

function coherenceOf(maps: readonly ExplanationMap[], seed: number): ImageMeasures['communities'] {
  const map = maps.find(({ name }) => name === 'communities')
  if (map === undefined) return null
  return { count: map.communities.length, ...spatialCoherence(map.grid.data, map.grid.shape[1] ?? 1, SHUFFLES, seed) }
}

/**
 * A map's localization on the image's pixels; null for an empty region.
 *
 * The images of these data sets are square and wholly seen, so the grid is stretched over the region's pixels.
 */
export function placeOn(grid: Tensor, { placement }: InputTensor, region: Region): Placed | null {
  const [rows = 1, columns = 1] = grid.shape
  const positive = tensorOf(
    grid.data.map((value) => Math.max(0, value)),
    [rows, columns, 1],
  )
  const drawn = resizeBilinear(positive, { top: 0, left: 0, height: rows, width: columns }, { height: region.rows, width: region.columns }).data
  const middleOf = (patch: number) =>
    toSourcePoint(placement, { y: ((Math.floor(patch / columns) + 0.5) * placement.inputHeight) / rows, x: (((patch % columns) + 0.5) * placement.inputWidth) / columns })
  return place(drawn, region, { values: grid.data, middleOf })
}

/** The localization of a map that has a value for every pixel of the image, [rows x columns]; null for an empty region. */
export function placePixels(values: Float64Array, region: Region): Placed | null {
  const middleOf = (pixel: number) => ({ y: Math.floor(pixel / region.columns) + 0.5, x: (pixel % region.columns) + 0.5 })
  return place(values, region, { values, middleOf })
}

function place(drawn: Float32Array | Float64Array, region: Region, patches: PatchMap): Placed | null {
  const found = localize(drawn, region, patches)
  if (found === null) return null
  let largest = 0
  for (const value of drawn) largest = Math.max(largest, value)
  const overlaps = THRESHOLDS.map((threshold) => (largest > 0 ? intersectionOverUnion(drawn, region.mask, threshold * largest) : 0))
  return { found, overlaps }
}
