/** Networks of the shape of published weights, at 224 pixels in color: what `--init` continues from. Data of another side or number of channels or classes changes the network to it. */
import { AUGMENTATION_LEVEL_1 } from '../data/augment.ts'
import { DCMM_RELEASED, type NetworkConfig } from '../network-config.ts'
import type { Recipe, TrainingSettings } from './recipe.ts'

/** timm's vit_tiny_patch16_224. */
const tiny: NetworkConfig = {
  network: 'vit',
  imageSize: 224,
  channels: 3,
  patchSize: 16,
  patchOverlap: 0,
  width: 192,
  depth: 12,
  heads: 3,
  mlpRatio: 4,
  classes: 2,
  layerNormEps: 1e-6,
  structuredLayers: [],
  dcmm: null,
  sbm: null,
}

/** Learning rate, decay and label smoothing of the authors' release (models 1.3); its batch of 128 does not fit into the memory of one WebAssembly instance. */
const training: TrainingSettings = {
  epochs: 100,
  batchSize: 16,
  learningRate: 5e-5,
  warmupShare: 0.04,
  weightDecay: 0.01,
  labelSmoothing: 0.1,
  gradientClip: 1,
  averageDecay: 0.99,
  dropPath: 0,
  initialMembershipDeviation: null,
  augmentation: AUGMENTATION_LEVEL_1,
  selection: 'lowest-validation-loss',
}

export const VIT_FINE_TUNE: Recipe = { name: 'vit-tiny-patch16-224.fine-tune', title: 'ViT tiny at 224 pixels, for published weights', dataSet: 'any', network: tiny, training }

/** The network of the authors' release: timm's small width with twelve heads, the structure in the last layer. */
export const DCMM_VIT_FINE_TUNE: Recipe = {
  name: 'dcmm-vit-small-patch16-224.fine-tune',
  title: "DCMM-ViT small at 224 pixels, as the authors' release",
  dataSet: 'any',
  network: { ...tiny, network: 'dcmm-vit', width: 384, heads: 12, structuredLayers: [11], dcmm: DCMM_RELEASED },
  training,
}
