import { describe, expect, it } from 'vitest'
import type { Explanation } from '../../src/domain/explanation.ts'
import type { Manifest } from '../../src/domain/manifest.ts'
import type { ModelOutputs, NamedOutputs } from '../../src/domain/outputs.ts'
import { explain } from '../../src/explain/explain.ts'
import { at, tensorOf } from '../../src/tensor/tensor.ts'
import { goldenManifest, goldenOutputs } from './golden-case.ts'

const manifest = (): Manifest => {
  const golden = goldenManifest('sbm-expected')
  return { ...golden, structure: { ...golden.structure!, seedInput: 'seed' } }
}
const explained = (maps: readonly string[], samples: readonly NamedOutputs[] | null = null): Promise<Explanation> => {
  const outputs: ModelOutputs = samples === null ? goldenOutputs('sbm-expected', 0) : { ...goldenOutputs('sbm-expected', 0), samples }
  return explain(manifest(), outputs, null, { frame: 1, maps, explainedClass: null, seed: 7, samples: samples?.length ?? 0 })
}

/** A drawn mask's answer: logits, and one attention for every query and head. */
const sample = (logits: readonly number[], patchWeight: number): NamedOutputs => {
  const attention = new Float32Array(3 * 17 * 17).fill((1 - patchWeight) / 16)
  for (let row = 0; row < 3 * 17; row++) attention[row * 17 + 5] = patchWeight
  return { logits: tensorOf(Float32Array.from(logits), [3]), attention: tensorOf(attention, [3, 17, 17]) }
}

describe('maps of the stochastic block attention', () => {
  it('label its communities as normalized affinities, not as memberships', async () => {
    const [map] = (await explained(['communities'])).maps
    expect(map!.method).toContain('normalized affinities')
    expect(map!.method).toContain('no probabilities')
    expect(map!.communities.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 12)
  })

  it('offer the queries and the keys apart', async () => {
    const { maps } = await explained(['query-loading', 'key-loading'])
    expect(maps.map(({ name }) => name)).toEqual(['query-loading', 'key-loading'])
  })

  it('show the mean edge probability of the patches that look at a patch', async () => {
    const edges = at(goldenOutputs('sbm-expected', 0).asTrained.edgeProbability!, 1) // [3, 17, 17]
    const [map] = (await explained(['edge-probability'])).maps
    let expected = 0
    for (let head = 0; head < 3; head++) for (let query = 1; query < 17; query++) expected += edges.data[(head * 17 + query) * 17 + 6]! / 48
    expect(map!.grid.data[5]).toBeCloseTo(expected, 6)
    expect(map!.range).toEqual({ min: 0, max: 1 })
  })

  it('report the last layer of a forced class token as inactive, where only its row is read, and no layer before it', async () => {
    const { structure } = await explained(['mask'])
    expect(structure).toMatchObject({ heads: 6, inactiveHeads: 3, largestClassTokenBias: 0 })
    expect(structure!.perHead.map(({ layer, isInactive }) => [layer, isInactive])).toEqual([0, 0, 0, 1, 1, 1].map((layer) => [layer, layer === 1]))
    expect(structure!.perHead[0]!.classTokenDegree).toBeNull()
  })

  it('spread over the masks as the standard deviation of the attention', async () => {
    const samples = [0.1, 0.2, 0.6].map((weight) => sample([1, 0, 0], weight))
    const [map] = (await explained(['mask-spread'], samples)).maps
    expect(map!.grid.data[4]).toBeCloseTo(Math.sqrt((0.2 ** 2 + 0.1 ** 2 + 0.3 ** 2) / 2), 6) // mean .3
    expect(map!.numbers['samples']).toBe(3)
  })

  it('refuse a spread without samples, naming the parameter', async () => {
    await expect(explained(['mask-spread'])).rejects.toMatchObject({ code: 'parameter-invalid', facts: { parameter: 'samples' } })
  })
})

describe('uncertainty over masks', () => {
  it('states mean probability, deviation and flip rate', async () => {
    const even = Math.log(3) // softmax [3, 1, 1] / 5
    const { uncertainty } = await explained(['attention'], [sample([even, 0, 0], 0.1), sample([even, 0, 0], 0.1), sample([0, even, 0], 0.1), sample([even, 0, 0], 0.1)])
    expect(uncertainty).toMatchObject({ samples: 4, seed: 7, flipRate: 0.25 })
    expect(uncertainty!.classes[0]!.meanProbability).toBeCloseTo((0.6 * 3 + 0.2) / 4, 6)
    expect(uncertainty!.classes[0]!.standardDeviation).toBeCloseTo(0.2, 6) // .6 .6 .2 .6: deviations .1 .1 .3 .1, sum of squares .12, over 3
  })

  it('is absent where no mask was drawn', async () => {
    expect((await explained(['attention'])).uncertainty).toBeNull()
  })
})
