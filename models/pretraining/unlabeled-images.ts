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
  readonly count: number
  /** [image, row, column], 0 is black. */
  readonly images: Uint8Array
  readonly sources: readonly UnlabeledSource[]
  /** Of the files' checksums, in order. */
  readonly sha256: string
}

/** A chest has its heart on one side. */
const NEVER_MIRRORED = new Set(['CR', 'DX'])

/**
 * The union of one split of each set, at `side` pixels, gray.
 *
 * Throws: "shape-mismatch" for color or for images that are not square.
 */
export function unlabeledImages(sets: readonly DataSet[], split: 'train' | 'validation', side: number): UnlabeledImages {
  for (const { channels, height, width } of sets) {
    if (channels !== 1 || height !== width)
      throw new Problem('shape-mismatch', 'pre-training takes square gray images', { expected: [1, side, side], actual: [channels, height, width] })
  }
  const count = sets.reduce((sum, { splits }) => sum + splits[split].count, 0)
  const images = new Uint8Array(count * side * side)
  let first = 0
  const sources = sets.map((set): UnlabeledSource => {
    const { facts, sha256, splits } = set
    const end = first + splits[split].count
    images.set(resized(set, splits[split], side), first * side * side)
    const source = {
      facts: { id: facts.id, title: facts.title, licence: facts.licence, attributions: facts.attributions },
      sha256,
      first,
      end,
      normalization: normalizationOf(set, splits.train),
      mirrors: !facts.modalities.some((modality) => NEVER_MIRRORED.has(modality)),
    }
    first = end
    return source
  })
  return {
    side,
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

function resized({ height, width }: DataSet, { count, images }: Split, side: number): Uint8Array {
  if (height === side) return images
  const size = height * width
  const out = new Uint8Array(count * side * side)
  for (let image = 0; image < count; image++) {
    const pixels = tensorOf(Float32Array.from(images.subarray(image * size, (image + 1) * size)), [height, width, 1])
    out.set(Uint8Array.from(resizeBilinearAntialias(pixels, { top: 0, left: 0, height, width }, { height: side, width: side }).data, Math.round), image * side * side)
  }
  return out
}
