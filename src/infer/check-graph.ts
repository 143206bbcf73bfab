/**
 * A graph's bytes in, the parsed graph out, or the reason why no runtime will ever see it. ONNX files have carried paths to other files
 * (CVE-2022-25882 and its successors): here a graph is one piece of bytes that refers to nothing outside itself.
 */
import { createHash } from 'node:crypto'
import { fromBinary } from '@bufbuild/protobuf'
import {
  type AttributeProto,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProto_DataType,
} from 'onnx-buf'
import { Problem } from '../domain/problem.ts'

/** Why a bundle was refused: the fact `reason` of "bundle-refused". Each is explained in docs/bundle.md. */
export const REFUSAL_REASONS = [
  'file-missing',
  'file-not-plain',
  'file-too-large',
  'hash-mismatch',
  'signature-missing',
  'signature-invalid',
  'unparseable',
  'ir-version',
  'operator-set',
  'unknown-domain',
  'unknown-operation',
  'function-missing',
  'function-recursive',
  'external-data',
  'sparse-tensor',
  'tensor-type',
  'tensor-size',
  'nesting',
  'training-info',
  'input-mismatch',
  'output-mismatch',
  'runtime',
] as const
export type RefusalReason = (typeof REFUSAL_REASONS)[number]

export function refuse(reason: RefusalReason, detail: string, cause?: unknown): Problem<'bundle-refused'> {
  return new Problem('bundle-refused', detail, { reason }, cause)
}

/** Throws: "bundle-refused" where the bytes are not those that the manifest names. */
export function checkHash(bytes: Uint8Array, sha256: string): void {
  if (createHash('sha256').update(bytes).digest('hex') !== sha256) throw refuse('hash-mismatch', "a graph's SHA-256 is not the manifest's")
}

export const COMMUNITY_DOMAIN = 'org.attending.community'
const COMMUNITY_VERSION = 1
const COMMUNITY_OPERATIONS = ['DegreeCorrectedMixedMembershipAttention', 'StochasticBlockAttention', 'CounterUniform']
const STANDARD_DOMAINS = ['', 'ai.onnx']

/** What ONNX Runtime 1.30 was seen to run; outside it a graph's meaning isn't known here. */
const IR_VERSIONS = { lowest: 3, highest: 13 }
const OPSET_VERSIONS = { lowest: 8, highest: 26 }
/** Bytes; protobuf itself ends at 2 GiB. */
const LARGEST_GRAPH = 1 << 30
const DEEPEST_NESTING = 8

/** Values of a tensor that a graph may ask for by a constant shape: more than any network here has in one layer. */
const LARGEST_MADE_TENSOR = 1n << 28n
/** Operations that make a tensor as large as an input says, by the index of that input. */
const SHAPE_INPUTS: Readonly<Record<string, number>> = { ConstantOfShape: 0, Expand: 1, Reshape: 1, Tile: 1 }

/** Bytes of one element, for the types that a served graph may store. */
const ELEMENT_BYTES: ReadonlyMap<number, number> = new Map([
  [TensorProto_DataType.FLOAT, 4],
  [TensorProto_DataType.UINT8, 1],
  [TensorProto_DataType.INT8, 1],
  [TensorProto_DataType.INT32, 4],
  [TensorProto_DataType.INT64, 8],
  [TensorProto_DataType.BOOL, 1],
  [TensorProto_DataType.FLOAT16, 2],
  [TensorProto_DataType.DOUBLE, 8],
  [TensorProto_DataType.UINT32, 4],
  [TensorProto_DataType.UINT64, 8],
])

/**
 * The graph, parsed, after every rule of this file was held against it, inside subgraphs and functions too.
 *
 * Throws: "bundle-refused" with a reason of REFUSAL_REASONS.
 */
