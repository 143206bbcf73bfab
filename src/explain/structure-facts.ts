/** Outputs in, what the structure does in each head seen from the class token out. */
import type { HeadFacts, StructureFacts } from '../domain/explanation.ts'
import type { Manifest } from '../domain/manifest.ts'
import type { NamedOutputs } from '../domain/outputs.ts'
import { at, type Tensor } from '../tensor/tensor.ts'
import { extremesOf } from './build-map.ts'
import { classTokenRows } from './patch-grid.ts'

/** An edge probability is never taken for less than this before its logarithm. Source: spec of the models, pitfall P11. */
export const SMALLEST_MASK = 1e-9

/**
 * Facts about every head of every structured layer; null where the outputs hold no bias and no mask.
 *
 * A head is inactive where its bias has no contrast along the class token's row: a softmax does not see what a row has in common. A class token whose degree is 0 is the usual cause.
 */
export function structureFacts(manifest: Manifest, outputs: NamedOutputs): StructureFacts | null {
  const matrices = outputs.bias ?? outputs.mask
  if (manifest.structure === null || matrices === undefined) return null
  const perHead = manifest.structure.layers.flatMap((layer, position) => layerFacts(manifest, outputs, layer, position))
  return {
    heads: perHead.length,
    inactiveHeads: perHead.filter((head) => head.isInactive).length,
    largestClassTokenBias: Math.max(0, ...perHead.map((head) => head.largestBias)),
    perHead,
  }
}

function layerFacts(manifest: Manifest, outputs: NamedOutputs, layer: number, position: number): readonly HeadFacts[] {
  return biasRows(manifest, outputs, position).map((row, head) => {
    const { min, max } = extremesOf(row)
    return {
      layer,
      head,
      classTokenDegree: outputs.degree === undefined ? null : degreeAt(outputs.degree, position, head, manifest.classTokenIndex),
      largestBias: Math.max(Math.abs(min), Math.abs(max)),
      isInactive: max === min,
    }
  })
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
  if (outputs.bias !== undefined) return classTokenRows(at(outputs.bias, position), manifest)
  if (outputs.mask === undefined) return []
  return classTokenRows(at(outputs.mask, position), manifest).map((row) => Float64Array.from(row, (value) => Math.log(Math.max(value, SMALLEST_MASK))))
}
