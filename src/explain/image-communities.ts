/** Memberships of every head in, one labelling of the image's patches out. */
import type { CommunityFacts } from '../domain/explanation.ts'
import { Problem } from '../domain/problem.ts'
import { averageLink, clusterDistances, cutTree, groupByLabel, joinClusters, meanSilhouette } from '../tensor/average-link.ts'
import { gram } from '../tensor/gram.ts'
import { at, type Tensor, tensorOf } from '../tensor/tensor.ts'
import { MOST_LABELS } from './build-map.ts'
import { type TokenLayout, tokenCount } from './patch-grid.ts'

/** Squared distances below this are rounding: such patches are the same to every head. */
const SAME_BELOW = 1e-9

export interface ImageCommunities {
  /** The community of every patch, by descending share from 0. */
  readonly labels: Int32Array
  readonly count: number
  /** [community, patch]: part of a patch's co-membership that lies in each community, each weighing the same; sums to 1 over communities. */
  readonly memberships: Float32Array
  /** [patch]: the membership of each patch in its own community. */
  readonly confidence: Float32Array
  readonly facts: readonly CommunityFacts[]
  /** Mean silhouette width of the labelling; null for one community. */
  readonly silhouette: number | null
}

/**
 * How alike two patches are to the heads: the mean over heads of z_i . z_j.
 *
 * membership  [head, token, community], rows sum to 1; several of them are averaged
 * returns     [patch, patch], symmetric
 *
 * Heads do not share labels, so memberships are never averaged: only which patches go together is.
 */
export function coMembership(memberships: readonly Tensor[], layout: TokenLayout): Float64Array {
  const patches = layout.patchGrid.height * layout.patchGrid.width
  return gram(patchFeatures(memberships, layout), patches)
}

/** [patch, head and community], scaled so that the inner product of two patches is the mean over heads. */
function patchFeatures(memberships: readonly Tensor[], layout: TokenLayout): Float64Array {
  const patches = layout.patchGrid.height * layout.patchGrid.width
  const width = memberships.reduce((sum, { shape: [heads = 0, , communities = 0] }) => sum + heads * communities, 0)
  const features = new Float64Array(patches * width)
  let column = 0
  for (const membership of memberships) {
    const [heads = 0, tokens, communities = 0] = membership.shape
    if (membership.shape.length !== 3 || tokens !== tokenCount(layout)) {
      throw new Problem('shape-mismatch', 'memberships have other axes', { expected: [heads, tokenCount(layout), communities], actual: membership.shape })
    }
    const scale = Math.sqrt(1 / (heads * memberships.length))
    for (let head = 0; head < heads; head++, column += communities) {
      const z = at(membership, head).data.subarray(layout.prefixTokens * communities)
      for (let from = 0, to = column; from < z.length; from += communities, to += width) for (let k = 0; k < communities; k++) features[to + k] = scale * (z[from + k] ?? 0)
    }
  }
  return features
}

/**
 * The communities of the image: average-link clusters of the patches by how the heads group them.
 *
 * alike    [patch, patch] from `coMembership`
 * returns  at most 8 communities, as many as separate best (mean silhouette), ordered by descending share, equal ones by their first patch
 *
 * The distance is the mean over heads of |z_i - z_j|^2 = alike_ii + alike_jj - 2 alike_ij. The same bits for the same memberships; renaming a head's communities changes nothing.
 */
export function imageCommunities(alike: Float64Array): ImageCommunities {
  const patches = Math.round(Math.sqrt(alike.length))
  const distance = toDistances(alike, patches)
  const raw = bestCut(distance, patches)
  const labels = orderByShare(raw.labels, raw.count)
  const shares = sharesOf(labels, raw.count)
  const memberships = membershipsOf(alike, labels, raw.count)
  return {
    labels,
    count: raw.count,
    memberships,
    confidence: Float32Array.from(labels, (own, patch) => memberships[own * patches + patch] ?? 0),
    facts: shares.map((share, index) => ({ index, share, deltaLogit: null, shapley: null })),
    silhouette: raw.silhouette,
  }
}

