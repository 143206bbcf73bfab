/** What an optimizer does to one weight tensor a step, so that a backend may do it in one pass over the memory. */
import type * as tf from '@tensorflow/tfjs'

/** The numbers of one AdamW step, the same for all weights but for `weightDecay`. */
export interface AdamWStep {
  /** From 1. */
  readonly step: number
  readonly learningRate: number
  readonly weightDecay: number
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  /** What the gradient is multiplied by first: below 1 where the norm is clipped. */
  readonly gradientScale: number
}

export interface WeightUpdates {
  /** AdamW with decoupled decay (arXiv:1711.05101, algorithm 2); weight and both moments change. */
  adamw(weight: tf.Variable, gradient: tf.Tensor, first: tf.Variable, second: tf.Variable, step: AdamWStep): void
  /** averaged := averaged + share (current - averaged) */
  moveTowards(averaged: tf.Variable, current: tf.Tensor, share: number): void
  /** The Euclidean norm of all gradients together. */
  globalNorm(gradients: readonly tf.Tensor[]): Promise<number>
}
