import { describe, expect, it } from 'vitest'
import { type Manifest, parseManifest } from '../../src/domain/manifest.ts'
import { explain, outputsNeeded } from '../../src/explain/explain.ts'
import { availableMethods } from '../../src/explain/map-catalog.ts'
import { type GoldenName, goldenManifest, goldenOutputs, readGolden, tensorNamed } from './golden-case.ts'

type Supervised = NonNullable<NonNullable<Manifest['structure']>['supervised']>

const LESION: Supervised = { community: 2, name: 'lesion', layers: [1], images: 10, marked: 7 }
const supervisedManifest = (name: GoldenName, supervised: Supervised = LESION): Manifest => {
  const manifest = goldenManifest(name)
  return parseManifest({ ...manifest, structure: { ...manifest.structure, supervised } })
}
const options = { frame: 1, maps: ['supervised-community'], explainedClass: null, seed: 0, samples: 0 }

describe('the map of the supervised community', () => {
  it('is the golden membership of that community, the mean over heads, the class token left out', async () => {
    const membership = tensorNamed(readGolden('dcmm'), 'layer1.membership') // [batch, head, token, community]
    const [, heads = 0, tokens = 0, communities = 0] = membership.shape
    const [map] = (await explain(supervisedManifest('dcmm'), goldenOutputs('dcmm', 1), null, options)).maps
    for (let patch = 0; patch < 16; patch++) {
      const values = Array.from({ length: heads }, (_, head) => membership.data[((heads + head) * tokens + 1 + patch) * communities + 2]!)
      expect(map!.grid.data[patch]).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / heads, 6)
      values.forEach((value, head) => {
        expect(map!.heads!.data[head * 16 + patch]).toBe(value)
      })
    }
    expect(map).toMatchObject({ layer: 1, role: 'descriptive', range: { min: 0, max: 1 }, explainedClass: null, unit: 'membership' })
    expect(map!.title).toContain('lesion')
    expect(map!.method).toContain('trained with lesion masks of the training split')
    expect(map!.notes.join()).toContain('taught by masks of readers')
  })

  it('shows the last layer that masks pressed on, though another one has the structure after it', async () => {
    const membership = tensorNamed(readGolden('dcmm-all'), 'layer0.membership')
    const [, heads = 0, , communities = 0] = membership.shape
    const [map] = (await explain(supervisedManifest('dcmm-all', { ...LESION, layers: [0] }), goldenOutputs('dcmm-all', 0), null, options)).maps
    const values = Array.from({ length: heads }, (_, head) => membership.data[(head * 17 + 1) * communities + 2]!)
    expect(map!.grid.data[0]).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / heads, 6)
    expect(map!.layer).toBe(0)
  })

  it('comes unasked from a model that has one, and is refused by every other', async () => {
    const unasked = await explain(supervisedManifest('dcmm'), goldenOutputs('dcmm', 0), null, { ...options, maps: null })
    expect(unasked.maps.map(({ name }) => name)).toContain('supervised-community')
    for (const name of ['vit', 'dcmm', 'sbm-expected'] as const) {
      expect(availableMethods(goldenManifest(name)).map((method) => method.name)).not.toContain('supervised-community')
      expect(() => outputsNeeded(goldenManifest(name), ['supervised-community'])).toThrow(expect.objectContaining({ code: 'map-unknown' }))
    }
  })
})

describe('a manifest with a supervised community', () => {
  it.each<[string, Partial<Supervised>]>([
    ['a community that the structure does not have', { community: goldenManifest('dcmm').structure!.communities }],
    ['a layer without structure', { layers: [0] }],
    ['no layer', { layers: [] }],
    ['no name', { name: '' }],
  ])('is refused for %s', (_, change) => {
    expect(() => supervisedManifest('dcmm', { ...LESION, ...change })).toThrow(expect.objectContaining({ code: 'manifest-invalid' }))
  })
})
