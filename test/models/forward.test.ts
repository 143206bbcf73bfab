/** The road of all three networks as a whole: what they share, what the structure adds, and each option of the configuration. */
import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, it } from 'vitest'
import { type ForwardOptions, forward } from '../../models/forward.ts'
import { initialWeights } from '../../models/initial-weights.ts'
import { plainPrimitives } from '../../models/layers/plain-primitives.ts'
import { classificationLoss } from '../../models/loss.ts'
import type { NetworkConfig } from '../../models/network-config.ts'
import { runNetwork } from '../../models/run-network.ts'
import { lossAndGradients, readTensors, toTfTensors, toVariables } from '../../models/variables.ts'
import { at, type Tensor } from '../../src/tensor/tensor.ts'
import { greatestDifference } from './support/attention-case.ts'
import { plainSbmAttention } from './support/plain-sbm-attention.ts'
import { loudWeights, smallDcmm, smallPixels, smallSbm, smallVit } from './support/small-network.ts'
import { TEST_BACKENDS, useBackend } from './support/use-backend.ts'

/** Float32 through three layers of values near 1. */
const CLOSE = 5e-6

const run = (config: NetworkConfig, pixels: Tensor, options: Partial<ForwardOptions> = {}): Promise<ReadonlyMap<string, Tensor>> =>
  runNetwork(config, initialWeights(config, 5), pixels, { primitives: plainPrimitives, ...options })
const logitsOf = async (config: NetworkConfig, pixels: Tensor, options: Partial<ForwardOptions> = {}): Promise<Float32Array> =>
  (await run(config, pixels, options)).get('logits')!.data
const regularizationOf = async (config: NetworkConfig): Promise<number> => (await run(config, smallPixels(config, 2))).get('regularization')!.data[0]!

