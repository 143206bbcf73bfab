import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, it } from 'vitest'
import { type ChosenBackend, chooseBackend } from '../../../models/backend/choose-backend.ts'
import { forward } from '../../../models/forward.ts'
import { plainPrimitives } from '../../../models/layers/plain-primitives.ts'
import { encode, encoderOf, initialPretrainingWeights, positionsOf, reconstructionLoss } from '../../../models/pretraining/masked-autoencoder.ts'
import { maskedBatch } from '../../../models/pretraining/masked-batch.ts'
import { unlabeledImages } from '../../../models/pretraining/unlabeled-images.ts'
import { lossAndGradients, readTensors, toTfTensors, toVariables } from '../../../models/variables.ts'
import { syntheticData } from '../support/synthetic-data.ts'
import { SMALL_RECIPE } from './small-recipe.ts'

const data = unlabeledImages([syntheticData({ train: 6, validation: 2, test: 2, side: 16 })], 'train', { side: 16, channels: 1 })
const weights = initialPretrainingWeights(SMALL_RECIPE, 1)

let backend: ChosenBackend
beforeAll(async () => {
  backend = await chooseBackend('wasm')
})

describe('the masked autoencoder', () => {
  it('with every patch visible encodes as the network does that starts from it, whatever the order of the patches', async () => {
    const recipe = { ...SMALL_RECIPE, hiddenShare: 0 }
    const batch = maskedBatch(data, { recipe, images: Uint32Array.of(0, 3), seed: 1, epoch: null })
    const encoded = encode(recipe, toTfTensors(weights), batch, backend.primitives)
    const classTokens = await tf.slice(encoded, [0, 0, 0], [2, 1, 16]).data()

    const { normalization } = data.sources[0] ?? expect.fail('a source')
    const pixels = [0, 3].flatMap((image) =>
      Array.from(data.images.subarray(image * 256, image * 256 + 256), (value) => (value / 255 - (normalization.mean[0] ?? 0)) / (normalization.deviation[0] ?? 1)),
    )
    const { stages } = forward(recipe.network, toTfTensors(encoderOf(recipe, weights)), tf.tensor4d(pixels, [2, 1, 16, 16]), { primitives: backend.primitives, capture: true })
    const expected = (await stages.get('embedding')?.data()) ?? expect.fail('an embedding')
    classTokens.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 4)
    })
  })

  it('has the same gradients on the fused kernels as in plain operations', async () => {
    const batch = maskedBatch(data, { recipe: SMALL_RECIPE, images: Uint32Array.of(0, 1, 2), seed: 1, epoch: 0 })
    const gradientsOf = async (primitives: ChosenBackend['primitives']) => {
      const variables = toVariables(weights)
      return readTensors(lossAndGradients(variables, () => reconstructionLoss(SMALL_RECIPE, variables, batch, primitives)).gradients)
    }
    const [fused, plain] = [await gradientsOf(backend.primitives), await gradientsOf(plainPrimitives)]
    expect([...fused.keys()].sort()).toEqual([...weights.keys()].sort())
    for (const [name, { data: values }] of fused) {
      const expected = plain.get(name)?.data ?? expect.fail(name)
      const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6)
      values.forEach((value, i) => {
        expect(Math.abs(value - (expected[i] ?? 0)), name).toBeLessThanOrEqual(1e-4 * largest + 1e-7)
      })
    }
  })

  it('has an error of 1 where it guesses the mean of each patch', async () => {
    const batch = maskedBatch(data, { recipe: SMALL_RECIPE, images: Uint32Array.of(0, 1, 2, 3, 4, 5), seed: 1, epoch: 0 })
    const [loss] = await reconstructionLoss(
      SMALL_RECIPE,
      toTfTensors(new Map([...weights, ['decoder.pixels.weight', { shape: [16, 16], data: new Float32Array(256) }]])),
      batch,
      backend.primitives,
    ).data()
    expect(loss).toBeCloseTo(1, 2)
  })
})

describe('positionsOf', () => {
  it('tells every patch apart and leaves the class token at 0', () => {
    const positions = positionsOf(SMALL_RECIPE.network, 16)
    const rows = Array.from({ length: 17 }, (_, token) => positions.subarray(16 * token, 16 * token + 16).join())
    expect(new Set(rows).size).toBe(17)
    expect(positions.subarray(0, 16).every((value) => value === 0)).toBe(true)
    // patch (0, 1): row 0 has sines of 0 and cosines of 0; column 1 sines and cosines of 1
    expect(positions[2 * 16]).toBe(0)
    expect(positions[2 * 16 + 4]).toBe(1)
    expect(positions[2 * 16 + 8]).toBeCloseTo(Math.sin(1), 6)
    expect(positions[2 * 16 + 12]).toBeCloseTo(Math.cos(1), 6)
  })
})
