/** Calls in, ONNX nodes in order out: a graph or a function's body is written as a program whose values are names. */
import type { OnnxAttribute, OnnxAttributes, OnnxNode, OnnxTensor } from './onnx-model.ts'

export const float = (value: number): OnnxAttribute => ({ kind: 'float', value })
export const int = (value: number): OnnxAttribute => ({ kind: 'int', value })
export const ints = (value: readonly number[]): OnnxAttribute => ({ kind: 'ints', value })
export const text = (value: string): OnnxAttribute => ({ kind: 'string', value })

/** The nodes of one graph or body. Values that nobody named are numbered, so equal programs give equal names. */
export class NodeList {
  readonly nodes: OnnxNode[] = []
  readonly #prefix: string
  #named = 0

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  /** The name of a standard operation's first output; `output` names it where a graph or function gives it away. */
  op(type: string, inputs: readonly string[], attributes: OnnxAttributes = {}, output: string = this.fresh(type)): string {
    this.nodes.push({ type, domain: '', inputs, outputs: [output], attributes })
    return output
  }

  /** An operation with several outputs, or of another domain. */
  call(node: OnnxNode): void {
    this.nodes.push(node)
  }

  /** A name that no other value of this list has. */
  fresh(hint: string): string {
    this.#named += 1
    return `${this.#prefix}${hint}_${this.#named}`
  }

  /** A float constant, [] */
  float(value: number): string {
    return this.constant({ name: '', type: 'float', shape: [], data: Float32Array.of(value) })
  }

  /** An int64 constant, [value] */
  ints(...values: readonly number[]): string {
    return this.constant({ name: '', type: 'int64', shape: [values.length], data: BigInt64Array.from(values, BigInt) })
  }

  /** An int64 constant, [] */
  int(value: number): string {
    return this.constant({ name: '', type: 'int64', shape: [], data: BigInt64Array.of(BigInt(value)) })
  }

  /** A uint32 constant, [] */
  uint32(value: number): string {
    return this.constant({ name: '', type: 'uint32', shape: [], data: Uint32Array.of(value) })
  }

  constant(value: OnnxTensor): string {
    return this.op('Constant', [], { value: { kind: 'tensor', value } })
  }

  /** A function's attribute as a value, [] */
  attribute(name: string, of: 'float' | 'int'): string {
    return this.op('Constant', [], { [of === 'float' ? 'value_float' : 'value_int']: { kind: 'reference', value: name, of } })
  }
}
