/** A described model in, the bytes of an ONNX file out. Field numbers: onnx.proto, ONNX 1.20. */
import {
  type AttributeKind,
  ELEMENT_TYPES,
  type OnnxAttribute,
  type OnnxAttributes,
  type OnnxFunction,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValue,
  type OperatorSet,
} from './onnx-model.ts'
import { ProtobufWriter } from './protobuf-writer.ts'

/** AttributeProto.AttributeType. */
const ATTRIBUTE_TYPES: Readonly<Record<AttributeKind | 'graph', number>> = { float: 1, int: 2, string: 3, tensor: 4, graph: 5, ints: 7 }

/** The file's bytes: equal models give equal bytes. Tensor data is raw and little-endian. */
export function encodeModel(model: OnnxModel): Uint8Array {
  const out = new ProtobufWriter().integer(1, model.ir).text(2, model.producer).message(7, graphMessage(model.graph))
  for (const set of model.operatorSets) out.message(8, operatorSetMessage(set))
  for (const [key, value] of Object.entries(model.metadata)) out.message(14, new ProtobufWriter().text(1, key).text(2, value))
  for (const body of model.functions) out.message(25, functionMessage(body, model.operatorSets))
  return out.finish()
}

function graphMessage(graph: OnnxGraph): ProtobufWriter {
  const out = new ProtobufWriter()
  for (const node of graph.nodes) out.message(1, nodeMessage(node))
  out.text(2, graph.name)
  for (const tensor of graph.initializers) out.message(5, tensorMessage(tensor))
  for (const input of graph.inputs) out.message(11, valueMessage(input))
  for (const output of graph.outputs) out.message(12, valueMessage(output))
  return out
}

function nodeMessage(node: OnnxNode): ProtobufWriter {
  const out = new ProtobufWriter()
  for (const input of node.inputs) out.text(1, input)
  for (const output of node.outputs) out.text(2, output)
  out.text(4, node.type)
  writeAttributes(out, 5, node.attributes)
  if (node.domain !== '') out.text(7, node.domain)
  return out
}

function writeAttributes(out: ProtobufWriter, field: number, attributes: OnnxAttributes): void {
  for (const [name, attribute] of Object.entries(attributes)) out.message(field, attributeMessage(name, attribute))
}

function attributeMessage(name: string, attribute: OnnxAttribute): ProtobufWriter {
  const out = new ProtobufWriter().text(1, name)
  switch (attribute.kind) {
    case 'float':
      out.float(2, attribute.value)
      break
    case 'int':
      out.integer(3, attribute.value)
      break
    case 'string':
      out.text(4, attribute.value)
      break
    case 'tensor':
      out.message(5, tensorMessage(attribute.value))
      break
    case 'graph':
      out.message(6, graphMessage(attribute.value))
      break
    case 'ints':
      for (const value of attribute.value) out.integer(8, value)
      break
    case 'reference':
      out.text(21, attribute.value)
      return out.integer(20, ATTRIBUTE_TYPES[attribute.of])
  }
  return out.integer(20, ATTRIBUTE_TYPES[attribute.kind])
}

function tensorMessage(tensor: OnnxTensor): ProtobufWriter {
  const out = new ProtobufWriter()
  for (const size of tensor.shape) out.integer(1, size)
  out.integer(2, ELEMENT_TYPES[tensor.type])
  if (tensor.name !== '') out.text(8, tensor.name)
  // Every machine that Node runs on is little-endian, as raw_data must be.
  return out.bytes(9, new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength))
}

function valueMessage(value: OnnxValue): ProtobufWriter {
  const shape = new ProtobufWriter()
  for (const axis of value.axes) shape.message(1, typeof axis === 'string' ? new ProtobufWriter().text(2, axis) : new ProtobufWriter().integer(1, axis))
  const tensorType = new ProtobufWriter().integer(1, ELEMENT_TYPES[value.type]).message(2, shape)
  return new ProtobufWriter().text(1, value.name).message(2, new ProtobufWriter().message(1, tensorType))
}

function operatorSetMessage(set: OperatorSet): ProtobufWriter {
  return new ProtobufWriter().text(1, set.domain).integer(2, set.version)
}

function functionMessage(body: OnnxFunction, operatorSets: readonly OperatorSet[]): ProtobufWriter {
  const out = new ProtobufWriter().text(1, body.name)
  for (const input of body.inputs) out.text(4, input)
  for (const output of body.outputs) out.text(5, output)
  for (const attribute of body.required) out.text(6, attribute)
  for (const node of body.nodes) out.message(7, nodeMessage(node))
  out.text(8, body.doc)
  for (const set of operatorSets) out.message(9, operatorSetMessage(set))
  out.text(10, body.domain)
  writeAttributes(out, 11, body.defaults)
  return out
}
