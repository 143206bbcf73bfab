/** Every map that this program can make, cheap ones first; a new method is one more line. */
import type { Manifest } from '../domain/manifest.ts'
import { Problem } from '../domain/problem.ts'
import { attentionWithoutStructure, classTokenAttention, delta } from './class-token-attention.ts'
import { communities, keyLoading, queryLoading } from './communities.ts'
import { degree } from './degree.ts'
import { edgeProbability, mask, maskSpread } from './edge-probability.ts'
import { evidence, signedEvidence } from './evidence.ts'
import { hub } from './hub.ts'
import { knockOut } from './knock-out.ts'
import type { MapMethod } from './map-method.ts'
import { membershipEntropy } from './membership-entropy.ts'
import { rollout } from './rollout.ts'
import { shapley } from './shapley.ts'
import { structureAttribution } from './structure-attribution.ts'
import { supervisedCommunity } from './supervised-community.ts'

export const MAP_METHODS: readonly MapMethod[] = [
  communities,
  supervisedCommunity,
  classTokenAttention,
  degree,
  delta,
  evidence,
  structureAttribution,
  signedEvidence,
  knockOut,
  shapley,
  membershipEntropy,
  hub,
  rollout,
  attentionWithoutStructure,
  queryLoading,
  keyLoading,
  edgeProbability,
  mask,
  maskSpread,
]

/** The methods that this bundle's outputs allow. */
export function availableMethods(manifest: Manifest): readonly MapMethod[] {
  return MAP_METHODS.filter((method) => method.needs(manifest) !== null && (!method.readsTail || manifest.tail !== null))
}

/** The methods asked for, in that order and once each; for null the cheap ones and the map that the model's own validation prefers. Throws: "map-unknown" naming those that there are. */
export function methodsFor(manifest: Manifest, maps: readonly string[] | null): readonly MapMethod[] {
  const available = availableMethods(manifest)
  if (maps === null) return available.filter((method) => method.isDefault || method.name === manifest.explanations?.default)
  return [...new Set(maps)].map((name) => {
    const method = available.find((candidate) => candidate.name === name)
    if (method !== undefined) return method
    const isKnown = MAP_METHODS.some((candidate) => candidate.name === name)
    throw new Problem('map-unknown', isKnown ? `this model can't give the map ${name}` : 'no such map', { available: available.map((candidate) => candidate.name) })
  })
}
