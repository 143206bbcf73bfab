/** A graph in, the same with fewer outputs out: what only the others needed is gone. A runtime computes every declared output, fetched or not. */
import { clone, toBinary } from '@bufbuild/protobuf'
import { type GraphProto, type ModelProto, ModelProtoSchema, type NodeProto } from 'onnx-buf'

/** The file's bytes with these outputs alone, the nodes that lead to them, and the inputs and constants that those read. Nodes stand in topological order, as ONNX demands. */
export function keepOutputs(model: ModelProto, outputs: readonly string[]): Uint8Array {
  const copy = clone(ModelProtoSchema, model)
  if (copy.graph !== undefined) prune(copy.graph, outputs)
  return toBinary(ModelProtoSchema, copy)
}

/** A copy of the graph whose inputs take any number of keys: `axes` names each input's axis of them. */
export function withAnyKeys(model: ModelProto, axes: Readonly<Record<string, number>>): ModelProto {
  const copy = clone(ModelProtoSchema, model)
  for (const { name, type } of copy.graph?.input ?? []) {
    const axis = axes[name]
    const dimensions = type?.value.case === 'tensorType' ? type.value.value.shape?.dim : undefined
    const dimension = axis === undefined ? undefined : dimensions?.[axis]
    if (dimension !== undefined) dimension.value = { case: 'dimParam', value: 'key' }
  }
  return copy
}

function prune(graph: GraphProto, outputs: readonly string[]): void {
  const needed = new Set(outputs)
  const kept: NodeProto[] = []
  for (const node of graph.node.toReversed()) {
    if (!node.output.some((name) => needed.has(name))) continue
    kept.push(node)
    for (const name of namesRead(node)) needed.add(name)
  }
  graph.node = kept.reverse()
  graph.input = graph.input.filter(({ name }) => needed.has(name))
  graph.output = graph.output.filter(({ name }) => outputs.includes(name))
  graph.initializer = graph.initializer.filter(({ name }) => needed.has(name))
  graph.valueInfo = graph.valueInfo.filter(({ name }) => needed.has(name))
}

/** A node's inputs, and whatever its subgraphs may read from outside. */
function namesRead({ input, attribute }: NodeProto): readonly string[] {
  const subgraphs = attribute.flatMap(({ g, graphs }) => [...(g === undefined ? [] : [g]), ...graphs])
  return [...input, ...subgraphs.flatMap(({ node, output }) => [...node.flatMap(namesRead), ...output.map(({ name }) => name)])]
}
