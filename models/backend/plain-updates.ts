/** The weight updates in TF.js' own operations: for every backend, and the reference of wasm-updates.ts. */
import * as tf from '@tensorflow/tfjs'
import type { AdamWStep, WeightUpdates } from './weight-updates.ts'

export const plainUpdates: WeightUpdates = { adamw, moveTowards, globalNorm }

function adamw(weight: tf.Variable, gradient: tf.Tensor, first: tf.Variable, second: tf.Variable, settings: AdamWStep): void {
  const { step, learningRate, weightDecay, beta1, beta2, epsilon, gradientScale } = settings
  tf.tidy(() => {
    const g = gradientScale === 1 ? gradient : tf.mul(gradient, gradientScale)
    first.assign(tf.add(tf.mul(first, beta1), tf.mul(g, 1 - beta1)))
    second.assign(tf.add(tf.mul(second, beta2), tf.mul(tf.square(g), 1 - beta2)))
    const root = tf.sqrt(tf.mul(second, 1 / (1 - beta2 ** step)))
    const change = tf.div(tf.mul(first, learningRate / (1 - beta1 ** step)), tf.add(root, epsilon))
    weight.assign(tf.sub(tf.mul(weight, 1 - learningRate * weightDecay), change))
  })
}

function moveTowards(averaged: tf.Variable, current: tf.Tensor, share: number): void {
  tf.tidy(() => averaged.assign(tf.add(averaged, tf.mul(tf.sub(current, averaged), share))))
}

async function globalNorm(gradients: readonly tf.Tensor[]): Promise<number> {
  const squares = tf.tidy(() => tf.stack(gradients.map((gradient) => tf.sum(tf.square(gradient)))))
  const values = await squares.data()
  squares.dispose()
  let sum = 0
  for (const value of values) sum += value
  return Math.sqrt(sum)
}
