/** The tail and the image's communities in, each community's fair part of the logit out. */
import type { ExplanationMap } from '../domain/explanation.ts'
import { Problem } from '../domain/problem.ts'
import { buildMap, toShort } from './build-map.ts'
import { DIRECT_EFFECT } from './knock-out.ts'
import type { MapContext, MapMethod } from './map-method.ts'
import { toPatchGrid } from './patch-grid.ts'
import { declared } from './read-outputs.ts'
import { logitsOf, type TailStudy } from './tail-study.ts'

export const shapley: MapMethod = {
  name: 'shapley',
  title: 'Shapley values of the communities',
  isDefault: false,
  readsTail: true,
  needs: (manifest) => declared(manifest, 'membership') ?? declared(manifest, 'queryLoading', 'keyLoading'),
  build: shapleyMap,
}

async function shapleyMap({ manifest, explainedClass, communities: asked }: MapContext): Promise<ExplanationMap> {
  const communities = await asked
  if (communities === null) throw new Problem('output-missing', 'Shapley values need communities', { output: 'membership' })
  const row = new Float64Array(manifest.prefixTokens + communities.labels.length)
  communities.labels.forEach((label, patch) => {
    row[manifest.prefixTokens + patch] = communities.facts[label]?.shapley ?? 0
  })
  const total = communities.facts.reduce((sum, { shapley: value }) => sum + (value ?? 0), 0)
  return buildMap({
    name: 'shapley',
    title: 'Shapley values of the communities',
    kind: 'diverging',
    role: 'causal',
    explainedClass: explainedClass.name,
    layer: manifest.depth - 1,
    grid: toPatchGrid(row, manifest),
    interpolation: 'nearest',
    communities: communities.facts,
    unit: 'logit (of the whole community)',
    method: `exact Shapley values of ${communities.count} communities over all ${2 ** communities.count} sets that the class token may see in the last layer; the class token itself is always seen`,
    formula: 'shapley/2',
    source: 'Shapley 1953; players are the image-level communities',
    numbers: { sum: total },
    notes: [`the values sum to ${toShort(total)} of the logit: all communities minus none`, DIRECT_EFFECT],
  })
}

/**
 * Exact Shapley values of sets of tokens, the class's logit being the game's value.
 *
 * players  [player][token], no token twice, at most 8; tokens that no player holds are always seen
 * returns  [player]; their sum is the logit with all players minus that with none
 */
export async function shapleyValues(study: TailStudy, players: readonly (readonly number[])[], classIndex: number): Promise<Float64Array> {
  const count = players.length
  const sets = Array.from({ length: 2 ** count }, (_, present) => [0, ...players.map((_, player) => player + 1).filter((group) => (present >> (group - 1)) & 1)])
  const answer = await study.askSets(groupsOf(players, study.tokens), sets)
  const logitWith = (present: number): number => logitsOf(answer, present)[classIndex] ?? 0
  const weights = shapleyWeights(count)
  return Float64Array.from({ length: count }, (_, player) => {
    let value = 0
    for (let present = 0; present < sets.length; present++) {
      if ((present >> player) & 1) continue
      value += (weights[bitsOf(present)] ?? 0) * (logitWith(present | (1 << player)) - logitWith(present))
    }
    return value
  })
}

/** [token]: 0 for what is always seen, 1 and on for the players' tokens. */
function groupsOf(players: readonly (readonly number[])[], tokens: number): Int32Array {
  const groups = new Int32Array(tokens)
  players.forEach((held, player) => {
    for (const token of held) groups[token] = player + 1
  })
  return groups
}

/** |S|! (n - |S| - 1)! / n! for every size of S. */
function shapleyWeights(count: number): readonly number[] {
  const factorial = (n: number): number => (n <= 1 ? 1 : n * factorial(n - 1))
  return Array.from({ length: count }, (_, size) => (factorial(size) * factorial(count - size - 1)) / factorial(count))
}

function bitsOf(set: number): number {
  let bits = 0
  for (let rest = set; rest > 0; rest >>= 1) bits += rest & 1
  return bits
}
