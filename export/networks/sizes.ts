/** A network's sizes by their short names, and the names of the graph's inputs. */
import { gridSide, type NetworkConfig, tokenCount } from '../../models/network-config.ts'

export const PIXELS_INPUT = 'pixels'
/** [batch] float: 1 as trained, 0 with the structure removed. */
export const STRUCTURE_INPUT = 'structure'
/** [batch] float: 1 draws the mask from the image's seed, 0 makes it by the graph's rule. */
export const SAMPLED_INPUT = 'sampled'
/** [batch] uint32 */
export const SEED_INPUT = 'seed'

export interface Sizes {
  readonly width: number
  readonly heads: number
  readonly headWidth: number
  /** The patches and the class token in front. */
  readonly tokens: number
  readonly grid: number
  readonly lastLayer: number
}

export function sizesOf(config: NetworkConfig): Sizes {
  return {
    width: config.width,
    heads: config.heads,
    headWidth: config.width / config.heads,
    tokens: tokenCount(config),
    grid: gridSide(config),
    lastLayer: config.depth - 1,
  }
}
