/** Bytes of images in, the network's pixels out: the same formula as serving, (byte / 255 - mean) / deviation. */
import type { DataSet, Split } from './data-set.ts'

/** Per channel, of pixels in [0, 1]. */
export interface Normalization {
  readonly mean: readonly number[]
  readonly deviation: readonly number[]
}

/** Mean and standard deviation of each channel over a split, in float64. */
export function normalizationOf({ channels }: Pick<DataSet, 'channels'>, split: Split): Normalization {
  const perChannel = Array.from({ length: channels }, (_, channel) => {
    let sum = 0
    let squares = 0
    for (let i = channel; i < split.images.length; i += channels) {
      const value = (split.images[i] ?? 0) / 255
      sum += value
      squares += value * value
    }
    const count = split.images.length / channels
    const mean = sum / count
    return { mean, deviation: Math.sqrt(Math.max(squares / count - mean * mean, 1e-12)) }
  })
  return { mean: perChannel.map(({ mean }) => mean), deviation: perChannel.map(({ deviation }) => deviation) }
}

/** Image `index` of a split in [0, 1]: [channel, height, width]. */
export function unitImage({ height, width, channels }: Pick<DataSet, 'height' | 'width' | 'channels'>, split: Pick<Split, 'images'>, index: number): Float32Array {
  const size = height * width
  const start = index * size * channels
  const image = new Float32Array(channels * size)
  for (let channel = 0; channel < channels; channel++) {
    for (let i = 0; i < size; i++) image[channel * size + i] = (split.images[start + i * channels + channel] ?? 0) / 255
  }
  return image
}

/** (image - mean) / deviation into `to` from `offset` on; image [channel, height, width]. */
export function normalizeInto(to: Float32Array, offset: number, image: Float32Array, { mean, deviation }: Normalization): void {
  const size = image.length / mean.length
  mean.forEach((channelMean, channel) => {
    const channelDeviation = deviation[channel] ?? 1
    for (let i = channel * size; i < (channel + 1) * size; i++) to[offset + i] = ((image[i] ?? 0) - channelMean) / channelDeviation
  })
}
