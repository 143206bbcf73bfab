/** A network's configuration and weights in, its graphs' bytes out, in either form of the custom operations. */
import type { NetworkConfig } from '../models/network-config.ts'
import { checkGraph } from '../src/infer/check-graph.ts'
import { inlineFunctions } from '../src/infer/inline-functions.ts'
import type { BuiltGraphs, MaskChoice, OpsForm } from './build-manifest.ts'
import { buildNetwork } from './networks/build-network.ts'
import { buildTail } from './networks/build-tail.ts'
import type { Weights } from './networks/graph-draft.ts'
import { encodeModel } from './onnx/encode-model.ts'
import type { MaskRule } from './ops/stochastic-block-attention.ts'

/** Throws: "checkpoint-invalid", "shape-mismatch". */
export function buildGraphs(config: NetworkConfig, weights: Weights, ops: OpsForm, mask: MaskChoice): BuiltGraphs {
  const rule: MaskRule = mask.mode === 'sample' ? { mode: 'expected' } : mask
  const network = buildNetwork(config, weights, rule)
  const withFunctions = encodeModel(network.model)
  const graph = ops === 'function' ? withFunctions : inlineFunctions(checkGraph(withFunctions))
  return { graph, tail: encodeModel(buildTail(config, weights)), outputs: network.outputs, ops, mask }
}
