/** Tiny configurations of the three networks for tests, and inputs for them. */

import { initialWeights } from '../../../models/initial-weights.ts'
import { DCMM_RELEASED, type DcmmOptions, type NetworkConfig, SBM_RELEASED, type SbmOptions } from '../../../models/network-config.ts'
import type { Tensor } from '../../../src/tensor/tensor.ts'
import { generated } from './attention-case.ts'

const backbone = { imageSize: 12, channels: 2, patchSize: 4, patchOverlap: 0, width: 12, depth: 3, heads: 2, mlpRatio: 2, classes: 3, layerNormEps: 1e-6 }

export const smallVit = (change: Partial<NetworkConfig> = {}): NetworkConfig => ({ ...backbone, network: 'vit', structuredLayers: [], dcmm: null, sbm: null, ...change })

export const smallDcmm = (options: Partial<DcmmOptions> = {}, change: Partial<NetworkConfig> = {}): NetworkConfig => ({
  ...backbone,
  network: 'dcmm-vit',
  structuredLayers: [2],
  dcmm: { ...DCMM_RELEASED, communities: 4, thetaActivation: 'softplus', initialBiasScale: 3, ...options },
  sbm: null,
  ...change,
})

export const smallSbm = (options: Partial<SbmOptions> = {}, change: Partial<NetworkConfig> = {}): NetworkConfig => ({
  ...backbone,
  network: 'sbm-vit',
  structuredLayers: [0, 1, 2],
  dcmm: null,
  sbm: { ...SBM_RELEASED, communities: 4, ...options },
  ...change,
})

/** [batch, channel, height, width] */
export const smallPixels = (config: NetworkConfig, batch: number, start = 0.3): Tensor => generated([batch, config.channels, config.imageSize, config.imageSize], start)

/** Initial weights with the attention's and the head's twenty times as large, so that what the attention does can be seen in the logits. */
export function loudWeights(config: NetworkConfig): Map<string, Tensor> {
  const loud = ([name, { shape, data }]: [string, Tensor]): [string, Tensor] => [
    name,
    { shape, data: /(qkv|proj|head)\.weight$/.test(name) ? data.map((value) => value * 20) : data },
  ]
  return new Map([...initialWeights(config, 3)].map(loud))
}
