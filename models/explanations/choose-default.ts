/** What was measured on the validation split in, the map that it prefers out. */
import { Problem } from '../../src/domain/problem.ts'
import { gapOf, type PlaceSummary, type Summary } from './summarize.ts'

export interface DefaultMap {
  readonly map: string
  readonly by: 'pointing, then relevance mass' | 'insertion minus deletion'
  readonly value: number
  /** What needs no map: the best place of the training split's regions, or random orders. */
  readonly baseline: { readonly name: 'prior of the training split' | 'random order'; readonly value: number }
  readonly beatsBaseline: boolean
}

/**
 * The preferred map: where readers marked regions the one that points into most of them, of equal ones the one with more mass in them; else the
 * one whose order takes the class away soonest and brings it back soonest, the mean of both baselines. A map that hardly changes when the network's
 * weights are drawn anew tells of the image and not of the network: it is preferred only where every map is so.
 *
 * hasForgotten  by map, of the test with random weights; null where that was not made
 *
 * Throws: "parameter-invalid" where neither was measured.
 */
export function chooseDefault({ maps: all, random }: Summary, prior: PlaceSummary | null, hasForgotten: Readonly<Record<string, boolean>> | null): DefaultMap {
  const sound = Object.entries(all).filter(([name]) => hasForgotten?.[name] !== false)
  const maps = sound.length === 0 ? all : Object.fromEntries(sound)
  const placed = Object.entries(maps).flatMap(([map, { localization }]) => (localization === null ? [] : [{ map, localization }]))
  const [found] = placed.sort((a, b) => b.localization.pointing - a.localization.pointing || b.localization.massAccuracy - a.localization.massAccuracy)
  if (found !== undefined && prior !== null) {
    const { pointing: value } = found.localization
    return judged(found.map, 'pointing, then relevance mass', value, { name: 'prior of the training split', value: prior.pointing })
  }
  const [surest] = Object.entries(maps)
    .flatMap(([map, { faithfulness }]) => (faithfulness === null ? [] : [{ map, gap: gapOf(faithfulness) }]))
    .sort((a, b) => b.gap - a.gap)
  if (surest === undefined || random === null) throw new Problem('parameter-invalid', 'no map was measured: ask for curves', { parameter: 'curves' })
  return judged(surest.map, 'insertion minus deletion', surest.gap, { name: 'random order', value: gapOf(random) })
}

function judged(map: string, by: DefaultMap['by'], value: number, baseline: DefaultMap['baseline']): DefaultMap {
  return { map, by, value, baseline, beatsBaseline: value > baseline.value }
}
