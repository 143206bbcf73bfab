/** Breast ultrasound at 128 pixels, one community trained towards the lesion masks of the training split: a model of its own, beside those that saw no mask. */
import { SMALL_128 } from './backbones.ts'
import type { Recipe } from './recipe.ts'
import { SMALL_128_FINE_TUNING } from './small-128.ts'
import { LIVE_MEMBERSHIP_DEVIATION, liveDcmm } from './structures.ts'

export const LESION_RECIPES: readonly Recipe[] = [
  {
    name: `dcmm-vit-small-patch${SMALL_128.patchSize}-${SMALL_128.imageSize}.breast-lesion`,
    title: 'DCMM-ViT, structure in the last layer, one community supervised with lesion masks, on breast ultrasound (BUSI) at 128 pixels',
    dataSet: 'busi128',
    network: { ...SMALL_128, ...liveDcmm([5]), classes: 2 },
    training: {
      ...SMALL_128_FINE_TUNING,
      epochs: 60,
      initialMembershipDeviation: LIVE_MEMBERSHIP_DEVIATION,
      maskSupervision: { name: 'lesion', community: 0, layers: [5], weight: 1 },
    },
  },
]
