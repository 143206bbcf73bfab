/**
 * x x^T in float64: rows in, the inner products of all pairs of them out.
 *
 * AssemblyScript, not TypeScript: compiled into gram-kernel.ts, which a test does again. Every address is a byte offset in the module's memory.
 *
 * Each product is summed alone, in the order of the columns, two products side by side in the two lanes of a vector: the same bits as a plain loop.
 * A tile is 4 rows x 4 rows: eight accumulators, two vectors and a splat stay in the sixteen registers.
 */
const TILE: i32 = 4

/** Four rows of one column; rows beyond the last are zeros. */
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
