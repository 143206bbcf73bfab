/** One custom operation as a whole graph, with its function or written out. */
import { encodeModel } from '../../../export/onnx/encode-model.ts'
import type { ElementType, OnnxFunction, OnnxModel, OnnxNode } from '../../../export/onnx/onnx-model.ts'
import { checkGraph } from '../../../src/infer/check-graph.ts'
import { inlineFunctions } from '../../../src/infer/inline-functions.ts'
import { nodeRuntime } from '../../../src/infer/node-runtime.ts'
import type { Session } from '../../../src/infer/runtime.ts'

export const OP_FORMS = ['function', 'written out'] as const
export type OpForm = (typeof OP_FORMS)[number]

/** A graph of one node; inputs and outputs are named as the node names them, their axes are free. */
export function opModel(node: OnnxNode, body: OnnxFunction, ranks: Readonly<Record<string, number>>, types: Readonly<Record<string, ElementType>> = {}): OnnxModel {
  const value = (name: string) => ({ name, type: types[name] ?? ('float' as const), axes: Array.from({ length: ranks[name] ?? 0 }, (_, axis) => `${name}_${axis}`) })
  const graph = { name: 'op', nodes: [node], initializers: [], inputs: node.inputs.map(value), outputs: node.outputs.map(value) }
  const operatorSets = [
    { domain: '', version: 20 },
    { domain: body.domain, version: 1 },
  ]
  return { ir: 9, operatorSets, producer: 'test', graph, functions: [body], metadata: {} }
}

export function openOp(model: OnnxModel, form: OpForm): Promise<Session> {
  const bytes = encodeModel(model)
  return nodeRuntime.open(form === 'function' ? bytes : inlineFunctions(checkGraph(bytes)))
}
