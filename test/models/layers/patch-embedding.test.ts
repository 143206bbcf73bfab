import * as tf from '@tensorflow/tfjs'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { patchEmbedding, patchWindows } from '../../../models/layers/patch-embedding.ts'
import { plainPrimitives } from '../../../models/layers/plain-primitives.ts'
import { weightsUnder } from '../../../models/layers/weight-of.ts'
import { generated, greatestDifference } from '../support/attention-case.ts'
import { TEST_BACKENDS, useBackend } from '../support/use-backend.ts'

/** Whole numbers from -3 to 3: every sum below 2^24 is exact in float32, in whatever order it is taken. */
const wholeNumbers = (shape: [number, number, number, number], start: number): tf.Tensor4D => tf.round(tensorOf(shape, start).mul(3)) as tf.Tensor4D

const tensorOf = (shape: [number, number, number, number], start: number): tf.Tensor4D => tf.tensor4d(generated(shape, start).data, shape)

function embed(pixels: tf.Tensor4D, kernel: tf.Tensor4D, bias: tf.Tensor1D, patchSize: number, overlap: number): tf.Tensor3D {
  const weights = new Map<string, tf.Tensor>([
    ['proj.weight', kernel],
    ['proj.bias', bias],
  ])
  return patchEmbedding(pixels, patchSize, overlap, weightsUnder(weights), plainPrimitives)
}

/** The same by TF.js' own convolution, which pads and strides by itself: [batch, patch, width]. */
function convolve(pixels: tf.Tensor4D, kernel: tf.Tensor4D, bias: tf.Tensor1D, patchSize: number, overlap: number): tf.Tensor3D {
  const nhwc = tf.transpose(pixels, [0, 2, 3, 1]) as tf.Tensor4D
  const padded = tf.pad(nhwc, [
    [0, 0],
    [overlap, overlap],
    [overlap, overlap],
    [0, 0],
  ])
  const filter = tf.transpose(kernel, [2, 3, 1, 0]) as tf.Tensor4D // [height, width, in, out]
  const image = tf.add(tf.conv2d(padded as tf.Tensor4D, filter, patchSize, 'valid'), bias) // [batch, gridRow, gridColumn, width]
  const [batch = 0, rows = 0, columns = 0, width = 0] = image.shape
  return tf.reshape(image, [batch, rows * columns, width])
}

describe.each(TEST_BACKENDS)('the patch embedding on %s', (backend) => {
  beforeAll(() => useBackend(backend))

  it('equals a convolution with the patch as its stride, for any overlap, channels and grid', async () => {
    const cases = fc.record({
      patchSize: fc.integer({ min: 1, max: 4 }),
      grid: fc.integer({ min: 1, max: 4 }),
      overlap: fc.integer({ min: 0, max: 9 }),
      channels: fc.integer({ min: 1, max: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(cases, async ({ patchSize, grid, overlap, channels }) => {
        const side = patchSize + 2 * overlap
        const pixels = wholeNumbers([2, channels, patchSize * grid, patchSize * grid], 0.4)
        const kernel = wholeNumbers([5, channels, side, side], 1.3)
        const bias = tf.tensor1d([1, -2, 3, 0, 7])
        const [found, expected] = [embed(pixels, kernel, bias, patchSize, overlap), convolve(pixels, kernel, bias, patchSize, overlap)]
        expect(found.shape).toEqual([2, grid * grid, 5])
        expect(greatestDifference(await found.data(), await expected.data())).toBe(0)
      }),
      { numRuns: 25 },
    )
  })

  it('shows windows of 1 + 2 x 1 pixels on a 2 x 2 image as they are drawn on paper', async () => {
    const windows = patchWindows(tf.tensor4d([1, 2, 3, 4], [1, 1, 2, 2]), 1, 1)
    expect([...(await windows.data())]).toEqual([...[0, 0, 0, 0, 1, 2, 0, 3, 4], ...[0, 0, 0, 1, 2, 0, 3, 4, 0], ...[0, 1, 2, 0, 3, 4, 0, 0, 0], ...[1, 2, 0, 3, 4, 0, 0, 0, 0]])
  })

  it('has the gradient of its linear form for kernel, bias and pixels', async () => {
    const [pixels, kernel, bias] = [tensorOf([1, 2, 6, 6], 0.4), tensorOf([3, 2, 6, 6], 1.3), tf.tensor1d([0.1, 0.2, 0.3])]
    const target = tf.tensor3d(generated([1, 9, 3], 2.2).data, [1, 9, 3])
    const loss = (p: tf.Tensor, k: tf.Tensor, b: tf.Tensor): tf.Scalar => tf.sum(tf.mul(embed(p as tf.Tensor4D, k as tf.Tensor4D, b as tf.Tensor1D, 2, 2), target))
    const gradients = tf.grads(loss)([pixels, kernel, bias])
    // The embedding is linear: <gradient, direction> is the change itself, to float32's precision.
    const directions = [tensorOf([1, 2, 6, 6], 5), tensorOf([3, 2, 6, 6], 3), tf.tensor1d([1, -2, 0.5])] as const
    const inputs = [pixels, kernel, bias] as const
    for (const index of [0, 1, 2] as const) {
      const moved = inputs.map((input, i) => (i === index ? tf.add(input, directions[index]) : input)) as [tf.Tensor, tf.Tensor, tf.Tensor]
      const change = (await tf.sub(loss(...moved), loss(...inputs)).data())[0]!
      const predicted = (await tf.sum(tf.mul(gradients[index]!, directions[index])).data())[0]!
      expect(Math.abs(change - predicted)).toBeLessThan(1e-3)
      expect(Math.abs(predicted)).toBeGreaterThan(0.01)
    }
  })
})
