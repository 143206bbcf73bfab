/** Variables and their gradients in, the variables one step further out. Source: Loshchilov and Hutter, arXiv:1711.05101, algorithm 2. */
import * as tf from '@tensorflow/tfjs'
import { Problem } from '../src/domain/problem.ts'
import type { Tensor } from '../src/tensor/tensor.ts'
import type { WeightUpdates } from './backend/weight-updates.ts'

/** Weights that decay alike; a weight belongs to the first group that has it. */
export interface ParameterGroup {
  readonly name: string
  readonly weightDecay: number
  has(weight: string, shape: readonly number[]): boolean
}

export interface AdamWSettings {
  readonly groups: readonly ParameterGroup[]
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
}

/** The defaults of the paper on Adam, arXiv:1412.6980, algorithm 1. */
export const ADAM_DEFAULTS = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const

/**
 * Decay on the matrices of linear layers and of the patch convolution alone: none on biases, norms, positions, the class token, block
 * logits, the bias scale and cluster embeddings.
 */
export function decayOfMatrices(weightDecay: number): readonly ParameterGroup[] {
  return [
    { name: 'matrices', weightDecay, has: (weight, shape) => weight.endsWith('.weight') && shape.length > 1 },
    { name: 'others', weightDecay: 0, has: () => true },
  ]
}

/** The same decay on every weight, as in the authors' released code. */
export function decayOfEverything(weightDecay: number): readonly ParameterGroup[] {
  return [{ name: 'all', weightDecay, has: () => true }]
}

/** What a resumed run needs: the steps done and both moments of every weight. */
export interface AdamWState {
  readonly step: number
  readonly first: ReadonlyMap<string, Tensor>
  readonly second: ReadonlyMap<string, Tensor>
}

interface Slot {
  readonly weight: tf.Variable
  readonly group: string
  readonly weightDecay: number
  readonly first: tf.Variable
  readonly second: tf.Variable
}

/** AdamW with bias-corrected moments and decoupled decay: w := w (1 - learningRate x decay) - learningRate x m / (sqrt v + epsilon). */
export class AdamW {
  readonly #slots = new Map<string, Slot>()
  readonly #settings: AdamWSettings
  readonly #updates: WeightUpdates
  #step = 0

  /** Throws: RangeError where a weight is in no group: a programming fault. */
  constructor(weights: ReadonlyMap<string, tf.Variable>, settings: AdamWSettings, updates: WeightUpdates) {
    this.#settings = settings
    this.#updates = updates
    for (const [name, weight] of weights) {
      const group = settings.groups.find((candidate) => candidate.has(name, weight.shape))
      if (group === undefined) throw new RangeError(`${name} is in no parameter group`)
      this.#slots.set(name, { weight, group: group.name, weightDecay: group.weightDecay, first: zeroMoment(weight), second: zeroMoment(weight) })
    }
  }

  /** Steps done. */
  get step(): number {
    return this.#step
  }

  /** The names of each group's weights, for the training record. */
  groups(): ReadonlyMap<string, readonly string[]> {
    const names = new Map<string, string[]>(this.#settings.groups.map((group) => [group.name, []]))
    for (const [name, slot] of this.#slots) names.get(slot.group)?.push(name)
    return names
  }

  /**
   * One step; a weight without a gradient stays as it is, its moments too.
   *
   * gradientScale  what every gradient is multiplied by first; below 1 where the norm is clipped
   */
  apply(gradients: ReadonlyMap<string, tf.Tensor>, learningRate: number, gradientScale = 1): void {
    this.#step += 1
    const { beta1, beta2, epsilon } = this.#settings
    for (const [name, { weight, weightDecay, first, second }] of this.#slots) {
      const gradient = gradients.get(name)
      if (gradient === undefined) continue
      this.#updates.adamw(weight, gradient, first, second, { step: this.#step, learningRate, weightDecay, beta1, beta2, epsilon, gradientScale })
    }
  }

  /** A copy of the state; restored into an optimizer of the same weights, training goes on to the same bits. */
  async state(): Promise<AdamWState> {
    const copy = async (moment: 'first' | 'second'): Promise<ReadonlyMap<string, Tensor>> => {
      const entries = [...this.#slots].map(
        async ([name, slot]): Promise<[string, Tensor]> => [name, { shape: slot.weight.shape, data: Float32Array.from(await slot[moment].data()) }],
      )
      return new Map(await Promise.all(entries))
    }
    return { step: this.#step, first: await copy('first'), second: await copy('second') }
  }

  /** Throws: "checkpoint-invalid" where a moment is missing or of another shape. */
  restore(state: AdamWState): void {
    for (const [name, slot] of this.#slots) {
      assignMoment(slot.first, state.first.get(name), name)
      assignMoment(slot.second, state.second.get(name), name)
    }
    this.#step = state.step
  }

  /** Frees the moments; the weights stay. */
  dispose(): void {
    for (const { first, second } of this.#slots.values()) tf.dispose([first, second])
    this.#slots.clear()
  }
}

function zeroMoment(weight: tf.Variable): tf.Variable {
  return tf.tidy(() => tf.variable(tf.zeros(weight.shape), false))
}

function assignMoment(moment: tf.Variable, value: Tensor | undefined, name: string): void {
  if (value === undefined || value.shape.join() !== moment.shape.join()) {
    throw new Problem('checkpoint-invalid', `the optimizer's state does not fit ${name}`, {})
  }
  tf.tidy(() => moment.assign(tf.tensor(value.data, [...value.shape])))
}
