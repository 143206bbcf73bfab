/** Outputs in, what the structure does in each head seen from the class token out. */
import type { HeadFacts, StructureFacts } from '../domain/explanation.ts'
import type { Manifest } from '../domain/manifest.ts'
import type { NamedOutputs, OutputName } from '../domain/outputs.ts'
import { at, type Tensor } from '../tensor/tensor.ts'
import { extremesOf } from './build-map.ts'
import { hasRows, rowOutput, rowsOf } from './read-outputs.ts'
import { isOnlyInLastLayer } from './structure-layers.ts'

/** An edge probability is never taken for less than this before its logarithm. Source: spec of the models, pitfall P11. */
export const SMALLEST_MASK = 1e-9

/**
 * Facts about every head of every structured layer; null where the outputs hold no bias and no mask.
 *
 * A head of the last layer is inactive where its bias has no contrast along the class token's row: a softmax does not see what a row has in common, and no other row is read.
 * A class token whose degree is 0, or a mask that is forced on for the class token, is the usual cause. In an earlier layer every row acts, and a head is inactive where none has contrast.
 */
export function structureFacts(manifest: Manifest, outputs: NamedOutputs): StructureFacts | null {
  if (manifest.structure === null || !(hasRows(outputs, 'bias') || hasRows(outputs, 'mask'))) return null
  const perHead = manifest.structure.layers.flatMap((layer, position) => layerFacts(manifest, outputs, layer, position))
  return {
    heads: perHead.length,
    inactiveHeads: perHead.filter((head) => head.isInactive).length,
    largestClassTokenBias: Math.max(0, ...perHead.map((head) => head.largestBias)),
    perHead,
  }
}

/** Outputs that the facts are read from, as far as the bundle declares them. Where an earlier layer has the structure, whole matrices: there every row acts. */
export function structureNeeds(manifest: Manifest): readonly OutputName[] {
  const isRowEnough = manifest.structure === null || isOnlyInLastLayer(manifest)
  const matrices = (['bias', 'mask'] as const).map((name) => (isRowEnough ? rowOutput(manifest, name) : name))
  return (['degree', ...matrices] as const).filter((name) => manifest.outputs[name] !== undefined)
}

function layerFacts(manifest: Manifest, outputs: NamedOutputs, layer: number, position: number): readonly HeadFacts[] {
  const isLast = layer === manifest.depth - 1
  return biasRows(manifest, outputs, position).map((row, head) => {
    const { min, max } = extremesOf(row)
    return {
      layer,
      head,
      classTokenDegree: outputs.degree === undefined ? null : degreeAt(outputs.degree, position, head, manifest.classTokenIndex),
      largestBias: Math.max(Math.abs(min), Math.abs(max)),
      isInactive: max === min && (isLast || hasFlatRows(outputs, position, head)),
    }
  })
}

/** Whether no row of the head's bias or mask has contrast. */
function hasFlatRows({ bias, mask }: NamedOutputs, position: number, head: number): boolean {
  const matrices = bias ?? mask
  if (matrices === undefined) return true
  const matrix = at(at(matrices, position), head)
  const [rows = 0] = matrix.shape
  return Array.from({ length: rows }, (_, row) => extremesOf(at(matrix, row).data)).every(({ min, max }) => min === max)
}

function degreeAt(degree: Tensor, position: number, head: number, token: number): number {
  return at(at(degree, position), head).data[token] ?? 0
}

/**
 * What the structure adds to the class token's scores in one structured layer.
 *
 * returns  [head][token]: lambda P of the degree-corrected model, or the logarithm of the mask in use
 */
export function biasRows(manifest: Manifest, outputs: NamedOutputs, position: number): readonly ArrayLike<number>[] {
  if (hasRows(outputs, 'bias')) return rowsOf(outputs, 'bias', manifest, position)
  if (!hasRows(outputs, 'mask')) return []
  return rowsOf(outputs, 'mask', manifest, position).map((row) => Float64Array.from(row, (value) => Math.log(Math.max(value, SMALLEST_MASK))))
}
