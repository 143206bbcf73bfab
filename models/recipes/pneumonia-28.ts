/** PneumoniaMNIST at 28 pixels: the same backbone and procedure for the plain and the two structured networks. */
import { AUGMENTATION_LEVEL_2 } from '../data/augment.ts'
import { TINY_28 } from './backbones.ts'
import type { Recipe, TrainingSettings } from './recipe.ts'
import { LIVE_MEMBERSHIP_DEVIATION, liveDcmm, sampledSbm } from './structures.ts'

/** Source: training section 9, common settings; the validation AUC saturates there and picks epochs badly, so the loss selects. */
export const COMMON_TRAINING: TrainingSettings = {
  epochs: 30,
  batchSize: 64,
  learningRate: 1e-3,
  warmupShare: 0.05,
  weightDecay: 0.05,
  labelSmoothing: 0.1,
  gradientClip: 1,
  averageDecay: 0.99,
  dropPath: 0.1,
  initialMembershipDeviation: null,
  augmentation: AUGMENTATION_LEVEL_2,
  selection: 'lowest-validation-loss',
}

export const VIT_PNEUMONIA: Recipe = {
  name: 'vit-tiny-patch4-28.pneumonia',
  title: 'ViT on PneumoniaMNIST at 28 pixels',
  dataSet: 'pneumoniamnist',
  network: TINY_28,
  training: COMMON_TRAINING,
}

export const DCMM_VIT_PNEUMONIA: Recipe = {
  ...VIT_PNEUMONIA,
  name: 'dcmm-vit-tiny-patch4-28.pneumonia',
  title: 'DCMM-ViT on PneumoniaMNIST at 28 pixels, structure in the last layer',
  network: { ...TINY_28, ...liveDcmm([5]) },
  training: { ...COMMON_TRAINING, initialMembershipDeviation: LIVE_MEMBERSHIP_DEVIATION },
}

export const SBM_VIT_PNEUMONIA: Recipe = {
  ...VIT_PNEUMONIA,
  name: 'sbm-vit-tiny-patch4-28.pneumonia',
  title: 'SBM-ViT on PneumoniaMNIST at 28 pixels, structure in every layer',
  network: { ...TINY_28, ...sampledSbm([0, 1, 2, 3, 4, 5]) },
}
