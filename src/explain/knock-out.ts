/** The tail in, what the logit loses without each patch or each community out: exact, not first order. */
import type { ExplanationMap } from '../domain/explanation.ts'
import type { Manifest } from '../domain/manifest.ts'
import { buildMap } from './build-map.ts'
import type { ImageCommunities } from './image-communities.ts'
import { type MapContext, type MapMethod, studyOf } from './map-method.ts'
import { toPatchGrid } from './patch-grid.ts'
import { AS_TRAINED, logitsOf, type TailChange, type TailStudy } from './tail-study.ts'

export const DIRECT_EFFECT = 'direct effect in the last layer: what the patch gave to other tokens earlier stays'

export const knockOut: MapMethod = {
  name: 'knockout',
  title: 'Knock-out of patches',
  isDefault: false,
  readsTail: true,
  needs: () => [],
  build: knockOutMap,
}

async function knockOutMap(context: MapContext): Promise<ExplanationMap> {
  const { manifest, explainedClass } = context
  const study = studyOf(context)
  const patches = Array.from({ length: study.tokens - manifest.prefixTokens }, (_, patch) => [manifest.prefixTokens + patch])
  const drops = await logitDrops(study, patches, explainedClass.index)
  const row = new Float64Array(study.tokens)
  row.set(drops, manifest.prefixTokens)
  return buildMap({
    name: 'knockout',
    title: 'Knock-out of patches',
    kind: 'diverging',
    role: 'causal',
    explainedClass: explainedClass.name,
    layer: manifest.depth - 1,
    grid: toPatchGrid(row, manifest),
    unit: 'logit',
    method: 'class logit minus the same with the patch hidden from the class token in every head of the last layer, the other weights renormalized',
    source: 'exact recomputation of the class token in the last block',
    notes: [DIRECT_EFFECT, 'positive: the patch spoke for the class'],
  })
}

/** For every set of tokens: the class logit minus the same with the set hidden from the class token. */
export async function logitDrops(study: TailStudy, sets: readonly (readonly number[])[], classIndex: number): Promise<Float64Array> {
  const changes: readonly TailChange[] = [AS_TRAINED, ...sets.map((hidden) => ({ alpha: 1, hidden }))]
  const answer = await study.askLogits(changes)
  const base = logitsOf(answer, 0)[classIndex] ?? 0
  return Float64Array.from(sets, (_, row) => base - (logitsOf(answer, row + 1)[classIndex] ?? 0))
}

/** The tokens of each community, by its label. */
export function tokensOfCommunities(found: ImageCommunities, layout: Pick<Manifest, 'prefixTokens'>): readonly (readonly number[])[] {
  const tokens = found.facts.map((): number[] => [])
  found.labels.forEach((label, patch) => {
    tokens[label]?.push(layout.prefixTokens + patch)
  })
  return tokens
}
