/** Labels of patches in, whether they hang together and whether two labellings say the same out. */
import { mixKey, uniformAt } from '../../tensor/counter-random.ts'

export interface Coherence {
  /** Part of the neighboring pairs (four neighbors) under one label. */
  readonly sameNeighbors: number
  /** How many standard deviations that lies above the mean of shuffles; null where all patches have one label. */
  readonly zScore: number | null
}

/** The coherence of a grid of labels against `shuffles` random orders of the same labels. */
export function spatialCoherence(labels: ArrayLike<number>, columns: number, shuffles: number, seed: number): Coherence {
  const sameNeighbors = sameNeighborShare(labels, columns)
  const shuffled = Float64Array.from({ length: shuffles }, (_, draw) => sameNeighborShare(shuffle(labels, mixKey(seed, draw)), columns))
  const mean = shuffled.reduce((sum, value) => sum + value, 0) / shuffles
  const deviation = Math.sqrt(shuffled.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (shuffles - 1))
  return { sameNeighbors, zScore: deviation > 0 ? (sameNeighbors - mean) / deviation : null }
}

function sameNeighborShare(labels: ArrayLike<number>, columns: number): number {
  let same = 0
  let pairs = 0
  for (let i = 0; i < labels.length; i++) {
    if ((i + 1) % columns !== 0) {
      pairs++
      if (labels[i] === labels[i + 1]) same++
    }
    if (i + columns < labels.length) {
      pairs++
      if (labels[i] === labels[i + columns]) same++
    }
  }
  return pairs === 0 ? 1 : same / pairs
}

/** A random order of the values, the same for the same key (Fisher and Yates). */
export function shuffle(values: ArrayLike<number>, key: number): number[] {
  const out = Array.from(values)
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(uniformAt(key, i) * (i + 1))
    const held = out[i] ?? 0
    out[i] = out[j] ?? 0
    out[j] = held
  }
  return out
}

/**
 * How far two labellings agree, whatever their labels are called: 1 the same parts, 0 what chance gives.
 *
 * Source: adjusted Rand index, Hubert and Arabie, J. Classification 2 (1985) 193-218, equation 5. Two labellings of one part each agree.
 */
export function adjustedRandIndex(first: ArrayLike<number>, second: ArrayLike<number>): number {
  const together = pairsIn(Array.from(first, (label, i) => `${label} ${second[i]}`))
  const inFirst = pairsIn(Array.from(first, String))
  const inSecond = pairsIn(Array.from(second, String))
  const all = (first.length * (first.length - 1)) / 2
  const expected = (inFirst * inSecond) / all
  const most = (inFirst + inSecond) / 2
  return most === expected ? 1 : (together - expected) / (most - expected)
}

/** Pairs of items under one name. */
function pairsIn(names: readonly string[]): number {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts.values()].reduce((sum, count) => sum + (count * (count - 1)) / 2, 0)
}
