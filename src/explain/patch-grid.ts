/** Values of tokens in, the same on the patch grid out: the one place where the class token is dropped. */
import type { Manifest } from '../domain/manifest.ts'
import { Problem } from '../domain/problem.ts'
import { at, type Tensor, tensorOf } from '../tensor/tensor.ts'

/** What a token axis looks like: all a method needs to know of the manifest. */
export type TokenLayout = Pick<Manifest, 'patchGrid' | 'prefixTokens' | 'classTokenIndex'>

/** Tokens of the sequence: the patches and what stands before them. */
export function tokenCount(layout: TokenLayout): number {
  return layout.prefixTokens + layout.patchGrid.height * layout.patchGrid.width
}

/**
 * The patches' values in their grid.
 *
 * values   [token], prefix tokens (class token, registers) first
 * returns  [gridHeight, gridWidth]
 *
 * Throws: "shape-mismatch" unless there are prefix + grid tokens.
 */
export function toPatchGrid(values: ArrayLike<number>, layout: TokenLayout): Tensor {
  const { height, width } = layout.patchGrid
  const data = new Float32Array(height * width)
  copyPatches(values, layout, data)
  return tensorOf(data, [height, width])
}

/** Throws: "shape-mismatch" unless there are prefix + grid tokens. */
function copyPatches(values: ArrayLike<number>, layout: TokenLayout, into: Float32Array): void {
  const tokens = tokenCount(layout)
  if (values.length !== tokens) throw new Problem('shape-mismatch', 'the tokens are not the prefix and the patch grid', { expected: [tokens], actual: [values.length] })
  for (let patch = 0; patch < into.length; patch++) into[patch] = values[layout.prefixTokens + patch] ?? 0
}

/** Each head's values in the grid: [head][token] becomes [head, gridHeight, gridWidth]. */
export function toHeadGrids(rows: readonly ArrayLike<number>[], layout: TokenLayout): Tensor {
  const { height, width } = layout.patchGrid
  const data = new Float32Array(rows.length * height * width)
  rows.forEach((row, head) => {
    copyPatches(row, layout, data.subarray(head * height * width, (head + 1) * height * width))
  })
  return tensorOf(data, [rows.length, height, width])
}

/** The mean of the heads' rows, summed in float64: [head][token] becomes [token]. */
export function meanOfRows(rows: readonly ArrayLike<number>[]): Float64Array {
  const mean = new Float64Array(rows[0]?.length ?? 0)
  for (const row of rows) for (let i = 0; i < mean.length; i++) mean[i] = (mean[i] ?? 0) + (row[i] ?? 0) / rows.length
  return mean
}

/**
 * What the class token gives to every key, head by head.
 *
 * matrix   [head, token, token], the query before the key
 * returns  [head][token]: row `classTokenIndex` of each head
 *
 * Throws: "shape-mismatch" unless both token axes are prefix + grid.
 */
export function classTokenRows(matrix: Tensor, layout: TokenLayout): readonly Float32Array[] {
  const tokens = tokenCount(layout)
  const [heads, queries, keys] = matrix.shape
  if (matrix.shape.length !== 3 || queries !== tokens || keys !== tokens) {
    throw new Problem('shape-mismatch', 'a matrix over tokens has other axes', { expected: [heads ?? 1, tokens, tokens], actual: matrix.shape })
  }
  return Array.from({ length: heads ?? 0 }, (_, head) => at(at(matrix, head), layout.classTokenIndex).data)
}

/** Each head's row of [head, token], as a view. */
export function headRows(values: Tensor): readonly Float32Array[] {
  return Array.from({ length: values.shape[0] ?? 0 }, (_, head) => at(values, head).data)
}

/** The last entry of the outermost axis: the last structured layer of [layer, ...]. */
export function lastLayer(tensor: Tensor): Tensor {
  return at(tensor, (tensor.shape[0] ?? 1) - 1)
}