describe.each(TEST_BACKENDS)('forward on %s', (backend) => {
  beforeAll(() => useBackend(backend))

  it('gives the three networks the same logits on the same weights once the structure is removed', async () => {
    const pixels = smallPixels(smallVit(), 2)
    const loudLogits = async (config: NetworkConfig, structure: 'as-trained' | 'removed'): Promise<Float32Array> =>
      (await runNetwork(config, loudWeights(config), pixels, { primitives: plainPrimitives, structure })).get('logits')!.data
    const plain = await loudLogits(smallVit(), 'as-trained')
    expect(await loudLogits(smallDcmm(), 'removed')).toEqual(plain)
    expect(await loudLogits(smallSbm(), 'removed')).toEqual(plain)
    expect(greatestDifference(await loudLogits(smallDcmm(), 'as-trained'), plain)).toBeGreaterThan(1e-3)
    expect(greatestDifference(await loudLogits(smallSbm(), 'as-trained'), plain)).toBeGreaterThan(1e-3)
  })

  it('answers as a plain network where an SBM masks the last layer alone and never the class token: such masks reach no logit', async () => {
    const pixels = smallPixels(smallVit(), 2)
    const loudLogits = async (config: NetworkConfig, options: Partial<ForwardOptions> = {}): Promise<Float32Array> =>
      (await runNetwork(config, loudWeights(config), pixels, { primitives: plainPrimitives, ...options })).get('logits')!.data
    const plain = await loudLogits(smallVit())
    const lastAlone = { structuredLayers: [2] }
    expect(greatestDifference(await loudLogits(smallSbm({ classTokenAlwaysOn: true }, lastAlone)), plain)).toBeLessThan(CLOSE)
    expect(greatestDifference(await loudLogits(smallSbm({ classTokenAlwaysOn: true }, lastAlone), { mask: { mode: 'sample', seeds: [1, 2] } }), plain)).toBeLessThan(CLOSE)
    expect(greatestDifference(await loudLogits(smallSbm({ classTokenAlwaysOn: false }, lastAlone)), plain)).toBeGreaterThan(1e-3)
  })

  it('adds nothing to the loss of a plain network or of one without its structure', async () => {
    expect(await regularizationOf(smallVit())).toBe(0)
    expect((await run(smallDcmm(), smallPixels(smallDcmm(), 1), { structure: 'removed' })).get('regularization')!.data[0]).toBe(0)
  })

  it('scales the membership entropy by its weight and sums it over the layers that carry the structure', async () => {
    const [one, ten, unweighted] = [
      await regularizationOf(smallDcmm({ entropyWeight: 0.1 })),
      await regularizationOf(smallDcmm({ entropyWeight: 1 })),
      await regularizationOf(smallDcmm({ entropyWeight: 0 })),
    ]
    expect(ten / one).toBeCloseTo(10, 4)
    expect(unweighted).toBe(0)
    // At initial weights memberships are nearly uniform, so each layer's entropy is nearly ln K.
    expect(await regularizationOf(smallDcmm({ entropyWeight: 1 }, { structuredLayers: [0, 1, 2] }))).toBeCloseTo(3 * Math.log(4), 2)
  })

  it('scales the density by its weight and averages it over the layers that carry the structure', async () => {
    const [one, ten] = [await regularizationOf(smallSbm({ densityWeight: 1e-3 })), await regularizationOf(smallSbm({ densityWeight: 1e-2 }))]
    expect(ten / one).toBeCloseTo(10, 4)
    const density = one / 1e-3
    expect(density).toBeGreaterThan(0.15)
    expect(density).toBeLessThan(0.4)
  })

  it.each([[[0]], [[1]], [[0, 2]]])('carries the structure in layers %j and in no other', async (structuredLayers) => {
    for (const [config, own] of [
      [smallDcmm({}, { structuredLayers }), 'membership'],
      [smallSbm({}, { structuredLayers }), 'mask'],
    ] as const) {
      const names = [...(await run(config, smallPixels(config, 1), { capture: true })).keys()]
      expect(names.filter((name) => name.endsWith(own)).sort()).toEqual(structuredLayers.map((layer) => `layer${layer}.${own}`))
      expect(names.filter((name) => name.endsWith('.attention')).sort()).toEqual(['layer0.attention', 'layer1.attention', 'layer2.attention'])
    }
  })

  it('captures stages of the shapes that the outputs of a bundle name', async () => {
    const stages = await run(smallDcmm(), smallPixels(smallDcmm(), 2), { capture: true })
    const shapeOf = (name: string): readonly number[] | undefined => stages.get(name)?.shape
    expect(shapeOf('tokens')).toEqual([2, 10, 12])
    expect(shapeOf('layer2.scores')).toEqual([2, 2, 10, 10])
    expect(shapeOf('layer2.membership')).toEqual([2, 2, 10, 4])
    expect(shapeOf('layer2.degree')).toEqual([2, 2, 10])
    expect(shapeOf('layer2.bias')).toEqual([2, 2, 10, 10])
    expect(shapeOf('layer2.block')).toEqual([2, 4, 4])
    expect(shapeOf('embedding')).toEqual([2, 12])
    expect(shapeOf('logits')).toEqual([2, 3])
  })

  it('sees the pixels next to a patch only where windows overlap', async () => {
    const tokensWith = async (patchOverlap: number, changedColumn: number): Promise<Float32Array> => {
      const config = smallVit({ patchOverlap })
      const pixels = smallPixels(config, 1)
      pixels.data[changedColumn]! += 1 // channel 0, row 0
      return (await run(config, pixels, { capture: true })).get('tokens')!.data.subarray(12, 24) // token 1, the first patch: columns 0 to 3
    }
    expect(await tokensWith(0, 4)).toEqual(await tokensWith(0, 8))
    expect(await tokensWith(2, 5)).not.toEqual(await tokensWith(2, 8))
    expect(await tokensWith(2, 6)).toEqual(await tokensWith(2, 8))
  })

  it('gives an image the same logits in any batch', async () => {
    const config = smallSbm()
    const both = smallPixels(config, 2)
    const alone = { shape: [1, 2, 12, 12], data: at(both, 1).data }
    const mask = (seeds: readonly number[]) => ({ mode: 'sample', seeds }) as const
    expect(greatestDifference(await logitsOf(config, alone, { mask: mask([9]) }), (await logitsOf(config, both, { mask: mask([4, 9]) })).subarray(3))).toBeLessThan(CLOSE)
  })

  it('S15: samples the same masks of every layer for a seed in a batch of one and of eight', async () => {
    const config = smallSbm()
    const many = smallPixels(config, 8)
    const seeds = Array.from({ length: 8 }, (_, i) => 31 * i)
    const together = await run(config, many, { mask: { mode: 'sample', seeds }, capture: true })
    const alone = await run(config, { shape: [1, 2, 12, 12], data: at(many, 5).data }, { mask: { mode: 'sample', seeds: [seeds[5]!] }, capture: true })
    for (const layer of [0, 1, 2]) expect(at(alone.get(`layer${layer}.mask`)!, 0).data).toEqual(at(together.get(`layer${layer}.mask`)!, 5).data)
  })

  it.each([16, 64, 128])('S10: starts with a mask density of .26 for %i communities', async (communities) => {
    const config = smallSbm({ communities, densityWeight: 1 }, { imageSize: 24, width: 64, classes: 2 })
    const density = (await run(config, smallPixels(config, 2), { mask: { mode: 'sample', seeds: [1, 2] } })).get('regularization')!.data[0]!
    expect(Math.abs(density - 0.26)).toBeLessThanOrEqual(0.02)
  })

  it('keeps the class token connected in every mask mode unless it is let go', async () => {
    const config = smallSbm({ selfLoop: true })
    const seeds = [3]
    for (const mask of [
      { mode: 'sample', seeds },
      { mode: 'threshold', tau: 2 },
      { mode: 'topP', rho: 0.1 },
      { mode: 'train-sample', runSeed: 1, step: 2 },
      { mode: 'expected' },
    ] as const) {
      const entries = (await run(config, smallPixels(config, 1), { mask, capture: true })).get('layer1.mask')!.data
      for (let n = 0; n < 100; n++) if (n % 10 === 0 || n < 10 || n % 11 === 0) expect(entries[n]).toBe(1)
    }
    const free = (await run(smallSbm({ classTokenAlwaysOn: false }), smallPixels(config, 1), { mask: { mode: 'threshold', tau: 2 }, capture: true })).get('layer1.mask')!.data
    expect(free.subarray(0, 10).reduce((sum, edge) => sum + edge, 0)).toBe(1)
  })

  it.each([{}, { classTokenAlwaysOn: false }, { selfLoop: true, straightThroughClip: 0.001, delta: 0.2 }])(
    'hands a fused SBM attention all that it needs to give the same loss and gradients, with %j',
    async (options) => {
      const config = smallSbm({ densityWeight: 0.5, ...options })
      const pixels = smallPixels(config, 3)
      const results = []
      for (const primitives of [plainPrimitives, { ...plainPrimitives, sbmAttention: plainSbmAttention }]) {
        const variables = toVariables(loudWeights(config))
        const { loss, gradients } = lossAndGradients(variables, () => {
          const { logits, regularization } = forward(config, variables, tf.tensor(pixels.data, [3, 2, 12, 12]) as tf.Tensor4D, {
            primitives,
            mask: { mode: 'train-sample', runSeed: 4, step: 9 },
          })
          return tf.add(classificationLoss(logits, tf.oneHot([0, 1, 2], 3) as tf.Tensor2D, 0.1), regularization)
        })
        results.push({ loss: (await loss.data())[0]!, gradients: await readTensors(gradients) })
      }
      const [plain, fused] = results
      expect(fused!.loss).toBeCloseTo(plain!.loss, 5)
      expect([...fused!.gradients.keys()].sort()).toEqual([...plain!.gradients.keys()].sort())
      for (const [name, gradient] of plain!.gradients) expect(greatestDifference(fused!.gradients.get(name)!.data, gradient.data), name).toBeLessThan(CLOSE)
    },
  )

  it('drops the same branches for the same seed and scales the others up', async () => {
    const config = smallVit()
    const pixels = smallPixels(config, 6)
    const dropped = await logitsOf(config, pixels, { dropPath: { rate: 0.5, seed: 1 } })
    expect(await logitsOf(config, pixels, { dropPath: { rate: 0.5, seed: 1 } })).toEqual(dropped)
    expect(greatestDifference(await logitsOf(config, pixels, { dropPath: { rate: 0.5, seed: 2 } }), dropped)).toBeGreaterThan(1e-4)
    expect(await logitsOf(config, pixels, { dropPath: { rate: 0, seed: 1 } })).toEqual(await logitsOf(config, pixels))
  })

  it('drops the attention and the MLP of a layer apart from each other', async () => {
    const config = smallVit({ depth: 1 })
    const image = smallPixels(config, 1)
    const batch = { shape: [40, 2, 12, 12], data: Float32Array.from({ length: 40 * 288 }, (_, n) => image.data[n % 288]!) }
    const found = await runNetwork(config, loudWeights(config), batch, { primitives: plainPrimitives, dropPath: { rate: 0.5, seed: 2 } })
    const outcomes = new Set(Array.from({ length: 40 }, (_, n) => found.get('logits')!.data[n * 3]!.toFixed(4)))
    expect(outcomes.size).toBe(4) // both kept, one or the other dropped, both dropped
  })

  it('refuses pixels of another size and weights that lack one, naming it', () => {
    const config = smallVit()
    const weights = toTfTensors(initialWeights(config, 1))
    const pixelsOf = (side: number): tf.Tensor4D => tf.zeros([1, 2, side, side])
    expect(() => forward(config, weights, pixelsOf(8), { primitives: plainPrimitives })).toThrow(
      expect.objectContaining({ code: 'shape-mismatch', facts: { expected: [1, 2, 12, 12], actual: [1, 2, 8, 8] } }),
    )
    weights.delete('blocks.1.mlp.fc1.bias')
    expect(() => forward(config, weights, pixelsOf(12), { primitives: plainPrimitives })).toThrow(
      expect.objectContaining({ code: 'checkpoint-invalid', message: expect.stringContaining('blocks.1.mlp.fc1.bias') }),
    )
  })

  it('leaves no tensor behind', async () => {
    const config = smallSbm()
    const before = tf.memory().numTensors
    await run(config, smallPixels(config, 2), { mask: { mode: 'train-sample', runSeed: 1, step: 0 }, capture: true })
    await run(config, smallPixels(config, 2), { mask: { mode: 'topP', rho: 0.5 } })
    expect(tf.memory().numTensors).toBe(before)
  })
})
