import { describe, expect, it } from 'vitest'
import { readReport, recordOf } from '../../../models/explanations/explanation-record.ts'
import { manifestSchema } from '../../../src/domain/manifest.ts'
import { methodsFor } from '../../../src/explain/map-catalog.ts'
import { goldenBundle } from '../../support/golden-bundle.ts'
import { loadGolden } from '../support/golden.ts'

const { manifest } = goldenBundle(loadGolden('dcmm'))
const curve = (deletion: number, insertion: number) => ({ deletion, insertion, deletionBeatsRandom: 0.5, insertionBeatsRandom: 0.5 })
const map = (insertion: number, classSpecific: boolean) => ({
  classSpecific,
  classTest: '',
  correlationAcrossClasses: 1,
  faithfulness: { mean: curve(0.25, insertion), blur: curve(0.25, insertion) },
  localization: null,
})
const split = (more: number) => ({
  images: 9,
  curveImages: 4,
  random: null,
  maps: { evidence: map(0.5 + more, true), rollout: map(0.75 + more, false) },
  agreement: {},
  communities: null,
})
const report = {
  model: { graphSha256: manifest.graph.sha256 },
  data: { sha256: 'a'.repeat(64) },
  default: { map: 'rollout', by: 'insertion minus deletion', value: 0.5, baseline: { name: 'random order', value: 0.125 }, beatsBaseline: true },
  validation: split(0),
  test: split(-0.125),
  randomization: { hasForgotten: { rollout: false } },
}

describe('the record of the maps', () => {
  it('keeps what part of a map lies on blank patches of the test split, where the report has it', () => {
    const { evidence, rollout } = split(0).maps
    const test = { ...split(0), maps: { evidence: { ...evidence, blankShare: 0.625 }, rollout: { ...rollout, blankShare: null } } }
    const { maps } = recordOf(readReport(JSON.stringify({ ...report, test }), manifest.graph.sha256))
    expect(maps).toMatchObject([{ name: 'evidence', blankShare: 0.625 }, { name: 'rollout' }])
    expect(maps[1]).not.toHaveProperty('blankShare')
  })

  it("keeps the measure that chose, by map and split, in the manifest's own form", () => {
    const record = recordOf(readReport(JSON.stringify(report), manifest.graph.sha256))
    expect(record).toEqual({
      default: 'rollout',
      by: 'insertion minus deletion',
      value: 0.5,
      baseline: { name: 'random order', value: 0.125 },
      dataSha256: 'a'.repeat(64),
      images: { validation: 4, test: 4 },
      maps: [
        { name: 'evidence', classSpecific: true, validation: 0.25, test: 0.125, hasForgotten: null },
        { name: 'rollout', classSpecific: false, validation: 0.5, test: 0.375, hasForgotten: false },
      ],
    })
    expect(manifestSchema.parse({ ...manifest, explanations: record }).explanations).toEqual(record)
  })

  it('is refused where it is of another graph, or no report', () => {
    const refused = expect.objectContaining({ code: 'parameter-invalid' })
    expect(() => readReport(JSON.stringify(report), 'b'.repeat(64))).toThrow(refused)
    for (const text of ['{}', 'null', 'no JSON']) expect(() => readReport(text, manifest.graph.sha256)).toThrow(refused)
  })

  it("adds the model's preferred map to those that are given unasked", () => {
    const explanations = recordOf(readReport(JSON.stringify(report), manifest.graph.sha256))
    const names = (of: typeof manifest): string[] => methodsFor(of, null).map(({ name }) => name)
    expect(names(manifest)).not.toContain('rollout')
    expect(names({ ...manifest, explanations })).toEqual([...names(manifest), 'rollout'])
    expect(names({ ...manifest, explanations: { ...explanations, default: 'evidence' } })).toEqual(names(manifest))
  })
})
