/**
 * Matrices of float64 in, what the loops over all pairs of their rows come to out: the bits of plain loops, two values at a time.
 *
 * AssemblyScript, not TypeScript: compiled into compiled-kernels.ts, and by a test again. Every address is a byte offset in the module's memory.
 */
/** Rows of either side that `gram` takes together: eight accumulators, two vectors and a splat stay in the sixteen registers. */
const TILE: i32 = 4

/** [rows, columns] as [columns, padded]; rows beyond the last are zeros. */
// @ts-ignore: decorator
@inline function transpose(x: usize, rows: i32, columns: i32, to: usize, stride: usize): void {
  memory.fill(to, 0, stride * columns)
  for (let row: i32 = 0; row < rows; row++) {
    const from = x + ((<usize>row * columns) << 3)
    const line = to + (<usize>row << 3)
    for (let column: usize = 0; column < <usize>columns; column++) store<f64>(line + column * stride, load<f64>(from + (column << 3)))
  }
}

// @ts-ignore: decorator
@inline function tile(a: usize, b: usize, end: usize, stride: usize, to: usize, mirror: usize, pitch: usize): void {
  let a0 = f64x2.splat(0)
  let a1 = f64x2.splat(0)
  let b0 = f64x2.splat(0)
  let b1 = f64x2.splat(0)
  let c0 = f64x2.splat(0)
  let c1 = f64x2.splat(0)
  let d0 = f64x2.splat(0)
  let d1 = f64x2.splat(0)
  while (a < end) {
    const left = v128.load(b)
    const right = v128.load(b, 16)
    let value = v128.load64_splat(a)
    a0 = f64x2.add(a0, f64x2.mul(value, left))
    a1 = f64x2.add(a1, f64x2.mul(value, right))
    value = v128.load64_splat(a, 8)
    b0 = f64x2.add(b0, f64x2.mul(value, left))
    b1 = f64x2.add(b1, f64x2.mul(value, right))
    value = v128.load64_splat(a, 16)
    c0 = f64x2.add(c0, f64x2.mul(value, left))
    c1 = f64x2.add(c1, f64x2.mul(value, right))
    value = v128.load64_splat(a, 24)
    d0 = f64x2.add(d0, f64x2.mul(value, left))
    d1 = f64x2.add(d1, f64x2.mul(value, right))
    a += stride
    b += stride
  }
  storeRow(to, a0, a1)
  storeRow(to + pitch, b0, b1)
  storeRow(to + 2 * pitch, c0, c1)
  storeRow(to + 3 * pitch, d0, d1)
  storeRow(mirror, v128.shuffle<i64>(a0, b0, 0, 2), v128.shuffle<i64>(c0, d0, 0, 2))
  storeRow(mirror + pitch, v128.shuffle<i64>(a0, b0, 1, 3), v128.shuffle<i64>(c0, d0, 1, 3))
  storeRow(mirror + 2 * pitch, v128.shuffle<i64>(a1, b1, 0, 2), v128.shuffle<i64>(c1, d1, 0, 2))
  storeRow(mirror + 3 * pitch, v128.shuffle<i64>(a1, b1, 1, 3), v128.shuffle<i64>(c1, d1, 1, 3))
}

// @ts-ignore: decorator
@inline function storeRow(to: usize, left: v128, right: v128): void {
  v128.store(to, left)
  v128.store(to, right, 16)
}

/**
 * The inner products of all pairs of rows. Each is summed alone, in the order of the columns, two products side by side in a vector.
 *
 * x          [rows, columns]
 * workspace  [columns, padded], padded being rows up to the next multiple of 4
 * products   [padded, padded], symmetric; zeros beyond the rows
 */
export function gram(x: usize, rows: i32, columns: i32, workspace: usize, products: usize): void {
  const padded = (rows + TILE - 1) & ~(TILE - 1)
  const stride = <usize>padded << 3
  transpose(x, rows, columns, workspace, stride)
  for (let i: i32 = 0; i < padded; i += TILE) {
    const a = workspace + (<usize>i << 3)
    for (let j: i32 = i; j < padded; j += TILE) {
      const to = products + (<usize>i * stride + (<usize>j << 3))
      const mirror = products + (<usize>j * stride + (<usize>i << 3))
      tile(a, workspace + (<usize>j << 3), a + stride * columns, stride, to, mirror, stride)
    }
  }
}

