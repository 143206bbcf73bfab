/** The plain networks that the recipes put their structures on. */
import type { NetworkConfig } from '../network-config.ts'
import { NO_STRUCTURE } from './structures.ts'

/** About 308,000 weights: 49 patches of 4 pixels whose windows reach 2 pixels into their neighbors. */
export const TINY_28: NetworkConfig = {
  ...NO_STRUCTURE,
  imageSize: 28,
  channels: 1,
  patchSize: 4,
  patchOverlap: 2,
  width: 64,
  depth: 6,
  heads: 4,
  mlpRatio: 4,
  classes: 2,
  layerNormEps: 1e-6,
}

/** The backbone at 128 pixels: 256 patches of 8 pixels whose windows reach 4 pixels into their neighbors, about 0.7 million weights. */
export const SMALL_128: NetworkConfig = {
  ...NO_STRUCTURE,
  imageSize: 128,
  channels: 1,
  patchSize: 8,
  patchOverlap: 4,
  width: 96,
  depth: 6,
  heads: 4,
  mlpRatio: 4,
  classes: 2,
  layerNormEps: 1e-6,
}
