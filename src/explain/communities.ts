/** Memberships or loadings in, the map of communities out: one labelling of the image, and each head's own. */
import type { ExplanationMap } from '../domain/explanation.ts'
import type { Manifest } from '../domain/manifest.ts'
import type { NamedOutputs } from '../domain/outputs.ts'
import { Problem } from '../domain/problem.ts'
import { at, type Tensor, tensorOf } from '../tensor/tensor.ts'
import { buildMap, MOST_LABELS } from './build-map.ts'
import { coMembership, type ImageCommunities, imageCommunities, normalizedAffinity, orderByShare } from './image-communities.ts'
import type { MapContext, MapMethod } from './map-method.ts'
import { lastLayer, type TokenLayout } from './patch-grid.ts'
import { declared, outputOf } from './read-outputs.ts'
import { lastStructuredLayer, reachNote } from './structure-layers.ts'

export const HEADS_NOT_COMPARABLE = "labels of one head do not mean the same in another; the image's labels come from which patches the heads put together"

export const communities: MapMethod = {
  name: 'communities',
  title: 'Communities',
  isDefault: true,
  readsTail: false,
  needs: (manifest) => declared(manifest, 'membership') ?? declared(manifest, 'queryLoading', 'keyLoading'),
  build: async (context) => communityMap(context, 'communities', 'Communities', membershipsIn(context.outputs.asTrained), await context.communities),
}

/** One role's loadings of the stochastic block attention, as communities of their own. */
export const queryLoading: MapMethod = {
  name: 'query-loading',
  title: 'Communities of the queries',
  isDefault: false,
  readsTail: false,
  needs: (manifest) => declared(manifest, 'queryLoading'),
  build: (context) => loadingMap(context, 'queryLoading', 'query-loading', 'Communities of the queries'),
}

export const keyLoading: MapMethod = {
  name: 'key-loading',
  title: 'Communities of the keys',
  isDefault: false,
  readsTail: false,
  needs: (manifest) => declared(manifest, 'keyLoading'),
  build: (context) => loadingMap(context, 'keyLoading', 'key-loading', 'Communities of the keys'),
}

/** [head, token, community] of the last structured layer, rows sum to 1: memberships, or both loadings normalized. */
export function membershipsIn(outputs: NamedOutputs): readonly Tensor[] {
  if (outputs.membership !== undefined) return [lastLayer(outputs.membership)]
  return [outputs.queryLoading, outputs.keyLoading].filter((loading) => loading !== undefined).map((loading) => normalizedAffinity(lastLayer(loading)))
}

/** The communities of an image, null where the outputs hold neither memberships nor loadings. */
export function communitiesIn(outputs: NamedOutputs, layout: TokenLayout): ImageCommunities | null {
  const memberships = membershipsIn(outputs)
  return memberships.length === 0 ? null : imageCommunities(coMembership(memberships, layout))
}

function loadingMap(context: MapContext, output: 'queryLoading' | 'keyLoading', name: string, title: string): ExplanationMap {
  const loading = normalizedAffinity(lastLayer(outputOf(context.outputs.asTrained, output)))
  return communityMap(context, name, title, [loading], imageCommunities(coMembership([loading], context.manifest)))
}

function communityMap(context: MapContext, name: string, title: string, memberships: readonly Tensor[], found: ImageCommunities | null): ExplanationMap {
  const { manifest } = context
  const [first] = memberships
  if (first === undefined || found === null) throw new Problem('output-missing', 'communities need memberships or loadings', { output: 'membership' })
  const { height, width } = manifest.patchGrid
  const perHead = headLabels(first, manifest)
  return buildMap({
    name,
    title,
    kind: 'categorical',
    role: 'descriptive',
    layer: lastStructuredLayer(manifest),
    grid: tensorOf(Float32Array.from(found.labels), [height, width]),
    heads: perHead.labels,
    confidence: tensorOf(found.confidence, [height, width]),
    headConfidence: perHead.confidence,
    memberships: tensorOf(found.memberships, [found.count, height, width]),
    communities: found.facts,
    unit: 'label',
    method: methodText(manifest, memberships.length),
    source: 'co-membership E_h z z^T; UPGMA, Müllner, arXiv:1109.2378; number by silhouette, Rousseeuw 1987',
    numbers: found.silhouette === null ? {} : { silhouette: found.silhouette },
    notes: [HEADS_NOT_COMPARABLE, reachNote(manifest)],
  })
}

function methodText(manifest: Manifest, tensors: number): string {
  const of = manifest.network === 'sbm-vit' ? `normalized affinities (${tensors === 2 ? 'query and key loadings' : 'one loading'} over their sum; no probabilities)` : 'memberships'
  return `average-link clusters of the head-mean co-membership of ${of}, at most ${MOST_LABELS}, as many as separate best, ordered by descending share`
}

/**
 * Each head's strongest community of every patch, renamed by descending share in that head; the ninth and later are one, "other".
 *
 * membership  [head, token, community]
 * returns     labels and confidence (the largest membership), both [head, gridHeight, gridWidth]
 */
export function headLabels(membership: Tensor, layout: TokenLayout): { readonly labels: Tensor; readonly confidence: Tensor } {
  const [heads = 0, , communityCount = 0] = membership.shape
  const { height, width } = layout.patchGrid
  const patches = height * width
  const labels = new Float32Array(heads * patches)
  const confidence = new Float32Array(heads * patches)
  const strongest = new Int32Array(patches)
  for (let head = 0; head < heads; head++) {
    const z = at(membership, head).data.subarray(layout.prefixTokens * communityCount)
    for (let patch = 0; patch < patches; patch++) {
      strongest[patch] = strongestOf(z, patch * communityCount, communityCount)
      confidence[head * patches + patch] = z[patch * communityCount + (strongest[patch] ?? 0)] ?? 0
    }
    const ordered = orderByShare(strongest, communityCount)
    for (let patch = 0; patch < patches; patch++) labels[head * patches + patch] = Math.min(ordered[patch] ?? 0, MOST_LABELS)
  }
  return { labels: tensorOf(labels, [heads, height, width]), confidence: tensorOf(confidence, [heads, height, width]) }
}

/** The first of the largest of `count` values from `start` on. */
function strongestOf(values: Float32Array, start: number, count: number): number {
  let index = 0
  let largest = values[start] ?? 0
  for (let k = 1; k < count; k++) {
    const value = values[start + k] ?? 0
    if (value > largest) {
      largest = value
      index = k
    }
  }
  return index
}
