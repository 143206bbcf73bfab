/** A backbone and a data set in, a recipe for each of the three networks out: each structure where its authors put it. */
import type { NetworkConfig } from '../network-config.ts'
import type { Recipe, TrainingSettings } from './recipe.ts'
import { LIVE_MEMBERSHIP_DEVIATION, liveDcmm, NO_STRUCTURE, type Structure, sampledSbm } from './structures.ts'

/** What a set's recipes have in common. */
export interface PlacedSet {
  /** In the recipes' names, behind the point. */
  readonly name: string
  /** Behind the network's title and "on". */
  readonly title: string
  readonly dataSet: string
  readonly classes: number
  readonly training: TrainingSettings
}

/** Of networks with six layers. */
const PLACED_STRUCTURES: readonly { readonly title: string; readonly structure: Structure }[] = [
  { title: 'ViT', structure: NO_STRUCTURE },
  { title: 'DCMM-ViT, structure in the last layer', structure: liveDcmm([5]) },
  { title: 'SBM-ViT, structure in every layer', structure: sampledSbm([0, 1, 2, 3, 4, 5]) },
]

/** `<network>-<size>-patch<P>-<pixels>.<set>`; size is the backbone's word, as "tiny". */
export function placedRecipes(size: string, backbone: NetworkConfig, { name, title, dataSet, classes, training }: PlacedSet): readonly Recipe[] {
  return PLACED_STRUCTURES.map(({ title: network, structure }) => ({
    name: `${structure.network}-${size}-patch${backbone.patchSize}-${backbone.imageSize}.${name}`,
    title: `${network}, on ${title}`,
    dataSet,
    network: { ...backbone, ...structure, classes },
    training: { ...training, initialMembershipDeviation: structure.dcmm === null ? null : LIVE_MEMBERSHIP_DEVIATION },
  }))
}
