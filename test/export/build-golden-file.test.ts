import { beforeAll, describe, expect, it } from 'vitest'
import { buildGoldenFile } from '../../export/build-golden-file.ts'
import { syntheticInput } from '../../export/parity-inputs.ts'
import { plainPrimitives } from '../../models/layers/plain-primitives.ts'
import { loudWeights, smallDcmm } from '../models/support/small-network.ts'
import { useBackend } from '../models/support/use-backend.ts'

beforeAll(() => useBackend('cpu'))

describe('buildGoldenFile', () => {
  it.each([
    ['keeps the attention of few tokens', 12, true],
    ['leaves out the attention of many tokens, so that the file stays smaller than the weights', 64, false],
  ])('%s', async (_, imageSize, hasAttention) => {
    const config = smallDcmm({}, { imageSize })
    const reference = { config, weights: loudWeights(config), mask: { mode: 'expected' }, primitives: plainPrimitives } as const
    const { cases } = await buildGoldenFile(reference, [syntheticInput(config, 1)], { absolute: 1e-5, relative: 1e-4 })
    const outputs = Object.keys(cases[0]?.outputs ?? {})
    expect(outputs).toEqual(expect.arrayContaining(['tokens', 'embedding', 'logits', `membership.${config.depth - 1}`]))
    expect(outputs.includes(`attention.${config.depth - 1}`)).toBe(hasAttention)
  })
})
