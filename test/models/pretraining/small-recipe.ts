/** A pre-training that a test can run whole: 16 patches of 4 pixels. */
import { MASKED_PATCHES_128, type PretrainingRecipe } from '../../../models/pretraining/pretraining-recipe.ts'

export const SMALL_RECIPE: PretrainingRecipe = {
  ...MASKED_PATCHES_128,
  network: { ...MASKED_PATCHES_128.network, imageSize: 16, patchSize: 4, patchOverlap: 2, width: 16, depth: 2, heads: 2 },
  decoder: { width: 16, depth: 1, heads: 2 },
  epochs: 3,
  batchSize: 8,
}
