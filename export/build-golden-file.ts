/** A network and inputs in, the bundle's golden file out, every output computed by TF.js. */
import type { NetworkConfig } from '../models/network-config.ts'
import { runNetwork } from '../models/run-network.ts'
import type { Manifest } from '../src/domain/manifest.ts'
import type { Feed } from '../src/infer/runtime.ts'
import { at, type Tensor, tensorOf } from '../src/tensor/tensor.ts'
import { ABOUT_GOLDEN, encodeTensor, type GoldenCase, type GoldenFile } from './golden-file.ts'
import type { ParityInput, Reference } from './parity.ts'
import { type BatchMode, feedsOf, graphNameOf } from './stages.ts'

/** Above this a stage is left out, or matrices [token, token] of a large image would make a file of many times the weights' size. */
const MOST_VALUES = 2 ** 16

/** The stages at which a port is compared, of the last layer only, so that the file stays small: the first one that fails names where a fault begins. */
function isKept(output: string, { data }: Tensor, { depth }: NetworkConfig): boolean {
  if (data.length > MOST_VALUES) return false
  const [name = '', layer] = output.split('.')
  if (layer === undefined) return ['tokens', 'embedding', 'logits'].includes(name)
  return Number(layer) === depth - 1 && ['attention', 'membership', 'degree', 'edge_probability'].includes(name)
}

/**
 * The golden file: the first image of each input, as trained and with the structure removed.
 *
 * An SBM's drawn masks have no place here: a probability within rounding of its draw may fall on either side in another runtime.
 */
export async function buildGoldenFile(reference: Reference, inputs: readonly ParityInput[], tolerance: Manifest['parity']): Promise<GoldenFile> {
  const modes: BatchMode[] = [{ structure: 'as-trained', seeds: null }]
  if (reference.config.structuredLayers.length > 0) modes.push({ structure: 'removed', seeds: null })
  const cases: GoldenCase[] = []
  for (const { name, pixels } of inputs) for (const mode of modes) cases.push(await buildCase(reference, name, firstImage(pixels), mode))
  return {
    about: ABOUT_GOLDEN,
    computedBy: 'the network in TF.js with its plain operations, float32',
    because: 'both sides compute in float32 and differ in the order of sums alone',
    tolerance,
    cases,
  }
}

async function buildCase({ config, weights, primitives, mask }: Reference, name: string, pixels: Tensor, mode: BatchMode): Promise<GoldenCase> {
  const rule = mask.mode === 'sample' ? { mode: 'expected' as const } : mask
  const stages = await runNetwork(config, weights, pixels, { primitives, structure: mode.structure, mask: rule, capture: true })
  const outputs = [...stages].flatMap(([stage, tensor]) => {
    const output = graphNameOf(stage, config)
    return output !== null && isKept(output, tensor, config) ? [[output, encodeTensor(tensor)] as const] : []
  })
  const inputs = Object.entries(feedsOf(config, pixels, mode)).map(([input, feed]) => [input, encodeFeed(feed)] as const)
  return { case: `${name}, ${mode.structure === 'removed' ? 'structure removed' : 'as trained'}`, inputs: Object.fromEntries(inputs), outputs: Object.fromEntries(outputs) }
}

function encodeFeed(feed: Feed): GoldenCase['inputs'][string] {
  return feed.type === 'float32' ? encodeTensor(tensorOf(feed.data, feed.shape)) : { shape: feed.shape, uint32: [...feed.data] }
}

/** [batch, ...] as [1, ...] */
function firstImage(pixels: Tensor): Tensor {
  const image = at(pixels, 0)
  return tensorOf(image.data, [1, ...image.shape])
}
