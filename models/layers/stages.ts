/** The tensors between input and logits, by the names of the golden files: kept for whoever asks, or changed on their way. */
import type * as tf from '@tensorflow/tfjs'

/** Hands a stage's tensor over and returns the one to go on with. */
export type RecordStage = <T extends tf.Tensor>(name: string, value: T) => T

/**
 * Changes a stage before it is used: adds a watched zero to see its gradient, scales a bias, cuts an edge.
 *
 * name     'tokens', 'layer0.scores', 'layer1.bias', ...
 * returns  a tensor of the same shape, or `value` itself
 */
export type StageTap = (name: string, value: tf.Tensor) => tf.Tensor

/** Keeps no stage: for a network that is only run. */
export const recordNothing: RecordStage = (_name, value) => value

/** Records into `stages`, every name behind `prefix`, after the tap has had its say. */
export function stageRecorder(stages: Map<string, tf.Tensor>, tap: StageTap | undefined, prefix = ''): RecordStage {
  return <T extends tf.Tensor>(name: string, value: T): T => {
    const used = tap === undefined ? value : (tap(prefix + name, value) as T)
    stages.set(prefix + name, used)
    return used
  }
}