export function checkGraph(bytes: Uint8Array): ModelProto {
  if (bytes.length > LARGEST_GRAPH) throw refuse('file-too-large', `the graph has ${bytes.length} bytes, at most ${LARGEST_GRAPH} are taken`)
  const model = parse(bytes)
  checkVersions(model)
  if (model.graph === undefined) throw refuse('unparseable', 'the file holds no graph')
  if (model.trainingInfo.length > 0) throw refuse('training-info', 'the file carries a training graph')
  checkFunctions(model.functions)
  const checker = new Checker(bytes.length, new Set(model.functions.map(({ name }) => name)))
  for (const { node } of model.functions) {
    checker.checkNodes(node, 0)
    checkMadeTensors(node, [])
  }
  checker.checkGraph(model.graph, 0)
  return model
}

function parse(bytes: Uint8Array): ModelProto {
  try {
    return fromBinary(ModelProtoSchema, bytes)
  } catch (cause) {
    throw refuse('unparseable', 'the file is no ONNX protobuf', cause)
  }
}

function checkVersions(model: ModelProto): void {
  const ir = Number(model.irVersion)
  if (ir < IR_VERSIONS.lowest || ir > IR_VERSIONS.highest) throw refuse('ir-version', `IR version ${ir}, supported are ${IR_VERSIONS.lowest} to ${IR_VERSIONS.highest}`)
  const standard = model.opsetImport.filter(({ domain }) => STANDARD_DOMAINS.includes(domain))
  if (standard.length === 0) throw refuse('operator-set', 'the file names no version of the standard operator set')
  for (const { domain, version } of model.opsetImport) checkOperatorSet(domain, Number(version))
  for (const { opsetImport } of model.functions) for (const { domain, version } of opsetImport) checkOperatorSet(domain, Number(version))
}

function checkOperatorSet(domain: string, version: number): void {
  if (STANDARD_DOMAINS.includes(domain)) {
    if (version < OPSET_VERSIONS.lowest || version > OPSET_VERSIONS.highest) {
      throw refuse('operator-set', `operator set ${version}, supported are ${OPSET_VERSIONS.lowest} to ${OPSET_VERSIONS.highest}`)
    }
  } else if (domain === COMMUNITY_DOMAIN && version !== COMMUNITY_VERSION) {
    throw refuse('operator-set', `${COMMUNITY_DOMAIN} version ${version}, supported is ${COMMUNITY_VERSION}`)
  }
}

function checkFunctions(functions: readonly FunctionProto[]): void {
  for (const { domain, name } of functions) {
    if (domain !== COMMUNITY_DOMAIN) throw refuse('unknown-domain', 'the file defines a function of a domain that is not known here')
    if (!COMMUNITY_OPERATIONS.includes(name)) throw refuse('unknown-operation', `the file defines a function that ${COMMUNITY_DOMAIN} does not have`)
  }
  const calls = new Map(functions.map(({ name, node }) => [name, node.filter(({ domain }) => domain === COMMUNITY_DOMAIN).map(({ opType }) => opType)]))
  for (const name of calls.keys()) if (reaches(calls, name, name, new Set())) throw refuse('function-recursive', `${name} calls itself`)
}

function reaches(calls: ReadonlyMap<string, readonly string[]>, from: string, goal: string, seen: Set<string>): boolean {
  return (calls.get(from) ?? []).some((next) => {
    if (next === goal) return true
    if (seen.has(next)) return false
    seen.add(next)
    return reaches(calls, next, goal, seen)
  })
}

/** The rules for nodes and tensors, wherever they stand. */
class Checker {
  readonly #fileBytes: number
  readonly #functions: ReadonlySet<string>

  constructor(fileBytes: number, functions: ReadonlySet<string>) {
    this.#fileBytes = fileBytes
    this.#functions = functions
  }

  checkGraph(graph: GraphProto, depth: number): void {
    if (depth > DEEPEST_NESTING) throw refuse('nesting', `subgraphs are nested deeper than ${DEEPEST_NESTING}`)
    if (graph.sparseInitializer.length > 0) throw refuse('sparse-tensor', 'the graph holds a sparse initializer')
    for (const tensor of graph.initializer) this.checkTensor(tensor)
    this.checkNodes(graph.node, depth)
    checkMadeTensors(graph.node, graph.initializer)
  }

