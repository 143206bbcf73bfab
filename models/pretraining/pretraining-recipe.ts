/** What a pre-training is, whole: the backbone, the decoder that is thrown away, and every number of the procedure. */
import { AUGMENTATION_LEVEL_2, type Augmentation } from '../data/augment.ts'
import type { NetworkConfig } from '../network-config.ts'
import { SMALL_128, TINY_28 } from '../recipes/backbones.ts'

export interface PretrainingRecipe {
  readonly name: string
  readonly title: string
  /** Plain: a structured network of the same shape starts from it too. */
  readonly network: NetworkConfig
  readonly decoder: { readonly width: number; readonly depth: number; readonly heads: number }
  /** Share of the patches that the encoder does not see. */
  readonly hiddenShare: number
  readonly epochs: number
  readonly batchSize: number
  readonly learningRate: number
  readonly warmupShare: number
  readonly weightDecay: number
  readonly gradientClip: number
  /** Of the exponential average of the weights, a step. */
  readonly averageDecay: number
  /** Mirrored only where the data's anatomy has a mirror image. */
  readonly augmentation: Augmentation
}

/** Source: He et al., arXiv:2111.06377, sections 3 and 4 (75 % hidden, targets normalized patch by patch, a narrow decoder); the rest as in our trainings. */
export const MASKED_PATCHES_128: PretrainingRecipe = {
  name: 'vit-small-patch8-128.masked-patches',
  title: 'ViT at 128 pixels, pre-trained on masked patches',
  network: SMALL_128,
  decoder: { width: 64, depth: 2, heads: 4 },
  hiddenShare: 0.75,
  epochs: 60,
  batchSize: 64,
  learningRate: 1e-3,
  warmupShare: 0.05,
  weightDecay: 0.05,
  gradientClip: 1,
  averageDecay: 0.99,
  augmentation: { ...AUGMENTATION_LEVEL_2, erasedSquareProbability: 0 },
}

/** The same at 28 pixels, where an epoch is short. */
export const MASKED_PATCHES_28: PretrainingRecipe = {
  ...MASKED_PATCHES_128,
  name: 'vit-tiny-patch4-28.masked-patches',
  title: 'ViT at 28 pixels, pre-trained on masked patches',
  network: TINY_28,
  decoder: { width: 48, depth: 2, heads: 4 },
  epochs: 100,
}

/** The same in color: what is gray goes along, three times itself. */
export const MASKED_PATCHES_28_COLOR: PretrainingRecipe = {
  ...MASKED_PATCHES_28,
  name: 'vit-tiny-patch4-28.masked-patches-color',
  title: 'ViT at 28 pixels in color, pre-trained on masked patches',
  network: { ...TINY_28, channels: 3 },
}

export const PRETRAINING_RECIPES: readonly PretrainingRecipe[] = [MASKED_PATCHES_128, MASKED_PATCHES_28, MASKED_PATCHES_28_COLOR]
