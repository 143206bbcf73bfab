/** Our tensors in, TF.js variables out, and back: the door that every weight passes. */
import * as tf from '@tensorflow/tfjs'
import { type Tensor, tensorOf } from '../src/tensor/tensor.ts'

/** Trainable variables of the weights. Unnamed, since TF.js' names are global and two networks may live in one process. */
export function toVariables(weights: ReadonlyMap<string, Tensor>): Map<string, tf.Variable> {
  return new Map([...weights].map(([name, weight]) => [name, toVariable(weight)]))
}

function toVariable({ data, shape }: Tensor): tf.Variable {
  return tf.tidy(() => tf.variable(tf.tensor(data, [...shape]))) // tidy keeps a variable
}

/** Constant TF.js tensors of the weights; the caller disposes them. */
export function toTfTensors(weights: ReadonlyMap<string, Tensor>): Map<string, tf.Tensor> {
  return new Map([...weights].map(([name, { data, shape }]) => [name, tf.tensor(data, [...shape])]))
}

/** Copies of the tensors' values. */
export async function readTensors(tensors: ReadonlyMap<string, tf.Tensor>): Promise<Map<string, Tensor>> {
  const entries = [...tensors].map(async ([name, tensor]): Promise<[string, Tensor]> => [name, tensorOf(Float32Array.from(await tensor.data()), tensor.shape)])
  return new Map(await Promise.all(entries))
}

/** Writes values into variables of the same names and shapes, in place. */
export function assignVariables(variables: ReadonlyMap<string, tf.Variable>, values: ReadonlyMap<string, Tensor>): void {
  tf.tidy(() => {
    for (const [name, variable] of variables) {
      const value = values.get(name)
      if (value === undefined) throw new RangeError(`no value for ${name}`)
      variable.assign(tf.tensor(value.data, [...value.shape]))
    }
  })
}

export interface LossAndGradients {
  readonly loss: tf.Scalar
  /** By the weights' names; a weight that the loss does not depend on has none. */
  readonly gradients: ReadonlyMap<string, tf.Tensor>
}

/** The loss and its gradient to each variable. The caller disposes both; what `loss` makes on its way is freed here. */
export function lossAndGradients(variables: ReadonlyMap<string, tf.Variable>, loss: () => tf.Scalar): LossAndGradients {
  const { value, grads } = tf.variableGrads(loss, [...variables.values()])
  const gradients = new Map<string, tf.Tensor>()
  for (const [name, variable] of variables) {
    const gradient = grads[variable.name]
    if (gradient !== undefined && gradient !== null) gradients.set(name, gradient)
  }
  return { loss: value, gradients }
}
