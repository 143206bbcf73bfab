/** Pairwise distances in, a tree of merges and its cuts out: average-link clustering, the same bits for the same distances. */

interface Merge {
  readonly a: number
  readonly b: number
  readonly height: number
}

/**
 * The merges of average-link clustering (UPGMA), lowest first.
 *
 * distance  [item, item], symmetric, row-major
 * returns   items - 1 merges, each naming one item of either side
 *
 * Ties go to the lower index. Source: nearest-neighbor chain, Müllner, arXiv:1109.2378 section 3.2, exact for average link, items^2 steps.
 */
export function averageLink(distance: Float64Array, items: number): readonly Merge[] {
  const between = distance.slice()
  const sizes = new Float64Array(items).fill(1)
  let alive = Int32Array.from({ length: items }, (_, item) => item)
  const merges: Merge[] = []
  const chain: number[] = []
  while (merges.length < items - 1) {
    if (chain.length === 0) chain.push(alive[0]!)
    const tip = chain.at(-1)!
    const before = chain.at(-2)
    const nearest = nearestTo(tip, before, between, alive, items)
    if (nearest !== before) {
      chain.push(nearest)
      continue
    }
    chain.length -= 2
    const [kept, gone] = tip < nearest ? [tip, nearest] : [nearest, tip]
    merges.push({ a: kept, b: gone, height: between[kept * items + gone]! })
    alive = without(alive, gone)
    joinInto(kept, gone, between, sizes, alive, items)
  }
  return merges.sort((x, y) => x.height - y.height)
}

/** The list without one of its items, in the same memory. */
function without(alive: Int32Array<ArrayBuffer>, gone: number): Int32Array<ArrayBuffer> {
  const at = alive.indexOf(gone)
  alive.copyWithin(at, at + 1)
  return alive.subarray(0, alive.length - 1)
}

/** The living item nearest to `item`; of equals the one before it in the chain, else the lowest index. `alive` lists the items that stand for their clusters, ascending. */
function nearestTo(item: number, before: number | undefined, between: Float64Array, alive: Int32Array, items: number): number {
  const row = item * items
  let best = before ?? -1
  let bestDistance = before === undefined ? Number.POSITIVE_INFINITY : between[row + before]!
  for (let i = 0; i < alive.length; i++) {
    const other = alive[i]!
    const value = between[row + other]!
    if (value < bestDistance && other !== item) {
      best = other
      bestDistance = value
    }
  }
  return best
}

function joinInto(kept: number, gone: number, between: Float64Array, sizes: Float64Array, alive: Int32Array, items: number): void {
  const keptSize = sizes[kept]!
  const goneSize = sizes[gone]!
  const total = keptSize + goneSize
  for (let i = 0; i < alive.length; i++) {
    const other = alive[i]!
    if (other === kept) continue
    const joined = (keptSize * between[kept * items + other]! + goneSize * between[gone * items + other]!) / total
    between[kept * items + other] = joined
    between[other * items + kept] = joined
  }
  sizes[kept] = total
}

/** The cluster of every item, from 0 in order of first appearance, when the merges stop at `clusters`. */
export function cutTree(merges: readonly Merge[], items: number, clusters: number): Int32Array {
  const parent = new Int32Array(items)
  for (let item = 0; item < items; item++) parent[item] = item
  const rootOf = (item: number): number => {
    let root = item
    while (parent[root] !== root) root = parent[root]!
    return root
  }
  for (let merge = 0; merge < items - clusters; merge++) parent[rootOf(merges[merge]!.b)] = rootOf(merges[merge]!.a)
  const numbers = new Int32Array(items).fill(-1)
  const labels = new Int32Array(items)
  let count = 0
  for (let item = 0; item < items; item++) {
    const root = rootOf(item)
    if (numbers[root]! < 0) numbers[root] = count++
    labels[item] = numbers[root]!
  }
  return labels
}

/** Sums of distances from every item to every cluster, and the clusters' sizes: what silhouettes are made of. */
export interface ClusterDistances {
  /** [item, cluster] */
  readonly sums: Float64Array
  readonly sizes: Float64Array
}

/** The sums over a labelling; distance is [item, item]. */
export function clusterDistances(distance: Float64Array, labels: Int32Array, clusters: number): ClusterDistances {
  const items = labels.length
  const sums = new Float64Array(items * clusters)
  const { members, ends } = groupByLabel(labels, clusters)
  for (let item = 0; item < items; item++) {
    for (let cluster = 0, at = 0; cluster < clusters; cluster++) {
      let sum = 0
      for (const end = ends[cluster]!; at < end; at++) sum += distance[item * items + members[at]!]!
      sums[item * clusters + cluster] = sum
    }
  }
  return { sums, sizes: Float64Array.from(ends, (end, cluster) => end - (ends[cluster - 1] ?? 0)) }
}

/** The items of each label one after the other, ascending, and where those of each end. */
export function groupByLabel(labels: Int32Array, count: number): { readonly members: Int32Array; readonly ends: Int32Array } {
  const ends = new Int32Array(count)
  for (const label of labels) for (let later = label; later < count; later++) ends[later]!++
  const next = Int32Array.from(ends, (_, label) => ends[label - 1] ?? 0)
  const members = new Int32Array(labels.length)
  for (let item = 0; item < labels.length; item++) members[next[labels[item]!]!++] = item
  return { members, ends }
}

/** The sums when clusters are joined: `into` names the new cluster of each old one. */
export function joinClusters({ sums, sizes }: ClusterDistances, into: ArrayLike<number>, clusters: number): ClusterDistances {
  const before = sizes.length
  const items = sums.length / before
  const joined = { sums: new Float64Array(items * clusters), sizes: new Float64Array(clusters) }
  for (let cluster = 0; cluster < before; cluster++) joined.sizes[into[cluster]!]! += sizes[cluster]!
  for (let item = 0; item < items; item++) for (let cluster = 0; cluster < before; cluster++) joined.sums[item * clusters + into[cluster]!]! += sums[item * before + cluster]!
  return joined
}

/**
 * Mean silhouette width of a clustering, -1 to 1; an item alone in its cluster counts 0.
 *
 * Source: Rousseeuw, J. Comput. Appl. Math. 20 (1987) 53-65, equation 2.
 */
export function meanSilhouette({ sums, sizes }: ClusterDistances, labels: Int32Array): number {
  const clusters = sizes.length
  let total = 0
  for (let item = 0; item < labels.length; item++) {
    const own = labels[item]!
    if (sizes[own] === 1) continue
    const within = sums[item * clusters + own]! / (sizes[own]! - 1)
    let nearest = Number.POSITIVE_INFINITY
    for (let cluster = 0; cluster < clusters; cluster++) if (cluster !== own) nearest = Math.min(nearest, sums[item * clusters + cluster]! / sizes[cluster]!)
    const larger = Math.max(within, nearest)
    if (larger > 0) total += (nearest - within) / larger
  }
  return labels.length === 0 ? 0 : total / labels.length
}
