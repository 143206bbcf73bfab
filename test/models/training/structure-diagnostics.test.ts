import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, it } from 'vitest'
import { forward } from '../../../models/forward.ts'
import { plainPrimitives } from '../../../models/layers/plain-primitives.ts'
import type { NetworkConfig } from '../../../models/network-config.ts'
import { evaluationPixels } from '../../../models/training/network-logits.ts'
import { deadReason, diagnoseDcmm, diagnoseStructure, type SbmDiagnostics } from '../../../models/training/structure-diagnostics.ts'
import { toTfTensors } from '../../../models/variables.ts'
import { type Tensor, tensorOf } from '../../../src/tensor/tensor.ts'
import { loudWeights, smallSbm } from '../support/small-network.ts'
import { syntheticData } from '../support/synthetic-data.ts'
import { useBackend } from '../support/use-backend.ts'

describe('diagnoseDcmm', () => {
  // One image, one head, three tokens, two communities.
  const degree = tensorOf(Float32Array.of(0, 1, 2), [1, 1, 3])
  const bias = tensorOf(Float32Array.of(0, 3, 6, 9, 9, 9, 9, 9, 9), [1, 1, 3, 3])
  const membership = tensorOf(Float32Array.of(0.5, 0.5, 0.9, 0.1, 0.1, 0.9), [1, 1, 3, 2])

  it('meets figures worked by hand', () => {
    const figures = diagnoseDcmm(4, degree, bias, membership)
    expect(figures).toMatchObject({ layer: 4, zeroDegreeShare: 1 / 3, meanDegree: 1, largestClassTokenBias: 6, distinctCommunities: 2 })
    expect(figures.classTokenBiasSpread).toBeCloseTo(Math.sqrt(6), 6) // of 0, 3, 6
    expect(figures.effectiveCommunities).toBeCloseTo(2, 6) // the mean membership is even
    expect(figures.membershipConfidence).toBeCloseTo((0.5 + 0.9 + 0.9) / 3, 6)
  })

  it('tells a collapse: every token in one community', () => {
    const collapsed = tensorOf(Float32Array.of(1, 0, 1, 0, 1, 0), [1, 1, 3, 2])
    expect(diagnoseDcmm(4, degree, bias, collapsed)).toMatchObject({ effectiveCommunities: 1, distinctCommunities: 1, membershipConfidence: 1 })
  })

  it('tells a dead structure: every degree zero', () => {
    expect(diagnoseDcmm(4, tensorOf(new Float32Array(3), [1, 1, 3]), tensorOf(new Float32Array(9), [1, 1, 3, 3]), membership)).toMatchObject({
      zeroDegreeShare: 1,
      largestClassTokenBias: 0,
    })
  })
})

describe('diagnoseStructure of an SBM', () => {
  beforeAll(() => useBackend('cpu'))

  const data = syntheticData({ train: 4, validation: 5, test: 1, side: 12 })
  const request = { data, split: 'validation', normalization: { mean: [0.4], deviation: [0.3] } } as const

  /** Of each head and image: the probabilities of the edges that are not forced, with delta added, in float64. */
  const freeEdges = (config: NetworkConfig, weights: ReadonlyMap<string, Tensor>) => {
    const { tokens, heads, probability } = tf.tidy(() => {
      const { stages } = forward(config, toTfTensors(weights), evaluationPixels(request, 0, 5), { primitives: plainPrimitives, capture: true })
      const stage = stages.get('layer1.edgeProbability') ?? expect.fail('a stage')
      const [, heads = 0, tokens = 0] = stage.shape
      return { heads, tokens, probability: [...stage.dataSync()] }
    })
    const edges = Array.from({ length: 5 * heads }, (_, i) => probability.slice(i * tokens * tokens, (i + 1) * tokens * tokens))
    const free = edges.map((all) => all.filter((_, at) => at >= tokens && at % tokens > 0).map((p) => Math.min(1, p + (config.sbm?.delta ?? 0))))
    return { heads, probability, free }
  }
  /** The weights of loadings and affinity times `factor`: 0 makes every edge as likely, much tells edges apart. */
  const clustersTimes = (factor: number, config: NetworkConfig): ReadonlyMap<string, Tensor> =>
    new Map(
      [...loudWeights(config)].map(([name, tensor]) => [
        name,
        name.includes('cluster')
          ? tensorOf(
              tensor.data.map((value) => value * factor),
              tensor.shape,
            )
          : tensor,
      ]),
    )
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

  it('meets densities and spreads that are counted edge by edge', async () => {
    const config = smallSbm({}, { imageSize: 12, channels: 1 })
    const weights = clustersTimes(20, config)
    const { heads, probability, free } = freeEdges(config, weights)
    const tensors = toTfTensors(weights)
    const layer = (await diagnoseStructure(config, tensors, request, plainPrimitives)).find((each) => each.layer === 1) as SbmDiagnostics
    tf.dispose([...tensors.values()])
    expect(layer.density).toBeCloseTo(mean(probability), 5)
    expect(layer.headDensities).toHaveLength(heads)
    for (const [head, density] of (layer.headDensities ?? []).entries()) expect(density).toBeCloseTo(mean(free.filter((_, i) => i % heads === head).flat()), 5)
    const spread = mean(free.map((values) => Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)))))
    expect(layer.maskDeviation).toBeCloseTo(spread, 5)
    expect(deadReason(layer)).toBeNull()
  })

  it('tells that masks are chance where no token differs from another', async () => {
    const config = smallSbm({}, { imageSize: 12, channels: 1 })
    const weights = clustersTimes(0, config)
    const tensors = toTfTensors(weights)
    const layers = await diagnoseStructure(config, tensors, request, plainPrimitives)
    tf.dispose([...tensors.values()])
    for (const layer of layers) expect(deadReason(layer)).toContain('its masks are chance')
  })
})

describe('deadReason', () => {
  const alive = {
    layer: 5,
    zeroDegreeShare: 0.3,
    meanDegree: 0.5,
    largestClassTokenBias: 2.4,
    classTokenBiasSpread: 0.2,
    effectiveCommunities: 5,
    membershipConfidence: 0.4,
    distinctCommunities: 4,
  }

  it('leaves a structure alone that the softmax feels, dense or sparse', () => {
    expect([alive, { layer: 0, density: 0.2 }, { layer: 0, density: 0.2, headDensities: [0.2], maskDeviation: 0.05 }].map(deadReason)).toEqual([null, null, null])
  })

  it.each([
    ['degrees that are all zero', { ...alive, zeroDegreeShare: 1, largestClassTokenBias: 0 }, 'exactly zero'],
    ['a bias that is not felt', { ...alive, largestClassTokenBias: 0.02 }, '0.020'],
    ['masks that keep everything', { layer: 1, density: 0.999 }, '99.9 %'],
    ['masks that tell no edge from another', { layer: 1, density: 0.25, headDensities: [0.24, 0.26], maskDeviation: 0.003 }, 'all as likely'],
    ['masks that keep nothing', { layer: 1, density: 0 }, 'no edge'],
  ])('names %s', (_sign, layer, words) => {
    expect(deadReason(layer)).toContain(words)
  })
})
