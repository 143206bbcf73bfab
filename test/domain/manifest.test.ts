import { describe, expect, it } from 'vitest'
import { MANIFEST_SCHEMA_VERSION, parseManifest } from '../../src/domain/manifest.ts'
import { loadGolden } from '../models/support/golden.ts'
import { goldenBundle } from '../support/golden-bundle.ts'

const { manifest } = goldenBundle(loadGolden('dcmm'))

describe('parseManifest', () => {
  it('takes what the exporter writes, through JSON', () => {
    expect(parseManifest(JSON.parse(JSON.stringify(manifest)))).toEqual(manifest)
  })

  it.each([
    [MANIFEST_SCHEMA_VERSION - 1, /older/],
    [MANIFEST_SCHEMA_VERSION + 1, /newer/],
  ])('tells a manifest of schema %i how it differs from the program', (schemaVersion, sentence) => {
    // A manifest of another time has other fields too: its version is told all the same.
    expect(() => parseManifest({ schemaVersion, somethingElse: true })).toThrow(expect.objectContaining({ code: 'manifest-invalid', message: expect.stringMatching(sentence) }))
  })

  it.each([
    ['a missing field', { ...manifest, classes: undefined }, /classes/],
    ['an unknown field', { ...manifest, extra: 1 }, /extra/],
    ['an id that could climb out of a folder', { ...manifest, id: '../../etc' }, /id/],
    ['a hash that is none', { ...manifest, graph: { ...manifest.graph, sha256: 'abc' } }, /graph\.sha256/],
    ['another file than the graph', { ...manifest, graph: { ...manifest.graph, file: '../model.onnx' } }, /graph\.file/],
    ['an output that has no name here', { ...manifest, outputs: { ...manifest.outputs, saliency: { name: 's', axes: [] } } }, /outputs/],
    ['a deviation of 0', { ...manifest, input: { ...manifest.input, deviation: [0] } }, /input\.deviation/],
    ['one class', { ...manifest, classes: manifest.classes.slice(0, 1) }, /classes/],
    ['no object', null, /manifest/],
  ])('refuses %s and says where', (_, json, place) => {
    expect(() => parseManifest(json)).toThrow(expect.objectContaining({ code: 'manifest-invalid', message: expect.stringMatching(place) }))
  })
})
