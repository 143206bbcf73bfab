import { describe, expect, it } from 'vitest'
import { initialWeights } from '../../models/initial-weights.ts'
import { weightShapes } from '../../models/weight-shapes.ts'
import { smallDcmm, smallSbm, smallVit } from './support/small-network.ts'

const wide = { width: 64, depth: 2, heads: 4, structuredLayers: [1] }

function spread(data: Float32Array): { mean: number; deviation: number; greatest: number } {
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length
  const variance = data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length
  return { mean, deviation: Math.sqrt(variance), greatest: Math.max(...data.map(Math.abs)) }
}

/** Relative, 4 sigma of a deviation's estimate: 4 / sqrt(2 n). */
function expectDeviation(data: Float32Array, expected: number): void {
  expect(Math.abs(spread(data).deviation / expected - 1)).toBeLessThan(4 / Math.sqrt(2 * data.length))
}

describe('initialWeights', () => {
  it('have the names and shapes of the network', () => {
    for (const config of [smallVit(), smallDcmm(), smallSbm()]) {
      const weights = initialWeights(config, 1)
      expect(new Map([...weights].map(([name, { shape }]) => [name, shape]))).toEqual(new Map(weightShapes(config)))
    }
  })

  it('are the same for the same seed, others for another, and shared by the three networks where the weights are', () => {
    const vit = initialWeights(smallVit(), 1)
    expect(initialWeights(smallVit(), 1)).toEqual(vit)
    expect(initialWeights(smallVit(), 2).get('head.weight')).not.toEqual(vit.get('head.weight'))
    for (const config of [smallDcmm(), smallSbm()]) {
      const weights = initialWeights(config, 1)
      for (const [name, weight] of vit) expect(weights.get(name), name).toEqual(weight)
    }
    expect(vit.get('blocks.0.mlp.fc1.weight')!.data).not.toEqual(vit.get('blocks.1.mlp.fc1.weight')!.data)
  })

  it('spread as timm and the released code have it', () => {
    const dcmm = initialWeights(smallDcmm({ communities: 20, initialDegreeBias: 0.1, initialBiasScale: 7 }, wide), 4)
    const of = (name: string): Float32Array => dcmm.get(name)!.data
    expectDeviation(of('blocks.0.attn.qkv.weight'), 0.02)
    expectDeviation(of('blocks.1.mlp.fc2.weight'), 0.02)
    expectDeviation(of('blocks.1.attn.membership.weight'), 0.02)
    expectDeviation(of('pos_embed'), 0.02)
    expectDeviation(of('blocks.1.attn.block_logits'), 1)
    expect(spread(of('cls_token')).greatest).toBeLessThan(1e-5)
    expect(spread(of('patch_embed.proj.weight')).greatest).toBeLessThanOrEqual(1 / Math.sqrt(2 * 4 * 4))
    expectDeviation(of('patch_embed.proj.weight'), 1 / Math.sqrt(2 * 4 * 4 * 3))
    expect([...of('blocks.1.attn.degree.bias'), ...of('blocks.1.attn.bias_scale')]).toEqual([Math.fround(0.1), 7])
    for (const name of ['norm.weight', 'blocks.0.norm1.weight', 'blocks.1.norm2.weight']) expect(new Set(of(name)), name).toEqual(new Set([1]))
    for (const name of ['norm.bias', 'blocks.0.norm1.bias', 'head.bias', 'blocks.0.attn.qkv.bias', 'blocks.1.attn.membership.bias', 'patch_embed.proj.bias'])
      expect(new Set(of(name)), name).toEqual(new Set([0]))
  })

  it('spread an SBM layer as kaiming_normal_ and PyTorch have it', () => {
    const sbm = initialWeights(smallSbm({ communities: 32 }, wide), 4)
    expectDeviation(sbm.get('blocks.1.attn.cluster')!.data, Math.sqrt(2 / (32 * 16)))
    expect(spread(sbm.get('blocks.1.attn.cluster_mlp.fc1.weight')!.data).greatest).toBeLessThanOrEqual(1 / 4)
    expectDeviation(sbm.get('blocks.1.attn.cluster_mlp.fc2.weight')!.data, 1 / 4 / Math.sqrt(3))
    expect(spread(sbm.get('blocks.1.attn.cluster_mlp.fc2.bias')!.data).deviation).toBeGreaterThan(0)
  })
})
