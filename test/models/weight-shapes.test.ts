import { describe, expect, it } from 'vitest'
import { DCMM_RELEASED, type NetworkConfig, SBM_RELEASED } from '../../models/network-config.ts'
import { weightShapes } from '../../models/weight-shapes.ts'
import { sizeOf } from '../../src/tensor/tensor.ts'

/** ViT-S/16 at 224 pixels with the released DCMM's twelve heads. */
const vitSmall: NetworkConfig = {
  network: 'vit',
  imageSize: 224,
  channels: 3,
  patchSize: 16,
  patchOverlap: 0,
  width: 384,
  depth: 12,
  heads: 12,
  mlpRatio: 4,
  classes: 3,
  layerNormEps: 1e-6,
  structuredLayers: [],
  dcmm: null,
  sbm: null,
}
const parameters = (config: NetworkConfig): number => [...weightShapes(config).values()].reduce((sum, shape) => sum + sizeOf(shape), 0)

describe('weightShapes', () => {
  it('has the 21,666,819 parameters of ViT-S/16 with three classes', () => {
    expect(parameters(vitSmall)).toBe(21_666_819)
  })

  it('adds the 123,334 parameters that the released DCMM adds to each layer that carries it', () => {
    const dcmm = (structuredLayers: readonly number[]): NetworkConfig => ({ ...vitSmall, network: 'dcmm-vit', structuredLayers, dcmm: DCMM_RELEASED })
    expect(parameters(dcmm([11])) - parameters(vitSmall)).toBe(123_334)
    expect(parameters(dcmm([0, 5, 11])) - parameters(vitSmall)).toBe(3 * 123_334)
  })

  it("adds the 10,304 parameters that the released SBM adds to a layer of the Long Range Arena's networks", () => {
    // 2 heads of width 32, 128 communities.
    const lra: NetworkConfig = { ...vitSmall, width: 64, heads: 2, depth: 2 }
    const sbm: NetworkConfig = { ...lra, network: 'sbm-vit', structuredLayers: [0, 1], sbm: SBM_RELEASED }
    expect(parameters(sbm) - parameters(lra)).toBe(2 * 10_304)
  })

  it('widens the patch kernel by the overlap on each side', () => {
    expect(weightShapes({ ...vitSmall, patchOverlap: 3 }).get('patch_embed.proj.weight')).toEqual([384, 3, 22, 22])
  })
})
