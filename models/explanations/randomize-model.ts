/**
 * A bundle and images in, how fast its maps change when its weights are forgotten out: from the head down, layer by layer, and one layer at a time.
 *
 * Source: Adebayo et al., Sanity Checks for Saliency Maps, arXiv:1810.03292, section 3.
 */
import type { InputTensor } from '../../src/domain/image.ts'
import type { Manifest } from '../../src/domain/manifest.ts'
import { Problem } from '../../src/domain/problem.ts'
import type { BundleFiles } from '../../src/infer/bundle-files.ts'
import { type Bundle, openBundle } from '../../src/infer/load-bundle.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'
import { replaceWeights } from '../graph-weights.ts'
import type { NetworkConfig } from '../network-config.ts'
import { parseNetworkConfig } from '../parse-network-config.ts'
import { freshWeights } from '../training/run-training.ts'
import { trainingRecordOf } from '../training/training-record.ts'
import { compareMaps, type Likeness, type MeanLikeness, meanLikeness } from './compare-maps.ts'
import { explainInput } from './explain-input.ts'

/** Below this a map is said to have forgotten, by the middle of the cascade. */
export const FORGOTTEN_BELOW = 0.3

export interface ForgottenStage {
  /** head, block L-1 down to block 0, embedding */
  readonly stage: string
  /** The maps against the trained network's when this stage and all above it are fresh. */
  readonly cascade: Readonly<Record<string, MeanLikeness>>
  /** The same when this stage alone is fresh. */
  readonly independent: Readonly<Record<string, MeanLikeness>>
}

export interface Randomization {
  readonly images: number
  readonly seed: number
  readonly stages: readonly ForgottenStage[]
  /** By map: whether its correlation with the trained network's map is below FORGOTTEN_BELOW in the middle of the cascade. */
  readonly hasForgotten: Readonly<Record<string, boolean>>
}

/**
 * The whole test, the class of each image held at what the trained network predicts.
 *
 * Throws: "parameter-invalid" for a bundle that does not say how its network was trained.
 */
export async function randomizeModel(files: BundleFiles, inputs: readonly InputTensor[], seed: number, onStage: (stage: string) => void): Promise<Randomization> {
  const { network, fresh } = untrained(files.manifest, seed)
  const trained = await withBundle(files, async (bundle) => {
    const explanations = []
    for (const input of inputs) explanations.push(await explainInput(bundle, input, null))
    return explanations
  })
  const likenessOf = (names: readonly string[]): Promise<Readonly<Record<string, MeanLikeness>>> =>
    withBundle(replaceWeights(files, new Map([...fresh].filter(([name]) => names.includes(name)))), async (bundle) => {
      const pairs: (readonly Likeness[])[] = []
      for (const [index, input] of inputs.entries()) {
        const original = trained[index]
        if (original !== undefined) pairs.push(compareMaps(original, await explainInput(bundle, input, original.explainedClass)))
      }
      return meanLikeness(pairs)
    })
  const stages: ForgottenStage[] = []
  const above: string[] = []
  for (const [stage, names] of stagesOf(network, [...fresh.keys()])) {
    onStage(stage)
    above.push(...names)
    stages.push({ stage, cascade: await likenessOf(above), independent: await likenessOf(names) })
  }
  return { images: inputs.length, seed, stages, hasForgotten: forgotten(stages) }
}

/** The weights of each stage, from the output to the input. */
export function stagesOf({ depth }: NetworkConfig, names: readonly string[]): readonly (readonly [string, readonly string[]])[] {
  const blocks = Array.from({ length: depth }, (_, i) => depth - 1 - i)
  const starting = (...prefixes: readonly string[]): string[] => names.filter((name) => prefixes.some((prefix) => name.startsWith(prefix)))
  return [
    ['head', starting('head.', 'norm.')],
    ...blocks.map((block) => [`block ${block}`, starting(`blocks.${block}.`)] as const),
    ['embedding', starting('patch_embed.', 'cls_token', 'pos_embed')],
  ]
}

function forgotten(stages: readonly ForgottenStage[]): Readonly<Record<string, boolean>> {
  const middle = stages[Math.ceil(stages.length / 2) - 1]
  return Object.fromEntries(Object.entries(middle?.cascade ?? {}).map(([map, { rank }]) => [map, Math.abs(rank) < FORGOTTEN_BELOW]))
}

/** The network that a training of this bundle's recipe starts from, under another seed. */
function untrained(manifest: Manifest, seed: number): { readonly network: NetworkConfig; readonly fresh: ReadonlyMap<string, Tensor> } {
  const network = networkOf(manifest)
  const { recipe: name, title, data, settings } = trainingRecordOf({ metadata: { training: JSON.stringify(manifest.training) } })
  return { network, fresh: freshWeights({ name, title, dataSet: data.id, network, training: settings }, seed) }
}

/** The network's configuration as the bundle repeats it. Throws: "parameter-invalid" where it does not. */
export function networkOf({ training }: Manifest): NetworkConfig {
  const network = training?.['network']
  if (network === undefined) throw new Problem('parameter-invalid', 'the bundle does not say how its network was trained', { parameter: 'model' })
  return parseNetworkConfig(network)
}

async function withBundle<T>(files: BundleFiles, use: (bundle: Bundle) => Promise<T>): Promise<T> {
  const bundle = await openBundle(files)
  try {
    return await use(bundle)
  } finally {
    await bundle.release()
  }
}
