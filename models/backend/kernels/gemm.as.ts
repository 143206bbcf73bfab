/**
 * C = A B, or C += A B, for any strides, so for any transpose: matrices in, their product out.
 *
 * The usual three blockings (Goto, van de Geijn, "Anatomy of high-performance matrix multiplication", 2008): B in panels of COLUMN_BLOCK columns and
 * DEPTH_BLOCK of depth, A in ROW_BLOCK rows, both copied ("packed") so that the innermost tile reads memory in a straight line.
 * The tile is 4 rows x 8 columns: eight accumulators, two vectors of B and one splat of A stay in the sixteen registers.
 */
import { bytes, fma } from './lanes.as'

const TILE_ROWS: i32 = 4
const TILE_COLUMNS: i32 = 8
const ROW_BLOCK: i32 = 64
const COLUMN_BLOCK: i32 = 1024
const DEPTH_BLOCK: i32 = 256
/** A product this narrow uses each row of A so seldom that packing A costs more than it brings. */
const NARROW: i32 = 32

const TILE_BYTES: i32 = TILE_ROWS * TILE_COLUMNS * 4
const ROW_PACK_BYTES: i32 = ROW_BLOCK * DEPTH_BLOCK * 4
const COLUMN_PACK_BYTES: i32 = COLUMN_BLOCK * DEPTH_BLOCK * 4

/** What `workspace` must hold: one tile, a pack of A, a pack of B. */
export function workspaceBytes(): i32 {
  return TILE_BYTES + ROW_PACK_BYTES + COLUMN_PACK_BYTES
}

/** Four rows (or columns) of four values, read along the depth from `p`, `step` apart; stored depth first, `stride` bytes from one depth to the next. */
// @ts-ignore: decorator
@inline function storeTransposed4x4(p: usize, step: usize, to: usize, stride: usize): void {
  const r0 = v128.load(p)
  const r1 = v128.load(p + step)
  const r2 = v128.load(p + 2 * step)
  const r3 = v128.load(p + 3 * step)
  const low01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5)
  const low23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5)
  const high01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7)
  const high23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7)
  v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2))
  v128.store(to + stride, v128.shuffle<i64>(low01, low23, 1, 3))
  v128.store(to + 2 * stride, v128.shuffle<i64>(high01, high23, 0, 2))
  v128.store(to + 3 * stride, v128.shuffle<i64>(high01, high23, 1, 3))
}

/**
 * Packs `count` (at most `group`) neighboring lines of length `depth`, depth first, missing lines as zeros.
 *
 * lineStep   values from one line to the next
 * depthStep  values from one depth to the next
 * group      lines of a pack: TILE_ROWS for A, TILE_COLUMNS for B
 */
// @ts-ignore: decorator
@inline function packLines(to: usize, from: usize, count: i32, depth: i32, lineStep: i32, depthStep: i32, group: i32): void {
  const stride = bytes(group)
  if (count < group) {
    for (let k = 0; k < depth; k++) {
      for (let line = 0; line < group; line++) store<f32>(to + bytes(k * group + line), line < count ? load<f32>(from + bytes(line * lineStep + k * depthStep)) : 0)
    }
    return
  }
  if (lineStep == 1) {
    for (let k = 0; k < depth; k++) {
      const source = from + bytes(k * depthStep)
      for (let line = 0; line < group; line += 4) v128.store(to + bytes(k * group + line), v128.load(source + bytes(line)))
    }
    return
  }
  const whole = depthStep == 1 ? depth & ~3 : 0
  for (let line = 0; line < group; line += 4) {
    const source = from + bytes(line * lineStep)
    for (let k = 0; k < whole; k += 4) storeTransposed4x4(source + bytes(k), bytes(lineStep), to + bytes(k * group + line), stride)
  }
  for (let k = whole; k < depth; k++) {
    for (let line = 0; line < group; line++) store<f32>(to + bytes(k * group + line), load<f32>(from + bytes(line * lineStep + k * depthStep)))
  }
}

function packRows(to: usize, a: usize, rows: i32, depth: i32, rowStep: i32, columnStep: i32): void {
  for (let i = 0; i < rows; i += TILE_ROWS) packLines(to + bytes(i * depth), a + bytes(i * rowStep), min(TILE_ROWS, rows - i), depth, rowStep, columnStep, TILE_ROWS)
}

function packColumns(to: usize, b: usize, columns: i32, depth: i32, rowStep: i32, columnStep: i32): void {
  for (let j = 0; j < columns; j += TILE_COLUMNS) packLines(to + bytes(j * depth), b + bytes(j * columnStep), min(TILE_COLUMNS, columns - j), depth, columnStep, rowStep, TILE_COLUMNS)
}

// @ts-ignore: decorator
@inline function storeRow(c: usize, left: v128, right: v128, accumulate: bool): void {
  if (accumulate) {
    v128.store(c, f32x4.add(v128.load(c), left))
    v128.store(c, f32x4.add(v128.load(c, 16), right), 16)
  } else {
    v128.store(c, left)
    v128.store(c, right, 16)
  }
}

