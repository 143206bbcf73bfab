import { describe, expect, it } from 'vitest'
import type { Explanation } from '../../src/domain/explanation.ts'
import type { PredictionOptions } from '../../src/domain/prediction.ts'
import { explain, outputsNeeded } from '../../src/explain/explain.ts'
import { statisticsOf } from '../../src/tensor/grid-statistics.ts'
import { type GoldenName, goldenManifest, goldenOutputs, readGolden, tensorNamed } from './golden-case.ts'

const options = (given: Partial<PredictionOptions> = {}): PredictionOptions => ({ frame: 1, maps: null, explainedClass: null, seed: 0, samples: 0, ...given })
const explainGolden = (name: GoldenName, given: Partial<PredictionOptions> = {}, image = 0): Promise<Explanation> =>
  explain(goldenManifest(name), goldenOutputs(name, image), null, options(given))
const mapNamed = (explanation: Explanation, name: string): Explanation['maps'][number] => explanation.maps.find((map) => map.name === name)!

describe('explain', () => {
  it('gives the probabilities and the predicted class of the golden logits', async () => {
    const logits = [...tensorNamed(readGolden('dcmm'), 'logits').data.subarray(0, 3)]
    const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0)
    const explanation = await explainGolden('dcmm')
    expect(explanation.classes.map(({ logit }) => logit)).toEqual(logits)
    explanation.classes.forEach(({ probability }, i) => {
      expect(probability).toBeCloseTo(Math.exp(logits[i]!) / sum, 12)
    })
    expect(explanation.predictedClass).toBe(['first', 'second', 'third'][logits.indexOf(Math.max(...logits))])
    expect(explanation.explainedClass).toBe(explanation.predictedClass)
  })

  it('calibrates by dividing the logits by the temperature, and keeps the raw probability beside it', async () => {
    const explanation = await explain(goldenManifest('vit', { temperature: 2 }), goldenOutputs('vit', 0), null, options())
    const weights = explanation.classes.map(({ logit }) => Math.exp(logit / 2))
    const sum = weights.reduce((total, weight) => total + weight, 0)
    explanation.classes.forEach(({ calibratedProbability }, i) => {
      expect(calibratedProbability).toBeCloseTo(weights[i]! / sum, 12)
    })
    expect((await explainGolden('vit')).classes[0]!.calibratedProbability).toBeNull()
  })

  it('states the counterfactual of the golden run without structure', async () => {
    const golden = readGolden('dcmm-all')
    const { counterfactual } = await explainGolden('dcmm-all', {}, 1)
    expect(counterfactual?.scope).toBe('network')
    counterfactual!.classes.forEach(({ logit, deltaLogit }, i) => {
      expect(logit).toBe(tensorNamed(golden, 'explain.logitsWithoutStructure').data[3 + i])
      expect(deltaLogit).toBe(tensorNamed(golden, 'logits').data[3 + i]! - logit)
    })
  })

  it('has no counterfactual and no structure for a plain network', async () => {
    const explanation = await explainGolden('vit', { maps: ['attention', 'rollout'] })
    expect(explanation.counterfactual).toBeNull()
    expect(explanation.structure).toBeNull()
    expect(explanation.maps.map(({ name }) => name)).toEqual(['attention', 'rollout'])
  })

  it('shows the golden attention of the class token, the class token left out', async () => {
    const attention = tensorNamed(readGolden('dcmm'), 'layer1.attention') // [2, 3, 17, 17]
    const map = mapNamed(await explainGolden('dcmm', { maps: ['attention'] }, 1), 'attention')
    for (let patch = 0; patch < 16; patch++) {
      const heads = [0, 1, 2].map((head) => attention.data[((3 + head) * 17 + 0) * 17 + 1 + patch]!)
      expect(map.grid.data[patch]).toBeCloseTo((heads[0]! + heads[1]! + heads[2]!) / 3, 7)
      heads.forEach((value, head) => {
        expect(map.heads!.data[head * 16 + patch]).toBe(value)
      })
    }
    expect(map.notes.join()).toContain('class-agnostic')
  })

  it('shows as delta what the structure changed: zero-sum over all keys with the class token', async () => {
    const map = mapNamed(await explainGolden('dcmm', { maps: ['delta'] }), 'delta')
    const sum = map.grid.data.reduce((total, value) => total + value, 0) + map.numbers['classTokenDelta']!
    expect(Math.abs(sum)).toBeLessThan(1e-6)
    expect(Math.max(...map.grid.data.map(Math.abs))).toBeGreaterThan(1e-4)
    expect(map.range!.min).toBe(-map.range!.max)
  })

  it('reports a head as inactive when the class token has degree 0 there', async () => {
    const outputs = goldenOutputs('dcmm', 0)
    const degree = outputs.asTrained.degree!
    const bias = outputs.asTrained.bias!
    degree.data[17] = 0 // head 1, class token
    for (let token = 0; token < 17; token++) {
      bias.data[17 * 17 + token] = 0
      bias.data[17 * 17 + token * 17] = 0
    }
    const { structure, maps } = await explain(goldenManifest('dcmm'), outputs, null, options({ maps: ['degree'] }))
    expect(structure?.perHead[1]).toEqual({ layer: 1, head: 1, classTokenDegree: 0, largestBias: 0, isInactive: true })
    expect(structure?.inactiveHeads).toBe(1)
    expect(structure?.heads).toBe(3)
    expect(maps[0]!.notes.join()).toContain('inactive heads: 1 of 3')
  })

  it('names the degree branch inactive, and the map flat, when every degree is 0', async () => {
    const outputs = goldenOutputs('dcmm', 0)
    outputs.asTrained.degree!.data.fill(0)
    outputs.asTrained.bias!.data.fill(0)
    const [map] = (await explain(goldenManifest('dcmm'), outputs, null, options({ maps: ['degree'] }))).maps
    expect(map!.notes.join()).toContain('degree branch inactive')
    expect(map!.notes).toContain('no spatial contrast')
    expect(map!.altText).toContain('no spatial contrast')
    expect(map!.role).toBe('descriptive')
  })

  it('gives the cheap maps unasked and skips those that the bundle can not give', async () => {
    expect((await explainGolden('dcmm')).maps.map(({ name }) => name)).toEqual(expect.arrayContaining(['communities', 'attention', 'degree', 'delta']))
    expect((await explainGolden('vit')).maps.map(({ name }) => name)).toEqual(['attention'])
  })

  it('refuses a map by name and lists those that there are', async () => {
    const available = expect.arrayContaining(['attention', 'rollout'])
    expect(() => outputsNeeded(goldenManifest('vit'), ['communities'])).toThrow(expect.objectContaining({ code: 'map-unknown', facts: { available } }))
    expect(() => outputsNeeded(goldenManifest('vit'), ['heat'])).toThrow(expect.objectContaining({ code: 'map-unknown', facts: { available } }))
    await expect(explainGolden('vit', { maps: ['degree'] })).rejects.toMatchObject({ code: 'map-unknown' })
  })

  it('asks only for the outputs that the maps need', () => {
    expect(outputsNeeded(goldenManifest('vit'), ['rollout'])).toEqual(['logits', 'attentionAll'])
    expect(outputsNeeded(goldenManifest('dcmm'), ['communities']).toSorted()).toEqual(['bias', 'degree', 'logits', 'membership'])
  })

  it('refuses a class that the model does not have', async () => {
    await expect(explainGolden('vit', { explainedClass: 'fourth' })).rejects.toMatchObject({ code: 'parameter-invalid', facts: { parameter: 'class' } })
  })

  it('refuses tokens that are not the prefix and the patch grid', async () => {
    const manifest = goldenManifest('vit', { prefixTokens: 2 })
    await expect(explain(manifest, goldenOutputs('vit', 0), null, options())).rejects.toMatchObject({ code: 'shape-mismatch' })
  })

  it('is the same for the first image after another was explained', async () => {
    const first = await explainGolden('dcmm', {}, 0)
    const other = await explainGolden('dcmm', {}, 1)
    expect(await explainGolden('dcmm', {}, 0)).toEqual(first)
    expect(other.maps).not.toEqual(first.maps)
  })

  it('says of every map whether it is causal, how it was made, and a sentence for those who can not see it', async () => {
    const maps = ['communities', 'attention', 'degree', 'delta', 'entropy', 'hub', 'rollout', 'attention-without-structure']
    for (const map of (await explainGolden('dcmm', { maps })).maps) {
      expect(['causal', 'descriptive']).toContain(map.role)
      expect(map.formula).toBe(`${map.name}/1`)
      if (map.kind === 'categorical') expect(map.statistics).toBeNull()
      else expect(map.statistics).toEqual(statisticsOf(map.grid))
      for (const text of [map.method, map.source, map.unit, map.altText]) expect(text.length).toBeGreaterThan(3)
    }
  })
})
