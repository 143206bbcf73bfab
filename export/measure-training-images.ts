/** A graph's session and its data set in, what the training images look like out: the statistics of the input check, with limits from the validation split. */
import { evaluationBatch } from '../models/data/batches.ts'
import type { DataSet, SplitName } from '../models/data/data-set.ts'
import type { Normalization } from '../models/data/pixels.ts'
import type { NetworkConfig } from '../models/network-config.ts'
import { GRAY_BINS, type InputStatistics } from '../src/domain/manifest.ts'
import type { Session } from '../src/infer/runtime.ts'
import { grayHistogram, wassersteinDistance } from '../src/tensor/gray-histogram.ts'
import { ledoitWolf, nearestMean, quantileOf, whiteningOf } from '../src/tensor/mahalanobis.ts'
import { tensorOf } from '../src/tensor/tensor.ts'
import { feedsOf } from './stages.ts'

const BATCH = 32
/** One in a hundred images like those of the training is called unusual. */
export const QUANTILE = 0.99
/**
 * Out of scope lies above the distance that 99.9 % of the validation images keep: of fewer than 1000 images, above all of them.
 * Twice as far was measured too and found next to nothing (docs/explanations.md).
 */
export const FAR_QUANTILE = 0.999

interface SplitImages {
  readonly count: number
  readonly labels: Uint8Array
  /** [image], each [bin] */
  readonly histograms: readonly Float64Array[]
  /** [image, width], the normed class token. */
  readonly embeddings: Float32Array
}

/** The statistics of the training split; none of the embedding where a class has no training image, and so no mean. */
export async function measureTrainingImages(config: NetworkConfig, session: Session, data: DataSet, normalization: Normalization): Promise<InputStatistics> {
  const train = await measureSplit(config, session, data, 'train', normalization)
  const validation = await measureSplit(config, session, data, 'validation', normalization)
  const bins = Array.from({ length: GRAY_BINS }, (_, bin) => train.histograms.reduce((sum, histogram) => sum + (histogram[bin] ?? 0), 0) / train.count)
  return {
    images: { train: train.count, validation: validation.count },
    quantile: QUANTILE,
    histogram: { bins, ...limitsOf(validation.histograms.map((histogram) => wassersteinDistance(histogram, bins))) },
    embedding: hasEveryClass(train, config.classes) ? embeddingStatistics(config, train, validation) : null,
  }
}

function hasEveryClass({ labels }: SplitImages, classes: number): boolean {
  return new Set(labels).size === classes
}

function embeddingStatistics({ width, classes }: NetworkConfig, train: SplitImages, validation: SplitImages): InputStatistics['embedding'] {
  const means = Float32Array.from(Array.from({ length: classes }, (_, label) => meanOf(width, train, label)).flat())
  const { covariance, shrinkage } = ledoitWolf(centered(width, train, means), width)
  // Distances are measured with the float32 values that the bundle holds.
  const whitening = Float32Array.from(whiteningOf(covariance, width))
  const distances = Array.from({ length: validation.count }, (_, i) => nearestMean(validation.embeddings.subarray(i * width, (i + 1) * width), means, whitening).distance)
  return { width, shrinkage, means: toBase64(means), whitening: toBase64(whitening), ...limitsOf(distances) }
}

function meanOf(width: number, { embeddings, labels }: SplitImages, label: number): number[] {
  const sum = new Array<number>(width).fill(0)
  let count = 0
  labels.forEach((own, image) => {
    if (own !== label) return
    count++
    for (let i = 0; i < width; i++) sum[i] = (sum[i] ?? 0) + (embeddings[image * width + i] ?? 0)
  })
  return sum.map((value) => value / count)
}

/** [image, width], each embedding minus its class' mean. */
function centered(width: number, { embeddings, labels }: SplitImages, means: Float32Array): Float64Array {
  return Float64Array.from(embeddings, (value, i) => value - (means[(labels[Math.floor(i / width)] ?? 0) * width + (i % width)] ?? 0))
}

function limitsOf(distances: readonly number[]): { unusualAbove: number; outOfScopeAbove: number } {
  return { unusualAbove: quantileOf(distances, QUANTILE), outOfScopeAbove: quantileOf(distances, FAR_QUANTILE) }
}

async function measureSplit(config: NetworkConfig, session: Session, data: DataSet, split: SplitName, normalization: Normalization): Promise<SplitImages> {
  const { count, labels } = data.splits[split]
  const embeddings = new Float32Array(count * config.width)
  const histograms: Float64Array[] = []
  for (let start = 0; start < count; start += BATCH) {
    const batch = evaluationBatch(data, split, start, Math.min(start + BATCH, count), normalization)
    const pixels = tensorOf(batch.pixels, [batch.count, data.channels, data.height, data.width])
    const results = await session.run(feedsOf(config, pixels, { structure: 'as-trained', seeds: null }), ['embedding'])
    embeddings.set(results.get('embedding')?.data ?? [], start * config.width)
    const size = batch.pixels.length / batch.count
    for (let i = 0; i < batch.count; i++) histograms.push(grayHistogram(batch.pixels.subarray(i * size, (i + 1) * size), normalization.mean, normalization.deviation, GRAY_BINS))
  }
  return { count, labels, histograms, embeddings }
}

function toBase64(values: Float32Array): string {
  const bytes = Buffer.alloc(4 * values.length)
  values.forEach((value, i) => {
    bytes.writeFloatLE(value, 4 * i)
  })
  return bytes.toString('base64')
}