/** One 4 x 8 tile of C. `a` advances `rowBytes` a row and `depthBytes` a depth, `b` is a pack of eight columns. */
// @ts-ignore: decorator
@inline function tile(a: usize, rowBytes: usize, depthBytes: usize, b: usize, depth: i32, c: usize, cRowBytes: usize, accumulate: bool): void {
  let l0 = f32x4.splat(0), l1 = f32x4.splat(0), l2 = f32x4.splat(0), l3 = f32x4.splat(0)
  let r0 = f32x4.splat(0), r1 = f32x4.splat(0), r2 = f32x4.splat(0), r3 = f32x4.splat(0)
  for (let k = 0; k < depth; k++) {
    const left = v128.load(b)
    const right = v128.load(b, 16)
    let value = v128.load32_splat(a)
    l0 = fma(value, left, l0)
    r0 = fma(value, right, r0)
    value = v128.load32_splat(a + rowBytes)
    l1 = fma(value, left, l1)
    r1 = fma(value, right, r1)
    value = v128.load32_splat(a + 2 * rowBytes)
    l2 = fma(value, left, l2)
    r2 = fma(value, right, r2)
    value = v128.load32_splat(a + 3 * rowBytes)
    l3 = fma(value, left, l3)
    r3 = fma(value, right, r3)
    a += depthBytes
    b += 32
  }
  storeRow(c, l0, r0, accumulate)
  storeRow(c + cRowBytes, l1, r1, accumulate)
  storeRow(c + 2 * cRowBytes, l2, r2, accumulate)
  storeRow(c + 3 * cRowBytes, l3, r3, accumulate)
}

/** The corner of a tile that lies inside C. */
function copyCorner(from: usize, c: usize, cRow: i32, rows: i32, columns: i32, accumulate: bool): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const to = c + bytes(i * cRow + j)
      const value = load<f32>(from + bytes(i * TILE_COLUMNS + j))
      store<f32>(to, accumulate ? load<f32>(to) + value : value)
    }
  }
}

/** One block of rows times one packed panel of B. Rows below `inPlace` are read where they lie, the others from the pack. */
function multiplyBlock(scratchTile: usize, rowPack: usize, a: usize, aRow: i32, aColumn: i32, rows: i32, inPlace: i32, panel: usize, columns: i32, depth: i32, c: usize, cRow: i32, accumulate: bool): void {
  for (let j = 0; j < columns; j += TILE_COLUMNS) {
    const b = panel + bytes(j * depth)
    const n = min(TILE_COLUMNS, columns - j)
    for (let i = 0; i < rows; i += TILE_ROWS) {
      const m = min(TILE_ROWS, rows - i)
      const whole = m == TILE_ROWS && n == TILE_COLUMNS
      const target = c + bytes(i * cRow + j)
      const to = whole ? target : scratchTile
      const toRow = whole ? bytes(cRow) : bytes(TILE_COLUMNS)
      const add = whole && accumulate
      if (i < inPlace) tile(a + bytes(i * aRow), bytes(aRow), bytes(aColumn), b, depth, to, toRow, add)
      else tile(rowPack + bytes((i - inPlace) * depth), 4, 16, b, depth, to, toRow, add)
      if (!whole) copyCorner(scratchTile, target, cRow, m, n, accumulate)
    }
  }
}

/**
 * C [m, n] = A [m, k] B [k, n] (+ C where `accumulate`).
 *
 * aRow, aColumn, bRow, bColumn  values from one row, or column, to the next
 * cRow                          values from one row of C to the next; its columns lie side by side
 */
export function gemm(workspace: usize, m: i32, n: i32, k: i32, a: usize, aRow: i32, aColumn: i32, b: usize, bRow: i32, bColumn: i32, c: usize, cRow: i32, accumulate: bool): void {
  const rowPack = workspace + <usize>TILE_BYTES
  const columnPack = rowPack + <usize>ROW_PACK_BYTES
  for (let j = 0; j < n; j += COLUMN_BLOCK) {
    const columns = min(COLUMN_BLOCK, n - j)
    for (let d = 0; d < k; d += DEPTH_BLOCK) {
      const depth = min(DEPTH_BLOCK, k - d)
      packColumns(columnPack, b + bytes(d * bRow + j * bColumn), columns, depth, bRow, bColumn)
      for (let i = 0; i < m; i += ROW_BLOCK) {
        const rows = min(ROW_BLOCK, m - i)
        const block = a + bytes(i * aRow + d * aColumn)
        const inPlace = columns <= NARROW ? rows & ~(TILE_ROWS - 1) : 0
        if (inPlace < rows) packRows(rowPack, block + bytes(inPlace * aRow), rows - inPlace, depth, aRow, aColumn)
        multiplyBlock(workspace, rowPack, block, aRow, aColumn, rows, inPlace, columnPack, columns, depth, c + bytes(i * cRow + j), cRow, accumulate || d > 0)
      }
    }
  }
}

/** `count` products in a row. aBatch, bBatch: values from one matrix to the next, 0 repeats it. C is [count, m, n]. */
export function batchGemm(workspace: usize, count: i32, m: i32, n: i32, k: i32, a: usize, aRow: i32, aColumn: i32, aBatch: i32, b: usize, bRow: i32, bColumn: i32, bBatch: i32, c: usize): void {
  for (let i = 0; i < count; i++) gemm(workspace, m, n, k, a + bytes(i * aBatch), aRow, aColumn, b + bytes(i * bBatch), bRow, bColumn, c + bytes(i * m * n), n, false)
}
