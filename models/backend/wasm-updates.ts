/** The weight updates on our wasm kernels: one pass over each tensor, in place. */
import type * as tf from '@tensorflow/tfjs'
import type { WasmKernels } from './wasm-kernels.ts'
import type { WeightUpdates } from './weight-updates.ts'

/** In place: a weight or moment whose memory another tensor shares is refused (Error), as that tensor would change too. */
export function wasmUpdates({ exports, address, ownAddress }: WasmKernels): WeightUpdates {
  return {
    adamw(weight, gradient, first, second, { step, learningRate, weightDecay, beta1, beta2, epsilon, gradientScale }): void {
      const rate = learningRate / (1 - beta1 ** step)
      const correction2 = 1 / (1 - beta2 ** step)
      const keep = 1 - learningRate * weightDecay
      exports.adamw(ownAddress(weight), address(gradient), ownAddress(first), ownAddress(second), weight.size, gradientScale, beta1, beta2, rate, correction2, epsilon, keep)
    },
    moveTowards(averaged, current, share): void {
      exports.moveTowards(ownAddress(averaged), address(current), averaged.size, share)
    },
    async globalNorm(gradients: readonly tf.Tensor[]): Promise<number> {
      return Math.sqrt(gradients.reduce((sum, gradient) => sum + exports.sumOfSquares(address(gradient), gradient.size), 0))
    },
  }
}
