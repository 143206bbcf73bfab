/** Breast ultrasound and chest X-rays at 28 pixels, meant to start from the masked-patch pre-training at that size (`--init`). */
import { AUGMENTATION_LEVEL_2 } from '../data/augment.ts'
import { TINY_28 } from './backbones.ts'
import { COMMON_TRAINING } from './pneumonia-28.ts'
import type { Recipe, TrainingSettings } from './recipe.ts'
import { LIVE_MEMBERSHIP_DEVIATION, PLACED_STRUCTURES } from './structures.ts'

/** Half of the usual learning rate, since it goes on from trained weights. */
const FINE_TUNING: TrainingSettings = { ...COMMON_TRAINING, learningRate: 5e-4 }

const SETS = [
  {
    name: 'breast-pretrained',
    title: 'BreastMNIST',
    dataSet: 'breastmnist',
    training: { ...FINE_TUNING, epochs: 100, batchSize: 32, augmentation: { ...AUGMENTATION_LEVEL_2, mirrorProbability: 0.5 } },
  },
  { name: 'pneumonia-pretrained', title: 'PneumoniaMNIST', dataSet: 'pneumoniamnist', training: FINE_TUNING },
] as const

/** `<network>-tiny-patch4-28.<set>-pretrained` */
export const TINY_28_RECIPES: readonly Recipe[] = SETS.flatMap(({ name, title, dataSet, training }) =>
  PLACED_STRUCTURES.map(
    ({ title: network, structure }): Recipe => ({
      name: `${structure.network}-tiny-patch${TINY_28.patchSize}-${TINY_28.imageSize}.${name}`,
      title: `${network}, on ${title} at ${TINY_28.imageSize} pixels, from masked patches`,
      dataSet,
      network: { ...TINY_28, ...structure },
      training: { ...training, initialMembershipDeviation: structure.dcmm === null ? null : LIVE_MEMBERSHIP_DEVIATION },
    }),
  ),
)