const VALUE: usize = 8
const NONE: i32 = -1

/** What is left of a clustering, and the chain of nearest neighbors that it follows. */
let items: i32 = 0
let stride: usize = 0
let between: usize = 0

/**
 * The merges of average-link clustering, in the order in which the chain finds them.
 *
 * distances  [item, padded], symmetric, infinite on the diagonal and beyond the items; it is used up. `padded` is even
 * sizes      [item], of ones
 * chain      [item] int32, room for the chain
 * merges     [item - 1, 3]: the lower item, the higher one, their distance
 *
 * A joined item's row and column are infinite from then on. See average-link.ts for the source.
 */
export function averageLink(distances: usize, count: i32, padded: i32, sizes: usize, chain: usize, merges: usize): void {
  items = count
  stride = <usize>padded * VALUE
  between = distances
  let length: i32 = 0
  let lowest: i32 = 0
  let found: i32 = 0
  while (found < count - 1) {
    if (length == 0) {
      while (load<f64>(sizes + <usize>lowest * VALUE) == 0) lowest++
      store<i32>(chain, lowest)
      length = 1
    }
    const tip = load<i32>(chain + ((<usize>length - 1) << 2))
    const before = length > 1 ? load<i32>(chain + ((<usize>length - 2) << 2)) : NONE
    const nearest = nearestTo(tip, before)
    if (nearest != before) {
      store<i32>(chain + (<usize>length << 2), nearest)
      length++
      continue
    }
    length -= 2
    const kept = min(tip, nearest)
    const gone = max(tip, nearest)
    const to = merges + <usize>found * 3 * VALUE
    store<f64>(to, kept)
    store<f64>(to, gone, 8)
    store<f64>(to, load<f64>(place(kept, gone)), 16)
    found++
    join(kept, gone, sizes)
  }
}

// @ts-ignore: decorator
@inline function place(row: i32, column: i32): usize {
  return between + <usize>row * stride + <usize>column * VALUE
}

/** The item nearest to this one; of equals the one before it in the chain, else the lowest. */
function nearestTo(item: i32, before: i32): i32 {
  const row = place(item, 0)
  let even = f64x2.splat(Infinity)
  let odd = even
  let at = row
  const end = row + stride
  for (; at + 16 < end; at += 32) {
    even = f64x2.pmin(even, v128.load(at))
    odd = f64x2.pmin(odd, v128.load(at, 16))
  }
  if (at < end) even = f64x2.pmin(even, v128.load(at))
  even = f64x2.pmin(even, odd)
  const least = min(f64x2.extract_lane(even, 0), f64x2.extract_lane(even, 1))
  if (before != NONE && load<f64>(place(item, before)) == least) return before
  const wanted = f64x2.splat(least)
  at = row
  while (!v128.any_true(f64x2.eq(v128.load(at), wanted))) at += 16
  const column = <i32>((at - row) / VALUE)
  return load<f64>(at) == least ? column : column + 1
}

/** The distances of two joined items: the mean of theirs, weighed by their sizes. */
function join(kept: i32, gone: i32, sizes: usize): void {
  const keptSize = load<f64>(sizes + <usize>kept * VALUE)
  const goneSize = load<f64>(sizes + <usize>gone * VALUE)
  const total = keptSize + goneSize
  const first = f64x2.splat(keptSize)
  const second = f64x2.splat(goneSize)
  const sum = f64x2.splat(total)
  let x = place(kept, 0)
  let y = place(gone, 0)
  const end = x + stride
  let down = place(0, kept)
  const toGone = (<usize>gone - <usize>kept) * VALUE
  for (; x < end; x += 16, y += 16) {
    const joined = f64x2.div(f64x2.add(f64x2.mul(first, v128.load(x)), f64x2.mul(second, v128.load(y))), sum)
    v128.store(x, joined)
  }
  x -= stride
  for (let other: i32 = 0; other < items; other++, x += VALUE, down += stride) {
    store<f64>(down, load<f64>(x))
    store<f64>(down + toGone, Infinity)
  }
  store<f64>(place(kept, kept), Infinity)
  store<f64>(sizes + <usize>kept * VALUE, total)
  store<f64>(sizes + <usize>gone * VALUE, 0)
}
