/** Names of outputs in, the tensors themselves out, or the failure that names the one that is missing. */
import type { Manifest } from '../domain/manifest.ts'
import type { NamedOutputs, OutputName } from '../domain/outputs.ts'
import { Problem } from '../domain/problem.ts'
import { at, type Tensor } from '../tensor/tensor.ts'
import { classTokenRows, headRows, type TokenLayout, tokenCount } from './patch-grid.ts'

/** The outputs, if the bundle declares all of them. */
export function declared(manifest: Manifest, ...names: readonly OutputName[]): readonly OutputName[] | null {
  return names.every((name) => manifest.outputs[name] !== undefined) ? names : null
}

/** Throws: "output-missing". */
export function outputOf(outputs: NamedOutputs, name: OutputName): Tensor {
  const tensor = outputs[name]
  if (tensor === undefined) throw new Problem('output-missing', `the map needs the output ${name}`, { output: name })
  return tensor
}

/** Matrices over tokens of which most maps read the class token's row alone, and the output that is this row. */
const ROW_OF = { attention: 'classTokenAttention', scores: 'classTokenScores', bias: 'classTokenBias', mask: 'classTokenMask' } as const
export type MatrixOutput = keyof typeof ROW_OF

/** The output to fetch for the class token's row: the row itself where the bundle gives it, since a matrix of all tokens costs far more to hand over. */
export function rowOutput(manifest: Manifest, matrix: MatrixOutput): OutputName {
  return manifest.outputs[ROW_OF[matrix]] === undefined ? matrix : ROW_OF[matrix]
}

/** The outputs to fetch for the class token's rows of all these matrices, if the bundle declares them. */
export function declaredRows(manifest: Manifest, ...matrices: readonly MatrixOutput[]): readonly OutputName[] | null {
  return declared(manifest, ...matrices.map((matrix) => rowOutput(manifest, matrix)))
}

/** Whether a run gave the class token's row of a matrix, alone or in the whole. */
export function hasRows(outputs: NamedOutputs, matrix: MatrixOutput): boolean {
  return outputs[ROW_OF[matrix]] !== undefined || outputs[matrix] !== undefined
}

/**
 * What the class token gives to every key, head by head.
 *
 * position  which structured layer, of bias and mask; attention and scores are the last layer's
 * returns   [head][token]
 *
 * Throws: "output-missing"; "shape-mismatch" unless the token axes are prefix + grid.
 */
export function rowsOf(outputs: NamedOutputs, matrix: MatrixOutput, layout: TokenLayout, position: number | null = null): readonly Float32Array[] {
  const ofLayer = (tensor: Tensor): Tensor => (position === null ? tensor : at(tensor, position))
  const row = outputs[ROW_OF[matrix]]
  if (row === undefined) return classTokenRows(ofLayer(outputOf(outputs, matrix)), layout)
  const rows = headRows(ofLayer(row))
  const expected = tokenCount(layout)
  for (const { length } of rows) if (length !== expected) throw new Problem('shape-mismatch', 'a row over tokens has another length', { expected: [expected], actual: [length] })
  return rows
}