function toDistances(alike: Float64Array, patches: number): Float64Array {
  const distance = new Float64Array(alike.length)
  const own = Float64Array.from({ length: patches }, (_, patch) => alike[patch * patches + patch] ?? 0)
  for (let i = 0; i < patches; i++) {
    const left = own[i] ?? 0
    for (let j = i + 1; j < patches; j++) {
      const value = left + (own[j] ?? 0) - 2 * (alike[i * patches + j] ?? 0)
      const kept = value < SAME_BELOW ? 0 : value
      distance[i * patches + j] = kept
      distance[j * patches + i] = kept
    }
  }
  return distance
}

/** The cut of the tree whose mean silhouette is largest; fewer communities of equals. */
function bestCut(distance: Float64Array, patches: number): { labels: Int32Array; count: number; silhouette: number | null } {
  const merges = averageLink(distance, patches)
  const distinct = 1 + merges.filter((merge) => merge.height > 0).length
  const most = Math.min(MOST_LABELS, distinct)
  let best: { labels: Int32Array; count: number; silhouette: number | null } = { labels: new Int32Array(patches), count: 1, silhouette: null }
  // Coarser cuts join clusters of the finest, so distances are summed once.
  const finest = cutTree(merges, patches, most)
  const first = Array.from({ length: most }, (_, cluster) => finest.indexOf(cluster))
  const sums = clusterDistances(distance, finest, most)
  for (let count = 2; count <= most; count++) {
    const labels = cutTree(merges, patches, count)
    const into = first.map((patch) => labels[patch] ?? 0)
    const silhouette = meanSilhouette(joinClusters(sums, into, count), labels)
    if (best.silhouette === null || silhouette > best.silhouette) best = { labels, count, silhouette }
  }
  return best
}

/** Labels renamed so that 0 is the commonest; equal ones keep the order of their first patch. */
export function orderByShare(labels: ArrayLike<number>, count: number): Int32Array {
  const sizes = new Int32Array(count)
  const first = new Int32Array(count)
  for (let item = labels.length - 1; item >= 0; item--) {
    const label = labels[item] ?? 0
    sizes[label] = (sizes[label] ?? 0) + 1
    first[label] = item
  }
  const order = Array.from({ length: count }, (_, label) => label).sort((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0) || (first[a] ?? 0) - (first[b] ?? 0))
  const renamed = new Int32Array(count)
  order.forEach((label, rank) => {
    renamed[label] = rank
  })
  const ordered = new Int32Array(labels.length)
  for (let item = 0; item < ordered.length; item++) ordered[item] = renamed[labels[item] ?? 0] ?? 0
  return ordered
}

/** Part of the items under each label. */
export function sharesOf(labels: ArrayLike<number>, count: number): number[] {
  const sizes = Array.from({ length: count }, () => 0)
  for (let i = 0; i < labels.length; i++) sizes[labels[i] ?? 0] = (sizes[labels[i] ?? 0] ?? 0) + 1
  return sizes.map((size) => size / labels.length)
}

/** [community, patch]: the mean co-membership of a patch with each community's patches, over the sum of these means. */
function membershipsOf(alike: Float64Array, labels: Int32Array, count: number): Float32Array {
  const patches = labels.length
  const { members, ends } = groupByLabel(labels, count)
  const memberships = new Float32Array(count * patches)
  const means = new Float64Array(count)
  for (let patch = 0; patch < patches; patch++) {
    let total = 0
    for (let community = 0, at = 0; community < count; community++) {
      const end = ends[community] ?? 0
      const size = end - at
      let mean = 0
      for (; at < end; at++) mean += (alike[patch * patches + (members[at] ?? 0)] ?? 0) / size
      means[community] = mean
      total += mean
    }
    for (let community = 0; community < count; community++) memberships[community * patches + patch] = total > 0 ? (means[community] ?? 0) / total : 1 / count
  }
  return memberships
}

/** Each token's loadings over their sum, so that they can be read beside memberships: [head, token, community]. Rows of zeros become uniform. */
export function normalizedAffinity(loading: Tensor): Tensor {
  const communities = loading.shape.at(-1) ?? 1
  const data = Float32Array.from(loading.data)
  for (let start = 0; start < data.length; start += communities) {
    const row = data.subarray(start, start + communities)
    const sum = row.reduce((total, value) => total + value, 0)
    for (let k = 0; k < communities; k++) row[k] = sum > 0 ? (row[k] ?? 0) / sum : 1 / communities
  }
  return tensorOf(data, loading.shape)
}
