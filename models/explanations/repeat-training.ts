/** Bundles of one recipe trained from other seeds, or a network that draws its masks, in; how much of a map is the seed's doing out. */
import type { Explanation } from '../../src/domain/explanation.ts'
import type { InputTensor } from '../../src/domain/image.ts'
import type { NamedOutputs } from '../../src/domain/outputs.ts'
import { Problem } from '../../src/domain/problem.ts'
import { explain } from '../../src/explain/explain.ts'
import type { BundleFiles } from '../../src/infer/bundle-files.ts'
import { readBundleFiles } from '../../src/infer/bundle-files.ts'
import { type Bundle, openBundle } from '../../src/infer/load-bundle.ts'
import { type Checkpoint, readCheckpoint } from '../checkpoint.ts'
import { replaceWeights } from '../graph-weights.ts'
import { trainingRecordOf } from '../training/training-record.ts'
import { compareMaps, type Likeness, type MeanLikeness, meanLikeness } from './compare-maps.ts'
import { explainInput } from './explain-input.ts'
import { networkOf } from './randomize-model.ts'

/** Masks drawn for each image. */
export const DRAWS = 8

export interface Repeatability {
  readonly models: number
  readonly images: number
  /** Part of the pairs of models and images whose classes agree. */
  readonly sameClass: number
  /** By map, over all pairs of models and all images: rank correlation (of communities the adjusted Rand index) and structural similarity. */
  readonly maps: Readonly<Record<string, MeanLikeness>>
}

/** The maps of every two models beside each other, each image explained for the class that the first model predicts. */
export async function repeatTraining(models: readonly Bundle[], inputs: readonly InputTensor[]): Promise<Repeatability> {
  const pairs: (readonly Likeness[])[] = []
  const agreements: boolean[] = []
  for (const input of inputs) {
    const explanations: Explanation[] = []
    for (const model of models) explanations.push(await explainInput(model, input, explanations[0]?.predictedClass ?? null))
    for (const [first, second] of pairsOf(explanations)) {
      pairs.push(compareMaps(first, second))
      agreements.push(first.predictedClass === second.predictedClass)
    }
  }
  return { models: models.length, images: inputs.length, sameClass: agreements.filter(Boolean).length / agreements.length, maps: meanLikeness(pairs) }
}

export interface MaskRepeatability {
  readonly draws: number
  readonly images: number
  /** Part of the drawn masks under which another class is predicted than under the mean mask. */
  readonly flips: number
  readonly attention: MeanLikeness
}

/** The attention of every two drawn masks of one image beside each other; null for a network that draws none. */
export async function repeatMasks(bundle: Bundle, inputs: readonly InputTensor[], seed: number): Promise<MaskRepeatability | null> {
  if (!bundle.manifest.structure?.sampledInput) return null
  const pairs: (readonly Likeness[])[] = []
  let flips = 0
  for (const input of inputs) {
    const outputs = await bundle.run(input, { outputs: ['logits', 'attention'], withoutStructure: false, seed, samples: DRAWS })
    const mean = await attentionOf(bundle, outputs.asTrained)
    const drawn: Explanation[] = []
    for (const sample of outputs.samples ?? []) drawn.push(await attentionOf(bundle, { ...outputs.asTrained, ...sample }))
    flips += drawn.filter(({ predictedClass }) => predictedClass !== mean.predictedClass).length
    pairs.push(...pairsOf(drawn).map(([first, second]) => compareMaps(first, second)))
  }
  const attention = meanLikeness(pairs)['attention']
  if (attention === undefined) throw new Problem('output-missing', 'the bundle gave no drawn attention', { output: 'attention' })
  return { draws: DRAWS, images: inputs.length, flips: flips / (DRAWS * inputs.length), attention }
}

function attentionOf({ manifest }: Bundle, asTrained: NamedOutputs): Promise<Explanation> {
  return explain(manifest, { asTrained, withoutStructure: null }, null, { frame: 1, maps: ['attention'], explainedClass: null, seed: 0, samples: 0 })
}

function pairsOf<T>(items: readonly T[]): readonly (readonly [T, T])[] {
  return items.flatMap((first, i) => items.slice(i + 1).map((second) => [first, second] as const))
}

/**
 * Another training of the bundle's recipe, from a checkpoint's bytes: the same graph with its weights.
 *
 * Throws: "parameter-invalid" where network or normalization differ; "checkpoint-invalid".
 */
export function bundleOfCheckpoint(files: BundleFiles, bytes: Uint8Array): Promise<Bundle> {
  const checkpoint = readCheckpoint(bytes)
  checkSameRecipe(files, checkpoint)
  return openBundle(replaceWeights(files, checkpoint.weights))
}

/** Another training that was exported. Throws: "parameter-invalid" where its input is another. */
export async function bundleOfFolder(files: BundleFiles, folder: string): Promise<Bundle> {
  const other = await readBundleFiles(folder)
  if (JSON.stringify(other.manifest.input) !== JSON.stringify(files.manifest.input)) throw otherRecipe('input')
  return openBundle(other)
}

function checkSameRecipe({ manifest }: BundleFiles, checkpoint: Checkpoint): void {
  if (JSON.stringify(checkpoint.config) !== JSON.stringify(networkOf(manifest))) throw otherRecipe('network')
  const { mean, deviation } = trainingRecordOf(checkpoint).normalization
  if (JSON.stringify([mean, deviation]) !== JSON.stringify([manifest.input.mean, manifest.input.deviation])) throw otherRecipe('normalization')
}

function otherRecipe(what: string): Problem {
  return new Problem('parameter-invalid', `a model of --seeds has another ${what} than the bundle`, { parameter: 'seeds' })
}
