/** Breast ultrasound, chest X-rays and fundus photographs at 28 pixels, meant to start from the masked-patch pre-training at that size (`--init`). */
import { AUGMENTATION_LEVEL_2 } from '../data/augment.ts'
import { TINY_28 } from './backbones.ts'
import { type PlacedSet, placedRecipes } from './placed-recipes.ts'
import { COMMON_TRAINING } from './pneumonia-28.ts'
import type { Recipe, TrainingSettings } from './recipe.ts'
import { LIVE_CLUSTER_DEVIATION, sampledSbm } from './structures.ts'

/** Half of the usual learning rate, since it goes on from trained weights. */
const FINE_TUNING: TrainingSettings = { ...COMMON_TRAINING, learningRate: 5e-4 }

const SETS: readonly PlacedSet[] = [
  {
    name: 'breast-pretrained',
    title: 'BreastMNIST at 28 pixels, from masked patches',
    dataSet: 'breastmnist',
    classes: 2,
    training: { ...FINE_TUNING, epochs: 100, batchSize: 32, augmentation: { ...AUGMENTATION_LEVEL_2, mirrorProbability: 0.5 } },
  },
  { name: 'pneumonia-pretrained', title: 'PneumoniaMNIST at 28 pixels, from masked patches', dataSet: 'pneumoniamnist', classes: 2, training: FINE_TUNING },
]

/** The SBM's structure felt by the network: in every layer whose masks reach an answer, with edges that differ from the start. */
export const LIVE_SBM_PNEUMONIA: Recipe = {
  name: 'sbm-vit-tiny-patch4-28.pneumonia-live',
  title: 'SBM-ViT, structure in all layers but the last and live from the start, on PneumoniaMNIST at 28 pixels, from masked patches',
  dataSet: 'pneumoniamnist',
  network: { ...TINY_28, ...sampledSbm([0, 1, 2, 3, 4]) },
  training: { ...FINE_TUNING, initialClusterDeviation: LIVE_CLUSTER_DEVIATION },
}

const RETINA: PlacedSet = {
  name: 'retina-pretrained',
  title: 'RetinaMNIST at 28 pixels, from masked patches in color',
  dataSet: 'retinamnist',
  classes: 5,
  training: { ...FINE_TUNING, batchSize: 32, augmentation: { ...AUGMENTATION_LEVEL_2, mirrorProbability: 0.5 } },
}

export const TINY_28_RECIPES: readonly Recipe[] = SETS.flatMap((set) => placedRecipes('tiny', TINY_28, set))
export const TINY_28_COLOR_RECIPES: readonly Recipe[] = placedRecipes('tiny', { ...TINY_28, channels: 3 }, RETINA)