  checkNodes(nodes: readonly NodeProto[], depth: number): void {
    for (const node of nodes) {
      this.checkOperation(node)
      for (const attribute of node.attribute) this.checkAttribute(attribute, depth)
    }
  }

  checkOperation({ domain, opType }: NodeProto): void {
    if (STANDARD_DOMAINS.includes(domain)) return
    if (domain !== COMMUNITY_DOMAIN) throw refuse('unknown-domain', 'the graph calls an operation of a domain that is not known here')
    if (!COMMUNITY_OPERATIONS.includes(opType)) throw refuse('unknown-operation', `the graph calls an operation that ${COMMUNITY_DOMAIN} does not have`)
    if (!this.#functions.has(opType)) throw refuse('function-missing', `the graph calls ${opType} without bringing its body`)
  }

  checkAttribute(attribute: AttributeProto, depth: number): void {
    if (attribute.sparseTensor !== undefined || attribute.sparseTensors.length > 0) throw refuse('sparse-tensor', 'a node holds a sparse tensor')
    if (attribute.t !== undefined) this.checkTensor(attribute.t)
    for (const tensor of attribute.tensors) this.checkTensor(tensor)
    if (attribute.g !== undefined) this.checkGraph(attribute.g, depth + 1)
    for (const graph of attribute.graphs) this.checkGraph(graph, depth + 1)
  }

  checkTensor(tensor: TensorProto): void {
    if (tensor.externalData.length > 0 || tensor.dataLocation === TensorProto_DataLocation.EXTERNAL) throw refuse('external-data', 'a tensor keeps its data in another file')
    const elementBytes = ELEMENT_BYTES.get(tensor.dataType)
    if (elementBytes === undefined) throw refuse('tensor-type', `a tensor of element type ${tensor.dataType}`)
    if (tensor.dims.some((size) => size < 0n)) throw refuse('tensor-size', 'a tensor has a negative size')
    const elements = tensor.dims.reduce((product, size) => product * size, 1n)
    if (elements * BigInt(elementBytes) > BigInt(this.#fileBytes)) throw refuse('tensor-size', 'a tensor is larger than the file that holds it')
    if (tensor.rawData.length > 0 && BigInt(tensor.rawData.length) !== elements * BigInt(elementBytes)) throw refuse('tensor-size', "a tensor's data does not fill its shape")
  }
}

/** A few bytes of shape can ask for terabytes: what a constant shape says is held to a limit. Shapes that are computed are not known here. */
function checkMadeTensors(nodes: readonly NodeProto[], initializers: readonly TensorProto[]): void {
  const constants = nodes.flatMap(({ opType, output, attribute }) =>
    opType === 'Constant' ? attribute.flatMap(({ t }) => (t === undefined ? [] : [[output[0] ?? '', t] as const])) : [],
  )
  const shapes = new Map([...initializers.map((tensor) => [tensor.name, tensor] as const), ...constants])
  for (const { opType, input } of nodes) {
    const shape = shapes.get(input[SHAPE_INPUTS[opType] ?? -1] ?? '')
    const product = shape === undefined ? 0n : integersOf(shape).reduce((size, axis) => size * axis, 1n)
    if (product > LARGEST_MADE_TENSOR) throw refuse('tensor-size', `${opType} asks for a tensor of ${product} values`)
  }
}

/** The values of an int64 tensor; none for other types. */
function integersOf({ dataType, rawData, int64Data }: TensorProto): readonly bigint[] {
  if (dataType !== TensorProto_DataType.INT64) return []
  if (rawData.length === 0) return int64Data
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength)
  return Array.from({ length: Math.floor(rawData.length / 8) }, (_, i) => view.getBigInt64(8 * i, true))
}
