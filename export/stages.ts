/** The networks' stages by TF.js' names in, by the graph's names out, and the inputs of a graph for a batch. */
import type { NetworkConfig } from '../models/network-config.ts'
import type { Feed, Feeds } from '../src/infer/runtime.ts'
import type { Tensor } from '../src/tensor/tensor.ts'
import { PIXELS_INPUT, SAMPLED_INPUT, SEED_INPUT, STRUCTURE_INPUT } from './networks/sizes.ts'

/** 'layer1.queryLoading' is the graph's 'query_loading.1'; null where the graph does not give the stage. */
export function graphNameOf(stage: string, config: NetworkConfig): string | null {
  const inLayer = /^layer(\d+)\.(\w+)$/.exec(stage)
  if (inLayer === null) return ['tokens', 'embedding', 'logits'].includes(stage) ? stage : null
  const [, layer, name = ''] = inLayer
  if (name === 'scores') return Number(layer) === config.depth - 1 ? 'scores' : null
  if (name === 'tokens' || (name === 'bias' && config.sbm !== null)) return null
  return `${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}.${layer}`
}

/** How a batch is run: with or without its structure, with masks by rule or drawn from one seed an image. */
export interface BatchMode {
  readonly structure: 'as-trained' | 'removed'
  /** null makes masks by the graph's rule. */
  readonly seeds: readonly number[] | null
}

/** pixels  [batch, channel, height, width] */
export function feedsOf(config: NetworkConfig, pixels: Tensor, mode: BatchMode): Feeds {
  const batch = pixels.shape[0] ?? 0
  const perImage = (value: number): Feed => ({ type: 'float32', data: new Float32Array(batch).fill(value), shape: [batch] })
  const feeds: Record<string, Feed> = { [PIXELS_INPUT]: { type: 'float32', data: pixels.data, shape: pixels.shape } }
  if (config.structuredLayers.length === 0) return feeds
  feeds[STRUCTURE_INPUT] = perImage(mode.structure === 'as-trained' ? 1 : 0)
  if (config.sbm === null) return feeds
  feeds[SAMPLED_INPUT] = perImage(mode.seeds === null ? 0 : 1)
  feeds[SEED_INPUT] = { type: 'uint32', data: Uint32Array.from(mode.seeds ?? new Array<number>(batch).fill(0)), shape: [batch] }
  return feeds
}
