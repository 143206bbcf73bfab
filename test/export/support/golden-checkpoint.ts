/** A golden network as a checkpoint with a training record, and a data set in the form of MedMNIST that fits it. */
import { type Checkpoint, writeCheckpoint } from '../../../models/checkpoint.ts'
import type { DataSet, Split, SplitName } from '../../../models/data/data-set.ts'
import { DCMM_VIT_PNEUMONIA } from '../../../models/recipes/pneumonia-28.ts'
import type { TrainingRecord } from '../../../models/training/training-record.ts'
import { randomBits } from '../../../src/tensor/counter-random.ts'
import { type GoldenName, loadGolden } from '../../models/support/golden.ts'

const facts: DataSet['facts'] = {
  id: 'synthetic',
  title: 'Synthetic squares',
  classes: ['dark', 'medium', 'bright'],
  modalities: ['OT'],
  licence: 'Apache-2.0',
  attributions: ['made in code'],
  caveats: ['Made in code.'],
}

/** Noise around three gray levels, one a class. */
export function syntheticData(): DataSet {
  const split = (count: number, key: number): Split => {
    const labels = Uint8Array.from({ length: count }, (_, i) => i % 3)
    const images = Uint8Array.from({ length: count * 256 }, (_, i) => 60 * (1 + labels[Math.floor(i / 256)]!) + (randomBits(key, i) % 40))
    return { count, images, labels }
  }
  const splits: Record<SplitName, Split> = { train: split(6, 1), validation: split(9, 2), test: split(12, 3) }
  return { facts, sha256: '0'.repeat(64), height: 16, width: 16, channels: 1, splits }
}

export function goldenCheckpoint(name: GoldenName): Checkpoint {
  const { config, weights } = loadGolden(name)
  const record: TrainingRecord = {
    recipe: `${config.network}-golden-patch4-16.synthetic`,
    title: 'A golden network',
    seed: 0,
    settings: DCMM_VIT_PNEUMONIA.training,
    backend: 'PyTorch',
    data: { ...facts, sha256: '0'.repeat(64), images: { train: 6, validation: 9, test: 12 } },
    normalization: { mean: [0.5], deviation: [0.25] },
    selectedEpoch: 1,
    curves: [],
  }
  return { config, weights, metadata: { training: JSON.stringify(record) } }
}

export function goldenCheckpointFile(name: GoldenName): Uint8Array {
  return writeCheckpoint(goldenCheckpoint(name))
}
