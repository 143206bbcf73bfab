/** A network's input size in, batches to compare runtimes on out: random numbers always, images of the data set where its file is given. */
import { evaluationBatch } from '../models/data/batches.ts'
import type { DataSet } from '../models/data/data-set.ts'
import type { Normalization } from '../models/data/pixels.ts'
import type { NetworkConfig } from '../models/network-config.ts'
import { normalAt } from '../src/tensor/counter-random.ts'
import { tensorOf } from '../src/tensor/tensor.ts'
import type { ParityInput } from './parity.ts'

const RANDOM_KEY = 0x61747465

/** Standard normal pixels: wider than any normalized image, so that no stage is compared in a corner only. */
export function randomInput(config: NetworkConfig, images: number): ParityInput {
  const shape = [images, config.channels, config.imageSize, config.imageSize]
  const size = images * config.channels * config.imageSize ** 2
  return {
    name: 'random',
    pixels: tensorOf(
      Float32Array.from({ length: size }, (_, i) => normalAt(RANDOM_KEY, i)),
      shape,
    ),
  }
}

/** A soft disc on a slope, at other places in each image: smooth, as X-rays are, and made without any file. */
export function syntheticInput(config: NetworkConfig, images: number): ParityInput {
  const side = config.imageSize
  const perImage = config.channels * side ** 2
  const value = (i: number): number => {
    const image = Math.floor(i / perImage)
    const [row, column] = [Math.floor(i / side) % side, i % side]
    const distance = Math.hypot(row / side - 0.3 - 0.4 * (image / images), column / side - 0.5)
    return 2 * Math.exp(-((distance / 0.2) ** 2)) - 1 + row / side
  }
  return {
    name: 'synthetic',
    pixels: tensorOf(
      Float32Array.from({ length: images * perImage }, (_, i) => value(i)),
      [images, config.channels, side, side],
    ),
  }
}

/** The first images of the validation split, as the network sees them. */
export function realInput(data: DataSet, normalization: Normalization, images: number): ParityInput {
  const batch = evaluationBatch(data, 'validation', 0, images, normalization)
  return { name: `real (${data.facts.title})`, pixels: tensorOf(batch.pixels, [batch.count, data.channels, data.height, data.width]) }
}
