/** The recipes of the table of the seeds: on each data set one backbone, one procedure and one budget for every structure, so that only the structure differs. */
import { AUGMENTATION_LEVEL_1, AUGMENTATION_LEVEL_2 } from '../data/augment.ts'
import type { NetworkConfig } from '../network-config.ts'
import { TINY_28 } from './backbones.ts'
import { COMMON_TRAINING } from './pneumonia-28.ts'
import type { Recipe, TrainingSettings } from './recipe.ts'
import { LIVE_MEMBERSHIP_DEVIATION, liveDcmm, NO_STRUCTURE, releasedDcmm, type Structure, sampledSbm } from './structures.ts'

/** A data set of the table with its shape and its budget. */
export interface ComparedSet {
  /** As in the recipes' names. */
  readonly name: string
  readonly title: string
  readonly dataSet: string
  readonly backbone: NetworkConfig
  readonly training: TrainingSettings
}

/** A column of the table. */
export interface ComparedStructure {
  /** Its mark in the recipes' names; empty where the network's name says it all. */
  readonly name: string
  readonly title: string
  readonly structure: Structure
}

const ALL_LAYERS = [0, 1, 2, 3, 4, 5]
const LAST_LAYER = [5]

/** 64 patches of 16 pixels, as many tokens as make fifteen trainings a set affordable. */
const COARSE_128: NetworkConfig = { ...TINY_28, imageSize: 128, patchSize: 16, patchOverlap: 8 }

const MIRRORED_2 = { ...AUGMENTATION_LEVEL_2, mirrorProbability: 0.5 }

export const COMPARED_SETS: readonly ComparedSet[] = [
  { name: 'pneumonia', title: 'PneumoniaMNIST', dataSet: 'pneumoniamnist', backbone: TINY_28, training: { ...COMMON_TRAINING, epochs: 15 } },
  { name: 'breast', title: 'BreastMNIST', dataSet: 'breastmnist', backbone: TINY_28, training: { ...COMMON_TRAINING, epochs: 100, batchSize: 32, augmentation: MIRRORED_2 } },
  {
    name: 'retina',
    title: 'RetinaMNIST',
    dataSet: 'retinamnist',
    backbone: { ...TINY_28, channels: 3, classes: 5 },
    training: { ...COMMON_TRAINING, epochs: 30, batchSize: 32, augmentation: { ...AUGMENTATION_LEVEL_1, mirrorProbability: 0.5 } },
  },
  { name: 'busi', title: 'BUSI', dataSet: 'busi128', backbone: COARSE_128, training: { ...COMMON_TRAINING, epochs: 80, batchSize: 32, augmentation: MIRRORED_2 } },
  {
    name: 'brain',
    title: 'brain tumors (Cheng)',
    dataSet: 'braintumor128',
    backbone: { ...COARSE_128, classes: 3 },
    training: { ...COMMON_TRAINING, epochs: 30, batchSize: 32, augmentation: { ...AUGMENTATION_LEVEL_1, mirrorProbability: 0.5 } },
  },
]

export const COMPARED_STRUCTURES: readonly ComparedStructure[] = [
  { name: '', title: 'ViT', structure: NO_STRUCTURE },
  { name: '', title: 'DCMM-ViT, last layer', structure: liveDcmm(LAST_LAYER) },
  { name: 'all-layers', title: 'DCMM-ViT, all layers', structure: liveDcmm(ALL_LAYERS) },
  { name: 'released', title: "DCMM-ViT, last layer, the authors' setting", structure: releasedDcmm(LAST_LAYER) },
  { name: '', title: 'SBM-ViT', structure: sampledSbm(ALL_LAYERS) },
]

/** `<network>-tiny-patch<P>-<pixels>.compare-<set>[-<structure>]`. */
export function comparisonRecipe(set: ComparedSet, { name, title, structure }: ComparedStructure): Recipe {
  const { backbone } = set
  const isLive = structure.dcmm !== null && name !== 'released'
  return {
    name: `${structure.network}-tiny-patch${backbone.patchSize}-${backbone.imageSize}.compare-${set.name}${name === '' ? '' : `-${name}`}`,
    title: `${title} on ${set.title} at ${backbone.imageSize} pixels, for the comparison`,
    dataSet: set.dataSet,
    network: { ...backbone, ...structure },
    training: isLive ? { ...set.training, initialMembershipDeviation: LIVE_MEMBERSHIP_DEVIATION } : set.training,
  }
}

export const COMPARISON_RECIPES: readonly Recipe[] = COMPARED_SETS.flatMap((set) => COMPARED_STRUCTURES.map((structure) => comparisonRecipe(set, structure)))
