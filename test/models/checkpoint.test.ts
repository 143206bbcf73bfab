import { describe, expect, it } from 'vitest'
import { checkWeights, readCheckpoint, writeCheckpoint } from '../../models/checkpoint.ts'
import { initialWeights } from '../../models/initial-weights.ts'
import { writeSafetensors } from '../../models/safetensors.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'
import { GOLDEN_NAMES, loadGolden } from './support/golden.ts'
import { smallDcmm, smallSbm, smallVit } from './support/small-network.ts'

const invalid = (about: string) => expect.objectContaining({ code: 'checkpoint-invalid', message: expect.stringContaining(about) })

describe('a checkpoint', () => {
  it.each([smallVit(), smallDcmm(), smallSbm({}, { structuredLayers: [1] })])('of a $network comes back as it was written, with its other metadata', (config) => {
    const weights = initialWeights(config, 2)
    const bytes = writeCheckpoint({ config, weights, metadata: { training: '{"seed":2}' } })
    const found = readCheckpoint(bytes)
    expect(found.config).toEqual(config)
    expect(found.metadata).toEqual({ training: '{"seed":2}' })
    expect(new Map([...found.weights].sort())).toEqual(new Map([...weights].sort()))
    expect(writeCheckpoint(found)).toEqual(bytes)
  })

  it.each(GOLDEN_NAMES)('has the names and shapes that PyTorch gave the weights of %s', (name) => {
    const { config, weights } = loadGolden(name)
    expect(() => checkWeights(config, weights)).not.toThrow()
  })

  it('is refused for a missing, a strange, a misshapen and an infinite weight, naming it', () => {
    const config = smallDcmm()
    const changedWeights = (change: (weights: ReturnType<typeof initialWeights>) => void) => {
      const weights = initialWeights(config, 2)
      change(weights)
      return () => readCheckpoint(writeSafetensors(weights, { config: JSON.stringify(config) }))
    }
    expect(changedWeights((w) => w.delete('blocks.2.attn.bias_scale'))).toThrow(invalid('blocks.2.attn.bias_scale'))
    expect(changedWeights((w) => w.set('extra', tensorOf(new Float32Array(1), [1])))).toThrow(invalid('extra'))
    expect(changedWeights((w) => w.set('norm.bias', tensorOf(new Float32Array(12), [3, 4])))).toThrow(invalid('norm.bias is [3, 4]'))
    expect(changedWeights((w) => w.set('head.bias', tensorOf(Float32Array.of(1, Number.NaN, 1), [3])))).toThrow(invalid('head.bias'))
  })

  it('is refused without a configuration, with one that is no JSON, and with one that no network has', () => {
    const weights = initialWeights(smallVit(), 2)
    expect(() => readCheckpoint(writeSafetensors(weights, {}))).toThrow(invalid('no configuration'))
    expect(() => readCheckpoint(writeSafetensors(weights, { config: '{' }))).toThrow(invalid('no JSON'))
    expect(() => readCheckpoint(writeSafetensors(weights, { config: '{"network":"cnn"}' }))).toThrow(invalid('config.network'))
  })

  it('is not written where it could not be read', () => {
    const weights = initialWeights(smallVit(), 2)
    weights.delete('cls_token')
    expect(() => writeCheckpoint({ config: smallVit(), weights, metadata: {} })).toThrow(invalid('cls_token'))
  })
})
