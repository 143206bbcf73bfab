/** A graph that calls model-local functions in, the same graph written out in standard operations out. Source: onnx.proto, FunctionProto. */
import { clone, create, toBinary } from '@bufbuild/protobuf'
import {
  type AttributeProto,
  AttributeProtoSchema,
  type FunctionProto,
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
} from 'onnx-buf'

/**
 * The file's bytes with every call replaced by its function's body, and the functions' domain gone.
 *
 * For readers that know no functions. Values inside a body get a prefix that is unique to the call, so names never meet.
 */
export function inlineFunctions(model: ModelProto): Uint8Array {
  const copy = clone(ModelProtoSchema, model)
  const functions = new Map(copy.functions.map((body) => [`${body.domain}.${body.name}`, body]))
  const domains = new Set(copy.functions.map(({ domain }) => domain))
  if (copy.graph !== undefined) new Inliner(functions).inlineGraph(copy.graph)
  copy.functions = []
  copy.opsetImport = copy.opsetImport.filter(({ domain }) => !domains.has(domain))
  return toBinary(ModelProtoSchema, copy)
}

class Inliner {
  readonly #functions: ReadonlyMap<string, FunctionProto>
  #calls = 0

  constructor(functions: ReadonlyMap<string, FunctionProto>) {
    this.#functions = functions
  }

  inlineGraph(graph: GraphProto): void {
    graph.node = graph.node.flatMap((node) => this.#inlined(node))
  }

  #inlined(node: NodeProto): NodeProto[] {
    for (const { g } of node.attribute) if (g !== undefined) this.inlineGraph(g)
    const body = this.#functions.get(`${node.domain}.${node.opType}`)
    if (body === undefined) return [node]
    this.#calls += 1
    const names = namesInCall(body, node, `${body.name}.${this.#calls}/`)
    const attributes = attributesInCall(body, node)
    return body.node.flatMap((inner) => this.#inlined(bound(inner, names, attributes)))
  }
}

/** What a name of the body is called outside: the caller's names for inputs and outputs, a prefixed one for the rest. */
function namesInCall(body: FunctionProto, node: NodeProto, prefix: string): (name: string) => string {
  const given = new Map<string, string>()
  body.input.forEach((name, i) => {
    given.set(name, node.input[i] ?? '') // an optional input that the call left out stays left out
  })
  body.output.forEach((name, i) => {
    given.set(name, node.output[i] || `${prefix}${name}`)
  })
  return (name) => (name === '' ? '' : (given.get(name) ?? `${prefix}${name}`))
}

/** The call's attributes over the function's defaults. */
function attributesInCall(body: FunctionProto, node: NodeProto): ReadonlyMap<string, AttributeProto> {
  return new Map([...body.attributeProto, ...node.attribute].map((attribute) => [attribute.name, attribute]))
}

/** A body's node as it stands in one call. A reference to an attribute that nobody gave falls away, which means the inner default. */
function bound(node: NodeProto, names: (name: string) => string, attributes: ReadonlyMap<string, AttributeProto>): NodeProto {
  const copy = create(NodeProtoSchema, { opType: node.opType, domain: node.domain, input: node.input.map(names), output: node.output.map(names) })
  copy.attribute = node.attribute.flatMap((attribute) => boundAttribute(attribute, names, attributes))
  return copy
}

function boundAttribute(attribute: AttributeProto, names: (name: string) => string, attributes: ReadonlyMap<string, AttributeProto>): AttributeProto[] {
  if (attribute.refAttrName !== '') {
    const value = attributes.get(attribute.refAttrName)
    if (value === undefined) return []
    const named = clone(AttributeProtoSchema, value)
    named.name = attribute.name
    return [named]
  }
  if (attribute.g === undefined) return [attribute]
  const copy = clone(AttributeProtoSchema, attribute)
  copy.g = boundGraph(attribute.g, names, attributes)
  return [copy]
}

/** A subgraph sees the values around it, so its names change with theirs. */
function boundGraph(graph: GraphProto, names: (name: string) => string, attributes: ReadonlyMap<string, AttributeProto>): GraphProto {
  const copy = clone(GraphProtoSchema, graph)
  copy.node = graph.node.map((node) => bound(node, names, attributes))
  for (const value of [...copy.initializer, ...copy.input, ...copy.output, ...copy.valueInfo]) value.name = names(value.name)
  return copy
}
