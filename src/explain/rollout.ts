/** Attention of every layer in, relevance of each patch for the class token out. Rollout: Abnar and Zuidema, arXiv:2005.00928, section 3. */
import type { ExplanationMap } from '../domain/explanation.ts'
import { Problem } from '../domain/problem.ts'
import { at, meanOverFirstAxis, type Tensor } from '../tensor/tensor.ts'
import { buildMap } from './build-map.ts'
import type { MapContext, MapMethod } from './map-method.ts'
import { type TokenLayout, tokenCount, toPatchGrid } from './patch-grid.ts'
import { declared, outputOf } from './read-outputs.ts'

export const rollout: MapMethod = {
  name: 'rollout',
  title: 'Attention rollout',
  isDefault: false,
  readsTail: false,
  needs: (manifest) => declared(manifest, 'attentionAll'),
  build: rolloutMap,
}

function rolloutMap({ manifest, outputs }: MapContext): ExplanationMap {
  return buildMap({
    name: 'rollout',
    title: 'Attention rollout',
    kind: 'sequential',
    role: 'descriptive',
    grid: toPatchGrid(rolloutOfClassToken(outputOf(outputs.asTrained, 'attentionAll'), manifest), manifest),
    unit: 'share of the flow',
    method: 'row of the class token of the product over layers of (identity + mean attention) / 2',
    source: 'Abnar and Zuidema, arXiv:2005.00928, section 3',
    notes: ['class-agnostic: the same map for every class', 'an assumed flow: no experiment on this network'],
  })
}

/**
 * How much of the class token's final state would flow from each token, were every layer half identity and half its mean attention.
 *
 * attention  [layer, head, token, token], rows sum to 1
 * returns    [token], sums to 1
 *
 * Only the class token's row of the product is asked for, so a row travels down from the last layer: layers x tokens^2 steps.
 * Throws: "shape-mismatch" unless both token axes are prefix + grid.
 */
export function rolloutOfClassToken(attention: Tensor, layout: TokenLayout): Float64Array {
  const tokens = tokenCount(layout)
  const [layers = 0, heads = 0, queries, keys] = attention.shape
  if (attention.shape.length !== 4 || queries !== tokens || keys !== tokens) {
    throw new Problem('shape-mismatch', 'attention of all layers has other axes', { expected: [layers, heads, tokens, tokens], actual: attention.shape })
  }
  let flow = new Float64Array(tokens)
  flow[layout.classTokenIndex] = 1
  for (let layer = layers - 1; layer >= 0; layer--) flow = flowThroughLayer(flow, meanOverFirstAxis(at(attention, layer)).data)
  return flow
}

/** The row `flow` times (identity + mean) / 2; mean is [token, token]. */
function flowThroughLayer(flow: Float64Array, mean: Float32Array): Float64Array<ArrayBuffer> {
  const tokens = flow.length
  const out = Float64Array.from(flow, (value) => value / 2)
  for (let query = 0; query < tokens; query++) {
    const weight = (flow[query] ?? 0) / 2
    if (weight === 0) continue
    for (let key = 0; key < tokens; key++) out[key] = (out[key] ?? 0) + weight * (mean[query * tokens + key] ?? 0)
  }
  return out
}
