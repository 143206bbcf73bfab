/** Memberships in, how mixed each patch is out. */
import type { ExplanationMap } from '../domain/explanation.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { at } from '../tensor/tensor.ts'
import { buildMap } from './build-map.ts'
import { membershipsIn } from './communities.ts'
import type { MapContext, MapMethod } from './map-method.ts'
import { meanOfRows, toHeadGrids, toPatchGrid } from './patch-grid.ts'
import { declared } from './read-outputs.ts'
import { lastStructuredLayer, reachNote } from './structure-layers.ts'

export const membershipEntropy: MapMethod = {
  name: 'entropy',
  title: 'Entropy of the memberships',
  isDefault: false,
  readsTail: false,
  needs: (manifest) => declared(manifest, 'membership') ?? declared(manifest, 'queryLoading', 'keyLoading'),
  build: entropyMap,
}

function entropyMap({ manifest, outputs }: MapContext): ExplanationMap {
  const rows = membershipsIn(outputs.asTrained).map(normalizedEntropy)
  const heads = Array.from({ length: rows[0]?.length ?? 0 }, (_, head) => meanOfRows(rows.map((tensorRows) => tensorRows[head] ?? [])))
  return buildMap({
    name: 'entropy',
    title: 'Entropy of the memberships',
    kind: 'sequential',
    role: 'descriptive',
    layer: lastStructuredLayer(manifest),
    grid: toPatchGrid(meanOfRows(heads), manifest),
    heads: toHeadGrids(heads, manifest),
    range: { min: 0, max: 1 },
    unit: 'of ln K',
    method: `entropy of ${manifest.network === 'sbm-vit' ? 'normalized affinities' : 'memberships'} over ln K, mean over heads; 0 is one community, 1 all alike`,
    source: 'Shannon entropy over its largest value',
    notes: ['high: mixed tissue or an uncertain label', reachNote(manifest)],
  })
}

/**
 * Entropy of every token's row over ln K.
 *
 * membership  [head, token, community], rows sum to 1
 * returns     [head][token], 0 to 1; 0 for a single community
 */
export function normalizedEntropy(membership: Tensor): readonly Float64Array[] {
  const [heads = 0, tokens = 0, communityCount = 0] = membership.shape
  const largest = Math.log(communityCount)
  return Array.from({ length: heads }, (_, head) => {
    const z = at(membership, head).data
    return Float64Array.from({ length: tokens }, (_, token) => {
      const entropy = entropyOf(z.subarray(token * communityCount, (token + 1) * communityCount))
      return largest > 0 ? Math.max(0, Math.min(1, entropy / largest)) : 0
    })
  })
}

function entropyOf(row: Float32Array): number {
  let entropy = 0
  for (const value of row) if (value > 0) entropy -= value * Math.log(value)
  return entropy
}
