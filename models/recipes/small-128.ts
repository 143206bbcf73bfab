/** Breast ultrasound and brain tumors at 128 pixels: what is released, meant to start from the masked-patch pre-training (`--init`). */
import { AUGMENTATION_LEVEL_1, AUGMENTATION_LEVEL_2 } from '../data/augment.ts'
import { SMALL_128 } from './backbones.ts'
import { type PlacedSet, placedRecipes } from './placed-recipes.ts'
import { COMMON_TRAINING } from './pneumonia-28.ts'
import type { Recipe, TrainingSettings } from './recipe.ts'

/** Half of the usual learning rate, since it goes on from trained weights (training section 9). Both breasts look alike in a mirror. */
export const SMALL_128_FINE_TUNING: TrainingSettings = { ...COMMON_TRAINING, batchSize: 32, learningRate: 5e-4, augmentation: { ...AUGMENTATION_LEVEL_2, mirrorProbability: 0.5 } }

/**
 * Both halves of a brain look alike in a mirror too. Its validation split prefers the lighter augmentation: after 30 epochs of the DCMM a loss of .600 and an accuracy
 * of .833, against .648 and .790 with erased squares, at the same AUC (.939, .938).
 */
const BRAIN_AUGMENTATION = { ...AUGMENTATION_LEVEL_1, mirrorProbability: 0.5 }

const BRAIN_FINE_TUNING: TrainingSettings = { ...SMALL_128_FINE_TUNING, epochs: 30, augmentation: BRAIN_AUGMENTATION }

const SETS: readonly PlacedSet[] = [
  { name: 'breast', title: 'breast ultrasound (BUSI) at 128 pixels', dataSet: 'busi128', classes: 2, training: { ...SMALL_128_FINE_TUNING, epochs: 60 } },
  {
    name: 'brain',
    title: 'brain tumors (Cheng) at 128 pixels',
    dataSet: 'braintumor128',
    classes: 3,
    training: BRAIN_FINE_TUNING,
  },
  {
    name: 'brain-balanced',
    title: 'brain tumors (Cheng) at 128 pixels, as if all classes were equally frequent',
    dataSet: 'braintumor128',
    classes: 3,
    training: { ...BRAIN_FINE_TUNING, logitAdjustment: 1 },
  },
]

export const SMALL_128_RECIPES: readonly Recipe[] = SETS.flatMap((set) => placedRecipes('small', SMALL_128, set))
