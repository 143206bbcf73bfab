/** A map and the region that a reader marked in, how well the one finds the other out. Masks and maps share the image's own pixel grid. */
import { Problem } from '../../domain/problem.ts'
import { FLAT_BELOW } from '../build-map.ts'

/** One image's region: 0 outside, anything else inside; row-major. */
export interface Region {
  readonly rows: number
  readonly columns: number
  readonly mask: Uint8Array
}

export interface Localization {
  /** Whether the middle of the strongest patch lies in the region; a tie or a flat map is a miss. */
  readonly isHit: boolean
  /** Part of the map's positive mass that lies in the region. */
  readonly massAccuracy: number
  /** Part of the region's size of strongest pixels that lies in the region. */
  readonly rankAccuracy: number
  /** Area under precision over recall of the pixels, by their value. */
  readonly averagePrecision: number
  /** Part of the pixels that the region covers: what chance gives for each of the above. */
  readonly regionShare: number
}

/**
 * The four measures of one image; null for an empty region, which is no hit and no miss.
 *
 * values   [rows x columns], the map on the image's pixels; what is negative counts as 0
 * patches  the same map before it was drawn larger, for the pointing game: the middles of equal patches are told apart there
 */
export function localize(values: ArrayLike<number>, region: Region, patches: PatchMap): Localization | null {
  if (values.length !== region.mask.length) throw new Problem('shape-mismatch', 'map and region differ in size', { expected: [region.mask.length], actual: [values.length] })
  const inside = region.mask.reduce((count, value) => count + (value === 0 ? 0 : 1), 0)
  if (inside === 0) return null
  const positive = Float64Array.from(values, (value) => Math.max(0, value))
  return {
    isHit: pointsInto(region, patches),
    massAccuracy: massAccuracy(positive, region.mask, inside),
    rankAccuracy: rankAccuracy(positive, region.mask, inside),
    averagePrecision: averagePrecision(positive, region.mask, inside),
    regionShare: inside / region.mask.length,
  }
}

/** Values on the patch grid, and where on the image a patch's middle lies. */
export interface PatchMap {
  readonly values: ArrayLike<number>
  readonly middleOf: (patch: number) => { readonly y: number; readonly x: number }
}

/** Zhang et al., arXiv:1608.00507, section 4.3, without its tolerance of 15 pixels. */
function pointsInto({ rows, columns, mask }: Region, { values, middleOf }: PatchMap): boolean {
  const list = Array.from(values)
  const largest = Math.max(...list)
  if (largest - Math.min(...list) < FLAT_BELOW || list.filter((value) => value === largest).length > 1) return false
  const { y, x } = middleOf(list.indexOf(largest))
  const row = Math.floor(y)
  const column = Math.floor(x)
  if (row < 0 || column < 0 || row >= rows || column >= columns) return false
  return mask[row * columns + column] !== 0
}

/** Arras, Osman and Samek, arXiv:2003.07258, section 3.2. A map without mass spreads it evenly. */
function massAccuracy(values: Float64Array, mask: Uint8Array, inside: number): number {
  let hit = 0
  let total = 0
  values.forEach((value, i) => {
    total += value
    if (mask[i] !== 0) hit += value
  })
  return total > 0 ? hit / total : inside / values.length
}

/** The same, section 3.2. Of equal values at the border each takes its part, so that a flat map gets chance. */
function rankAccuracy(values: Float64Array, mask: Uint8Array, inside: number): number {
  const threshold = Float64Array.from(values).sort()[values.length - inside] ?? 0
  let above = 0
  let hitAbove = 0
  let equal = 0
  let hitEqual = 0
  values.forEach((value, i) => {
    const isInside = mask[i] === 0 ? 0 : 1
    if (value > threshold) {
      above++
      hitAbove += isInside
    } else if (value === threshold) {
      equal++
      hitEqual += isInside
    }
  })
  return (hitAbove + ((inside - above) * hitEqual) / equal) / inside
}

/** Mean precision at every step of recall, equal values taken as one step. */
function averagePrecision(values: Float64Array, mask: Uint8Array, inside: number): number {
  const order = Array.from(values, (_, i) => i).sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0))
  let area = 0
  let hits = 0
  for (let start = 0; start < order.length; ) {
    let end = start
    let gained = 0
    while (end < order.length && values[order[end] ?? 0] === values[order[start] ?? 0]) {
      if (mask[order[end] ?? 0] !== 0) gained++
      end++
    }
    hits += gained
    area += (gained / inside) * (hits / end)
    start = end
  }
  return area
}

/** Intersection over union of the pixels at or above a threshold with the region; 0 where both are empty. */
export function intersectionOverUnion(values: ArrayLike<number>, mask: Uint8Array, threshold: number): number {
  let both = 0
  let either = 0
  for (let i = 0; i < mask.length; i++) {
    const isMarked = (values[i] ?? 0) >= threshold
    const isInside = mask[i] !== 0
    if (isMarked && isInside) both++
    if (isMarked || isInside) either++
  }
  return either === 0 ? 0 : both / either
}
