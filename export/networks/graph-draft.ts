/** A network's graph while it is being written: nodes, weights taken from a checkpoint, and the outputs that it declares. */
import type { Manifest } from '../../src/domain/manifest.ts'
import type { OutputName } from '../../src/domain/outputs.ts'
import { Problem } from '../../src/domain/problem.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'
import { int, NodeList } from '../onnx/node-list.ts'
import type { OnnxFunction, OnnxTensor, OnnxValue } from '../onnx/onnx-model.ts'

export type Weights = ReadonlyMap<string, Tensor>

export class GraphDraft {
  readonly nodes = new NodeList('')
  readonly initializers: OnnxTensor[] = []
  readonly inputs: OnnxValue[] = []
  readonly outputs: OnnxValue[] = []
  readonly functions: OnnxFunction[] = []
  readonly #weights: Weights
  readonly #declared = new Map<OutputName, { names: string[]; axes: readonly string[]; perLayer: boolean }>()

  constructor(weights: Weights) {
    this.#weights = weights
  }

  /**
   * A weight as the graph's constant, its name unchanged.
   *
   * Throws: "checkpoint-invalid" where the checkpoint lacks it; "shape-mismatch".
   */
  weight(name: string, shape: readonly number[]): string {
    return this.#initializer(name, shape, this.#tensor(name, shape).data)
  }

  /** A matrix [out, in] as the constant [in, out] that MatMul takes; named with the suffix ".transposed". */
  transposedWeight(name: string, out: number, inner: number): string {
    const { data } = this.#tensor(name, [out, inner])
    const transposed = Float32Array.from(data, (_, i) => data[(i % out) * inner + Math.floor(i / out)] ?? 0)
    return this.#initializer(`${name}.transposed`, [inner, out], transposed)
  }

  /** x W^T + b over the last axis; the weights are `${name}.weight` and `${name}.bias`. */
  linear(x: string, name: string, inner: number, out: number): string {
    const product = this.nodes.op('MatMul', [x, this.transposedWeight(`${name}.weight`, out, inner)])
    return this.nodes.op('Add', [product, this.weight(`${name}.bias`, [out])])
  }

  layerNorm(x: string, name: string, width: number, epsilon: number, output?: string): string {
    const inputs = [x, this.weight(`${name}.weight`, [width]), this.weight(`${name}.bias`, [width])]
    return this.nodes.op('LayerNormalization', inputs, { axis: int(-1), epsilon: { kind: 'float', value: epsilon } }, output)
  }

  /** Declares a value of the graph as an output. Axes are sizes, or 'batch'; `words` name them in the manifest. */
  output(output: OutputName, value: string, axes: readonly (number | string)[], words: readonly string[]): void {
    this.#declare(output, value, axes, words, false)
  }

  /** Declares one layer's part of an output that the reader stacks: the words get 'layer' behind the batch. */
  layerOutput(output: OutputName, value: string, axes: readonly (number | string)[], words: readonly string[]): void {
    const stacked = words[0] === 'batch' ? ['batch', 'layer', ...words.slice(1)] : ['layer', ...words]
    this.#declare(output, value, axes, stacked, true)
  }

  /** The manifest's table of outputs. */
  declaredOutputs(): Manifest['outputs'] {
    const entries = [...this.#declared].map(([output, { names, axes, perLayer }]) => [output, { name: perLayer ? names : (names[0] ?? ''), axes: [...axes] }])
    return Object.fromEntries(entries) as Manifest['outputs']
  }

  #declare(output: OutputName, value: string, axes: readonly (number | string)[], words: readonly string[], perLayer: boolean): void {
    const known = this.#declared.get(output) ?? { names: [], axes: words, perLayer }
    known.names.push(value)
    this.#declared.set(output, known)
    if (!this.outputs.some(({ name }) => name === value)) this.outputs.push({ name: value, type: 'float', axes })
  }

  #initializer(name: string, shape: readonly number[], data: Float32Array): string {
    if (!this.initializers.some((known) => known.name === name)) this.initializers.push({ name, type: 'float', shape, data })
    return name
  }

  #tensor(name: string, shape: readonly number[]): Tensor {
    const tensor = this.#weights.get(name)
    if (tensor === undefined) throw new Problem('checkpoint-invalid', `the checkpoint lacks ${name}`, {})
    if (tensor.shape.join() !== shape.join()) throw new Problem('shape-mismatch', `weight ${name}`, { expected: shape, actual: tensor.shape })
    return tensor
  }
}
