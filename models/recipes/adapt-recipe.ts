/** A recipe and a data set of another shape in, the same procedure on a network of that shape out. */
import type { DataSet } from '../data/data-set.ts'
import type { NetworkConfig } from '../network-config.ts'
import { parseNetworkConfig } from '../parse-network-config.ts'
import type { Recipe } from './recipe.ts'

export type DataShape = Pick<DataSet, 'channels' | 'height' | 'width' | 'facts'>

const TITLES: Readonly<Record<NetworkConfig['network'], string>> = { vit: 'ViT', 'dcmm-vit': 'DCMM-ViT', 'sbm-vit': 'SBM-ViT' }

/**
 * The recipe itself where the data has its shape; else one whose network takes the data's side, channels and classes, named after the data.
 *
 * Images that are not square are left for the training to refuse.
 * Throws: "checkpoint-invalid" where the patches do not divide the side.
 */
export function adaptRecipe(recipe: Recipe, { channels, height, width, facts }: DataShape): Recipe {
  const { network } = recipe
  const fits = network.channels === channels && network.imageSize === height && network.classes === facts.classes.length
  if (fits || height !== width) return recipe
  const adapted = parseNetworkConfig({ ...network, channels, imageSize: height, classes: facts.classes.length })
  const [size] = recipe.name.split('-patch')
  return {
    name: `${size}-patch${network.patchSize}-${height}.${facts.id}`,
    title: `${TITLES[network.network]} on ${facts.title} at ${height} pixels`,
    dataSet: facts.id,
    network: adapted,
    training: recipe.training,
  }
}
