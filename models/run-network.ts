/** Weights and pixels in, logits and stages out as our own tensors: the door for whoever must not see TF.js. */
import * as tf from '@tensorflow/tfjs'
import type { Tensor } from '../src/tensor/tensor.ts'
import { type ForwardOptions, forward } from './forward.ts'
import type { NetworkConfig } from './network-config.ts'
import { readTensors, toTfTensors } from './variables.ts'

/**
 * The logits, and with `capture` every stage, of a batch.
 *
 * pixels   [batch, channel, height, width], normalized
 * returns  by name: logits, regularization, and the stages of `ForwardResult`
 *
 * Throws: as `forward`.
 */
export async function runNetwork(config: NetworkConfig, weights: ReadonlyMap<string, Tensor>, pixels: Tensor, options: ForwardOptions): Promise<Map<string, Tensor>> {
  const tfWeights = toTfTensors(weights)
  const input = tf.tensor(pixels.data, [...pixels.shape])
  const outputs = tf.tidy(() => {
    const { logits, regularization, stages } = forward(config, tfWeights, input as tf.Tensor4D, options)
    return { ...Object.fromEntries(stages), logits, regularization } // an object, since tidy does not look into a Map
  })
  try {
    return await readTensors(new Map<string, tf.Tensor>(Object.entries(outputs)))
  } finally {
    tf.dispose([...tfWeights.values(), input, ...Object.values(outputs)])
  }
}
