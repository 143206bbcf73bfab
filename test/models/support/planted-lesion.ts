/** A made-up data set whose class is a bright disc on a noisy, shaded ground, and the masks of its discs: what a true map must find. */
import type { DataSet, Split, SplitName } from '../../../models/data/data-set.ts'
import { DCMM_VIT_PNEUMONIA } from '../../../models/recipes/pneumonia-28.ts'
import type { Recipe } from '../../../models/recipes/recipe.ts'
import type { Region } from '../../../src/explain/validation/localization.ts'
import { mixKey, uniformAt } from '../../../src/tensor/counter-random.ts'

export const PHANTOM_SIDE = 32
/** Pixels, from the middle: a patch of 4 pixels lies wholly in the smallest disc, wherever that is. */
const RADIUS = { least: 4, most: 6 }
const DISC_GRAY = 90

/** A DCMM-ViT small enough to be trained in a test: 8 x 8 patches, two layers, the structure in the last. */
export const PHANTOM_RECIPE: Recipe = {
  ...DCMM_VIT_PNEUMONIA,
  name: 'dcmm-vit-phantom-patch4-32.planted-lesion',
  title: 'DCMM-ViT on planted lesions',
  dataSet: 'planted-lesion',
  network: { ...DCMM_VIT_PNEUMONIA.network, imageSize: PHANTOM_SIDE, patchOverlap: 0, width: 32, depth: 2, heads: 2, mlpRatio: 2, structuredLayers: [1] },
  training: { ...DCMM_VIT_PNEUMONIA.training, epochs: 8, batchSize: 32, learningRate: 3e-3, averageDecay: 0.9, dropPath: 0, labelSmoothing: 0.1, augmentation: null },
}

const SPLIT_KEYS: Readonly<Record<SplitName, number>> = { train: 1, validation: 2, test: 3 }

/** Images of which every second one, the odd ones, has a disc. */
export function plantedLesions(counts: Readonly<Record<SplitName, number>>): DataSet {
  const splits = { train: splitOf(counts.train, SPLIT_KEYS.train), validation: splitOf(counts.validation, SPLIT_KEYS.validation), test: splitOf(counts.test, SPLIT_KEYS.test) }
  return {
    facts: { id: 'planted-lesion', title: 'planted lesions', classes: ['ground', 'disc'], modalities: [], licence: 'none', attributions: [], caveats: [] },
    sha256: '1'.repeat(64),
    height: PHANTOM_SIDE,
    width: PHANTOM_SIDE,
    channels: 1,
    splits,
  }
}

/** The disc of an image; an empty region for an image without one. */
export function discRegion(split: SplitName, index: number): Region {
  const disc = discOf(SPLIT_KEYS[split], index)
  const mask = Uint8Array.from({ length: PHANTOM_SIDE ** 2 }, (_, i) => (index % 2 === 1 && isIn(disc, i) ? 1 : 0))
  return { rows: PHANTOM_SIDE, columns: PHANTOM_SIDE, mask }
}

interface Disc {
  readonly y: number
  readonly x: number
  readonly radius: number
}

/** Wholly inside the image. */
function discOf(splitKey: number, image: number): Disc {
  const drawn = (at: number): number => uniformAt(mixKey(splitKey, image), 1_000_000 + at)
  const radius = RADIUS.least + drawn(0) * (RADIUS.most - RADIUS.least)
  const within = (at: number): number => radius + drawn(at) * (PHANTOM_SIDE - 2 * radius)
  return { y: within(1), x: within(2), radius }
}

function isIn({ y, x, radius }: Disc, pixel: number): boolean {
  return Math.hypot(Math.floor(pixel / PHANTOM_SIDE) + 0.5 - y, (pixel % PHANTOM_SIDE) + 0.5 - x) <= radius
}

function splitOf(count: number, key: number): Split {
  const labels = Uint8Array.from({ length: count }, (_, image) => image % 2)
  const images = new Uint8Array(count * PHANTOM_SIDE ** 2)
  const masks = new Uint8Array(count * PHANTOM_SIDE ** 2)
  for (let image = 0; image < count; image++) {
    const disc = discOf(key, image)
    const slope = 40 * uniformAt(mixKey(key, image), 2_000_000)
    for (let i = 0; i < PHANTOM_SIDE ** 2; i++) {
      const ground = 40 + (slope * (i % PHANTOM_SIDE)) / PHANTOM_SIDE + 60 * uniformAt(mixKey(key, image), i)
      const isMarked = labels[image] === 1 && isIn(disc, i)
      images[image * PHANTOM_SIDE ** 2 + i] = Math.round(ground + (isMarked ? DISC_GRAY : 0))
      masks[image * PHANTOM_SIDE ** 2 + i] = isMarked ? 1 : 0
    }
  }
  return { count, images, labels, masks }
}
