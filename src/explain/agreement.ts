/** An answer's maps in, how far they agree out. */
import type { Agreement, ExplanationMap } from '../domain/explanation.ts'
import { rankCorrelation } from '../tensor/rank-correlation.ts'

/** Maps that should point at the same patches: where attention goes, what counted, what was needed. */
const COMPARED = ['attention', 'evidence', 'knockout'] as const
/** Below this the explanations are said to disagree. */
export const LOW_AGREEMENT = 0.2

/** Spearman's rank correlation of each pair of compared maps that the answer holds; null where it holds fewer than two. */
export function agreementOf(maps: readonly ExplanationMap[]): Agreement | null {
  const held = COMPARED.flatMap((name) => maps.filter((map) => map.name === name))
  const pairs = held.flatMap((first, i) =>
    held.slice(i + 1).map((second) => ({ maps: [first.name, second.name] as const, rankCorrelation: rankCorrelation(first.grid.data, second.grid.data) })),
  )
  if (pairs.length === 0) return null
  return { pairs, isLow: pairs.some(({ rankCorrelation: value }) => value !== null && value < LOW_AGREEMENT), threshold: LOW_AGREEMENT }
}
