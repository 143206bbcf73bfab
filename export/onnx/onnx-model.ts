/** The nouns of an ONNX file as far as our exporter writes them: nodes, tensors, functions, a model. Source: onnx.proto, ONNX 1.20, IR version 9. */

export const ELEMENT_TYPES = { float: 1, int32: 6, int64: 7, bool: 9, uint32: 12 } as const
export type ElementType = keyof typeof ELEMENT_TYPES

/** A constant. Data is row-major; int64 as BigInt64Array. */
export interface OnnxTensor {
  readonly name: string
  readonly type: ElementType
  readonly shape: readonly number[]
  readonly data: Float32Array | Int32Array | BigInt64Array | Uint32Array | Uint8Array
}

export type AttributeKind = 'float' | 'int' | 'string' | 'ints' | 'tensor'

/** A node's attribute; `reference` passes on an attribute of the function whose body holds the node. */
export type OnnxAttribute =
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'tensor'; readonly value: OnnxTensor }
  | { readonly kind: 'graph'; readonly value: OnnxGraph }
  | { readonly kind: 'reference'; readonly value: string; readonly of: AttributeKind }

export type OnnxAttributes = Readonly<Record<string, OnnxAttribute>>

export interface OnnxNode {
  readonly type: string
  readonly domain: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: OnnxAttributes
}

/** A graph's input or output; an axis is a size or a name. */
export interface OnnxValue {
  readonly name: string
  readonly type: ElementType
  readonly axes: readonly (number | string)[]
}

export interface OnnxGraph {
  readonly name: string
  readonly nodes: readonly OnnxNode[]
  readonly initializers: readonly OnnxTensor[]
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
}

/** An operation that brings its own body: a runtime with a kernel for it may use that, every other inlines the body. */
export interface OnnxFunction {
  readonly domain: string
  readonly name: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Attributes that each call must give. */
  readonly required: readonly string[]
  /** Attributes with the value that a call without them means. */
  readonly defaults: OnnxAttributes
  readonly nodes: readonly OnnxNode[]
  readonly doc: string
}

export interface OperatorSet {
  readonly domain: string
  readonly version: number
}

export interface OnnxModel {
  readonly ir: number
  readonly operatorSets: readonly OperatorSet[]
  readonly producer: string
  readonly graph: OnnxGraph
  readonly functions: readonly OnnxFunction[]
  readonly metadata: Readonly<Record<string, string>>
}

/** IR 9 is the oldest that ONNX Runtime runs with opset 20's single-node Gelu and LayerNormalization and that knows functions. */
export const IR_VERSION = 9
export const OPSET_VERSION = 20
