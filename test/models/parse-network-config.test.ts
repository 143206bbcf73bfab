import { describe, expect, it } from 'vitest'
import type { NetworkConfig } from '../../models/network-config.ts'
import { parseNetworkConfig } from '../../models/parse-network-config.ts'
import { smallDcmm, smallSbm, smallVit } from './support/small-network.ts'

const invalid = (field: string) => expect.objectContaining({ code: 'checkpoint-invalid', message: expect.stringContaining(field) })
const throughJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

describe('parseNetworkConfig', () => {
  it.each([smallVit(), smallDcmm(), smallSbm()])('gives a $network back as it was', (config) => {
    expect(parseNetworkConfig(throughJson(config))).toEqual(config)
  })

  it.each<[string, NetworkConfig, object]>([
    ['config.network', smallVit(), { network: 'cnn' }],
    ['config.imageSize', smallVit(), { imageSize: 0 }],
    ['config.channels', smallVit(), { channels: 1.5 }],
    ['config.patchOverlap', smallVit(), { patchOverlap: -1 }],
    ['config.patchSize', smallVit(), { patchSize: 5 }],
    ['config.heads', smallVit(), { heads: 5 }],
    ['config.mlpRatio', smallVit(), { mlpRatio: 0 }],
    ['config.classes', smallVit(), { classes: 1 }],
    ['config.layerNormEps', smallVit(), { layerNormEps: '1e-6' }],
    ['config.structuredLayers', smallDcmm(), { structuredLayers: [3] }],
    ['config.structuredLayers', smallDcmm(), { structuredLayers: [1, 1] }],
    ['config.structuredLayers', smallDcmm(), { structuredLayers: [] }],
    ['config.structuredLayers', smallVit(), { structuredLayers: [0] }],
    ['config.dcmm', smallDcmm(), { dcmm: null }],
    ['config.dcmm', smallVit(), { dcmm: smallDcmm().dcmm }],
    ['config.sbm', smallVit(), { sbm: smallSbm().sbm }],
    ['config.sbm', smallSbm(), { sbm: 7 }],
    ['config.dcmm.communities', smallDcmm(), { dcmm: { ...smallDcmm().dcmm, communities: 0 } }],
    ['config.dcmm.thetaActivation', smallDcmm(), { dcmm: { ...smallDcmm().dcmm, thetaActivation: 'tanh' } }],
    ['config.dcmm.symmetricBlock', smallDcmm(), { dcmm: { ...smallDcmm().dcmm, symmetricBlock: 1 } }],
    ['config.dcmm.entropyWeight', smallDcmm(), { dcmm: { ...smallDcmm().dcmm, entropyWeight: undefined } }],
    ['config.sbm.delta', smallSbm(), { sbm: { ...smallSbm().sbm, delta: 2 } }],
    ['config.sbm.straightThroughClip', smallSbm(), { sbm: { ...smallSbm().sbm, straightThroughClip: 0 } }],
    ['config.sbm.stray', smallSbm(), { sbm: { ...smallSbm().sbm, stray: 1 } }],
    ['config.stray', smallVit(), { stray: 1 }],
  ])('refuses %s that no network has, naming it', (field, config, change) => {
    expect(() => parseNetworkConfig(throughJson({ ...config, ...change }))).toThrow(invalid(field))
  })

  it.each([null, 1, 'vit', [], undefined])('refuses %j, which is no object', (value) => {
    expect(() => parseNetworkConfig(value)).toThrow(invalid('config is no object'))
  })

  it('takes no field from the prototype', () => {
    const { depth, ...rest } = smallVit()
    expect(() => parseNetworkConfig(Object.assign(Object.create({ depth }), rest))).toThrow(invalid('config.depth'))
  })
})
