/** Data sets in, the images of their training splits out as one unlabeled set of one size; their labels are never looked at. */
import { createHash } from 'node:crypto'
import { Problem } from '../../src/domain/problem.ts'
import { resizeBilinearAntialias } from '../../src/tensor/resize.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'
import type { DataSet, DataSetFacts, Split } from '../data/data-set.ts'
import { type Normalization, normalizationOf } from '../data/pixels.ts'

/** Images of one data set: `first` to `end` of the union. */
export interface UnlabeledSource {
  readonly facts: Pick<DataSetFacts, 'id' | 'title' | 'licence' | 'attributions'>
  readonly sha256: string
  readonly first: number
  readonly end: number
  readonly normalization: Normalization
  /** Whether left and right may be exchanged. */
  readonly mirrors: boolean
}

export interface UnlabeledImages {
  readonly side: number
  readonly channels: 1 | 3
  readonly count: number
  /** [image, row, column, channel], 0 is black. */
  readonly images: Uint8Array
  readonly sources: readonly UnlabeledSource[]
  /** Of the files' checksums, in order. */
  readonly sha256: string
}

/** A chest has its heart on one side. */
const NEVER_MIRRORED = new Set(['CR', 'DX'])

/**
 * The union of one split of each set, at `side` pixels; in color a gray image is three times itself.
 *
 * Throws: "shape-mismatch" for color where the union is gray, or for images that are not square.
 */
export function unlabeledImages(sets: readonly DataSet[], split: 'train' | 'validation', { side, channels }: Pick<UnlabeledImages, 'side' | 'channels'>): UnlabeledImages {
  for (const { channels: own, height, width } of sets) {
    if (own > channels || height !== width) {
      const detail = channels === 1 ? 'this pre-training takes square gray images' : 'pre-training takes square images'
      throw new Problem('shape-mismatch', detail, { expected: [channels, side, side], actual: [own, height, width] })
    }
  }
  const count = sets.reduce((sum, { splits }) => sum + splits[split].count, 0)
  const images = new Uint8Array(count * side * side * channels)
  let first = 0
  const sources = sets.map((set): UnlabeledSource => {
    const { facts, sha256, splits } = set
    const end = first + splits[split].count
    images.set(inChannels(resized(set, splits[split], side), set.channels, channels), first * side * side * channels)
    const source = {
      facts: { id: facts.id, title: facts.title, licence: facts.licence, attributions: facts.attributions },
      sha256,
      first,
      end,
      normalization: normalizationIn(set, channels),
      mirrors: !facts.modalities.some((modality) => NEVER_MIRRORED.has(modality)),
    }
    first = end
    return source
  })
  return {
    side,
    channels,
    count,
    images,
    sources,
    sha256: createHash('sha256')
      .update(sets.map(({ sha256 }) => sha256).join())
      .digest('hex'),
  }
}

/** The source that an image is of. */
export function sourceOf({ sources }: Pick<UnlabeledImages, 'sources'>, image: number): UnlabeledSource {
  const source = sources.find(({ first, end }) => image >= first && image < end)
  if (source === undefined) throw new RangeError(`no image ${image}`)
  return source
}

/** A gray set's numbers once for each channel. */
function normalizationIn(set: DataSet, channels: number): Normalization {
  const own = normalizationOf(set, set.splits.train)
  if (set.channels === channels) return own
  const repeated = (values: readonly number[]): number[] => Array.from({ length: channels }, () => values[0] ?? 0)
  return { mean: repeated(own.mean), deviation: repeated(own.deviation) }
}

function inChannels(images: Uint8Array, own: number, channels: number): Uint8Array {
  return own === channels ? images : Uint8Array.from({ length: images.length * channels }, (_, i) => images[Math.floor(i / channels)] ?? 0)
}

function resized({ height, width, channels }: DataSet, { count, images }: Split, side: number): Uint8Array {
  if (height === side) return images
  const size = height * width * channels
  const sizeAfter = side * side * channels
  const out = new Uint8Array(count * sizeAfter)
  for (let image = 0; image < count; image++) {
    const pixels = tensorOf(Float32Array.from(images.subarray(image * size, (image + 1) * size)), [height, width, channels])
    out.set(Uint8Array.from(resizeBilinearAntialias(pixels, { top: 0, left: 0, height, width }, { height: side, width: side }).data, Math.round), image * sizeAfter)
  }
  return out
}
