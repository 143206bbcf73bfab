/** Pairwise distances in, a tree of merges and its cuts out: average-link clustering, the same bits for the same distances. */
import { openKernels } from './open-kernels.ts'

interface Merge {
  readonly a: number
  readonly b: number
  readonly height: number
}

const VALUE_BYTES = Float64Array.BYTES_PER_ELEMENT

/**
 * The merges of average-link clustering (UPGMA), lowest first.
 *
 * distance  [item, item], finite, symmetric, row-major
 * returns   items - 1 merges, each naming one item of either side
 *
 * Ties go to the lower index. Source: nearest-neighbor chain, Müllner, arXiv:1109.2378 section 3.2, exact for average link, items^2 steps. By kernels.as.ts.
 */
export function averageLink(distance: Float64Array, items: number): readonly Merge[] {
  if (items < 2) return []
  const padded = paddedRow(items)
  const sizes = items * padded * VALUE_BYTES
  const merges = sizes + items * VALUE_BYTES
  const chain = merges + 3 * (items - 1) * VALUE_BYTES
  const { functions, memoryOf } = openKernels()
  const memory = memoryOf(chain + items * Int32Array.BYTES_PER_ELEMENT)
  spreadRows(distance, items, new Float64Array(memory, 0, items * padded))
  new Float64Array(memory, sizes, items).fill(1)
  functions.averageLink(0, items, padded, sizes, chain, merges)
  return readMerges(new Float64Array(memory, merges, 3 * (items - 1)))
}

/** Even, since two values are read at a time, and no multiple of a cache line, since columns are written. */
function paddedRow(items: number): number {
  const even = items + (items % 2)
  return even % 8 === 0 ? even + 2 : even
}

/** Infinite where no item can be the nearest: beside itself and beyond the last. */
function spreadRows(distance: Float64Array, items: number, into: Float64Array): void {
  const padded = into.length / items
  for (let item = 0; item < items; item++) {
    const start = item * padded
    into.set(distance.subarray(item * items, (item + 1) * items), start)
    into.fill(Number.POSITIVE_INFINITY, start + items, start + padded)
    into[start + item] = Number.POSITIVE_INFINITY
  }
}

function readMerges(values: Float64Array): readonly Merge[] {
  const merges = Array.from({ length: values.length / 3 }, (_, merge): Merge => ({ a: values[3 * merge]!, b: values[3 * merge + 1]!, height: values[3 * merge + 2]! }))
  return merges.sort((x, y) => x.height - y.height)
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
