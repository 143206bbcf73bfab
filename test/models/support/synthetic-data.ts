/** A small made-up data set that a network can learn: class 1 has a bright square, which its mask marks, in one quarter of a noisy image. */
import type { DataSet, Split } from '../../../models/data/data-set.ts'
import { mixKey, uniformAt } from '../../../src/tensor/counter-random.ts'

export interface SyntheticSize {
  readonly train: number
  readonly validation: number
  readonly test: number
  readonly side: number
}

export function syntheticData({ train, validation, test, side }: SyntheticSize): DataSet {
  return {
    facts: { id: 'synthetic', title: 'synthetic squares', classes: ['noise', 'square'], modalities: [], licence: 'none', attributions: [], caveats: [] },
    sha256: '0'.repeat(64),
    height: side,
    width: side,
    channels: 1,
    splits: { train: splitOf(train, side, 1), validation: splitOf(validation, side, 2), test: splitOf(test, side, 3) },
  }
}

function splitOf(count: number, side: number, key: number): Split {
  const labels = Uint8Array.from({ length: count }, (_, image) => image % 2)
  const images = new Uint8Array(count * side * side)
  const masks = new Uint8Array(count * side * side)
  for (let image = 0; image < count; image++) {
    const imageKey = mixKey(key, image)
    const top = uniformAt(imageKey, 1_000_000) < 0.5 ? 0 : side / 2
    for (let i = 0; i < side * side; i++) {
      const row = Math.floor(i / side)
      const inSquare = labels[image] === 1 && row >= top && row < top + side / 2 && i % side < side / 2
      images[image * side * side + i] = Math.round(60 * uniformAt(imageKey, i)) + (inSquare ? 120 : 40)
      masks[image * side * side + i] = inSquare ? 1 : 0
    }
  }
  return { count, images, labels, masks }
}
