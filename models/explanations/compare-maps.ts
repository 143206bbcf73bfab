/** Maps of one image from two networks in, how alike they are out. */
import type { Explanation, ExplanationMap } from '../../src/domain/explanation.ts'
import { FLAT_BELOW } from '../../src/explain/build-map.ts'
import { adjustedRandIndex } from '../../src/explain/validation/coherence.ts'
import { structuralSimilarity } from '../../src/explain/validation/structural-similarity.ts'
import { rankCorrelation } from '../../src/tensor/rank-correlation.ts'
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'

/** Maps whose values are names: only which patches share one can be compared. */
const LABELS = ['communities', 'query-loading', 'key-loading']

export interface Likeness {
  readonly map: string
  /** Spearman's correlation of the magnitudes, or of labels the adjusted Rand index; a map without contrast has no order and counts as 0. */
  readonly rank: number
  /** Structural similarity of the magnitudes, each over its largest; null for labels. */
  readonly ssim: number | null
}

/** One entry for every map that both have and that is not flat in the first: such a map has nothing that could be kept or lost. */
export function compareMaps(first: Explanation, second: Explanation): readonly Likeness[] {
  return first.maps.flatMap((map) => {
    const other = second.maps.find(({ name }) => name === map.name)
    return other === undefined || (!LABELS.includes(map.name) && isFlat(map.grid)) ? [] : [likeness(map, other)]
  })
}

function isFlat({ data }: Tensor): boolean {
  return data.every((value) => Math.abs(value - (data[0] ?? 0)) < FLAT_BELOW)
}

function likeness(first: ExplanationMap, second: ExplanationMap): Likeness {
  if (LABELS.includes(first.name)) return { map: first.name, rank: adjustedRandIndex(first.grid.data, second.grid.data), ssim: null }
  const [x, y] = [magnitude(first.grid), magnitude(second.grid)]
  return { map: first.name, rank: rankCorrelation(x.data, y.data) ?? 0, ssim: structuralSimilarity(x, y, 1) }
}

/** |value| over the largest |value|; all 0 where there is none. */
function magnitude({ shape, data }: Tensor): Tensor {
  const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  return tensorOf(
    data.map((value) => (largest > 0 ? Math.abs(value) / largest : 0)),
    shape,
  )
}

export interface MeanLikeness {
  readonly rank: number
  readonly ssim: number | null
}

/** The mean of each map over the pairs that were compared. */
export function meanLikeness(pairs: readonly (readonly Likeness[])[]): Readonly<Record<string, MeanLikeness>> {
  const byMap = new Map<string, Likeness[]>()
  for (const entry of pairs.flat()) byMap.set(entry.map, [...(byMap.get(entry.map) ?? []), entry])
  return Object.fromEntries(
    [...byMap].map(([map, list]) => [map, { rank: mean(list.map(({ rank }) => rank)), ssim: list[0]?.ssim === null ? null : mean(list.map(({ ssim }) => ssim ?? 0)) }]),
  )
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
