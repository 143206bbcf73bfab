/** A recipe's name in, the recipe out. */
import { Problem } from '../../src/domain/problem.ts'
import { COMPARISON_RECIPES } from './comparison.ts'
import { DCMM_VIT_FINE_TUNE, VIT_FINE_TUNE } from './fine-tune-224.ts'
import { DCMM_VIT_PNEUMONIA, SBM_VIT_PNEUMONIA, VIT_PNEUMONIA } from './pneumonia-28.ts'
import type { Recipe } from './recipe.ts'
import { SMALL_128_RECIPES } from './small-128.ts'
import { LESION_RECIPES } from './supervised-128.ts'
import { LIVE_SBM_PNEUMONIA, TINY_28_COLOR_RECIPES, TINY_28_RECIPES } from './tiny-28.ts'

export const RECIPES: readonly Recipe[] = [
  DCMM_VIT_PNEUMONIA,
  VIT_PNEUMONIA,
  SBM_VIT_PNEUMONIA,
  VIT_FINE_TUNE,
  DCMM_VIT_FINE_TUNE,
  ...SMALL_128_RECIPES,
  ...LESION_RECIPES,
  ...TINY_28_RECIPES,
  LIVE_SBM_PNEUMONIA,
  ...TINY_28_COLOR_RECIPES,
  ...COMPARISON_RECIPES,
]

/** Throws: "parameter-invalid" with the names that exist. */
export function findRecipe(name: string): Recipe {
  const recipe = RECIPES.find((candidate) => candidate.name === name)
  if (recipe) return recipe
  throw new Problem('parameter-invalid', `no such recipe; there are ${RECIPES.map((candidate) => candidate.name).join(', ')}`, { parameter: 'recipe' })
}
