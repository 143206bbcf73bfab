/** A bundle that someone else made: a ViT exported by torch.onnx (test/golden/torch-vit.py) under a manifest written by hand, as docs/bundle.md tells. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Manifest, parseManifest } from '../../src/domain/manifest.ts'
import { explain, outputsNeeded } from '../../src/explain/explain.ts'
import { type Bundle, openBundle } from '../../src/infer/load-bundle.ts'
import { at } from '../../src/tensor/tensor.ts'
import { excess, GOLDEN_TOLERANCE, loadGolden } from '../models/support/golden.ts'
import { goldenInput } from '../support/golden-bundle.ts'

const graph = new Uint8Array(readFileSync(join(import.meta.dirname, '../golden/torch-vit.onnx')))
const golden = loadGolden('vit')

/** The manifest of docs/bundle.md. */
const byHand = (outputs: Manifest['outputs']): Manifest =>
  parseManifest({
    schemaVersion: 1,
    id: 'torch-vit',
    version: '1.0.0',
    title: 'A ViT from elsewhere',
    network: 'other-vit',
    createdAt: '2026-01-01T00:00:00Z',
    graph: { file: 'model.onnx', sha256: createHash('sha256').update(graph).digest('hex'), opset: 14, ir: 7, ops: 'standard', batchInvariant: false },
    tail: null,
    customOps: [],
    input: { name: 'input', layout: 'nchw', channels: 1, height: 16, width: 16, fit: 'crop', resize: 'bilinear-antialias', mean: [0.5], deviation: [0.5], modalities: [] },
    outputs,
    patchGrid: { height: 4, width: 4 },
    prefixTokens: 1,
    classTokenIndex: 0,
    depth: 2,
    heads: 3,
    structure: null,
    classes: ['a', 'b', 'c'].map((name) => ({ name, code: null })),
    temperature: null,
    parity: { absolute: 2e-5, relative: 1e-4 },
    training: null,
    metrics: [],
    intendedUse: 'Tests.',
    limits: [],
    licence: 'unknown',
    attributions: [],
  })
const open = (outputs: Manifest['outputs']): Promise<Bundle> => {
  const manifest = byHand(outputs)
  return openBundle({ manifest, manifestBytes: new TextEncoder().encode(JSON.stringify(manifest)), graph, tail: null, signature: null })
}
const LOGITS = { logits: { name: 'output', axes: ['batch', 'class'] } }
const options = { frame: 1, maps: null, explainedClass: null, seed: 0, samples: 0 }

describe('a ViT exported by PyTorch, its attention declared', () => {
  let bundle: Bundle
  beforeAll(async () => {
    bundle = await open({ ...LOGITS, attention: { name: 'attention', axes: ['batch', 'head', 'token', 'token'] } })
  })
  afterAll(() => bundle.release())

  it('is served: its logits and attention are those of the golden file', async () => {
    for (const image of [0, 1]) {
      const { asTrained, withoutStructure } = await bundle.run(goldenInput(golden, image), { outputs: ['attention'], withoutStructure: true, seed: 0, samples: 0 })
      expect(excess(asTrained.logits!, at(golden.expected.get('logits')!, image), GOLDEN_TOLERANCE)).toBeLessThanOrEqual(1)
      expect(excess(asTrained.attention!, at(golden.expected.get('layer1.attention')!, image), GOLDEN_TOLERANCE)).toBeLessThanOrEqual(1)
      expect(withoutStructure).toBeNull()
    }
  })

  it('is explained as far as its outputs allow: by attention, without a counterfactual', async () => {
    const outputs = await bundle.run(goldenInput(golden, 0), { outputs: outputsNeeded(bundle.manifest, null), withoutStructure: false, seed: 0, samples: 0 })
    const { maps, classes, counterfactual } = await explain(bundle.manifest, outputs, bundle.tailFor(outputs), options)
    expect(maps.map(({ name }) => name)).toContain('attention')
    expect(classes.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 6)
    expect(counterfactual).toBeNull()
  })

  it('says which maps it has where one is asked for that needs more', () => {
    expect(() => outputsNeeded(bundle.manifest, ['communities'])).toThrow(
      expect.objectContaining({ code: 'map-unknown', facts: { available: expect.arrayContaining(['attention']) } }),
    )
  })
})

describe('a ViT exported by PyTorch with nothing declared but logits', () => {
  it('is served without maps', async () => {
    const bundle = await open(LOGITS)
    const outputs = await bundle.run(goldenInput(golden, 1), { outputs: outputsNeeded(bundle.manifest, null), withoutStructure: false, seed: 0, samples: 0 })
    expect(Object.keys(outputs.asTrained)).toEqual(['logits'])
    const { classes, maps } = await explain(bundle.manifest, outputs, bundle.tailFor(outputs), options)
    expect(maps).toEqual([])
    expect(classes).toHaveLength(3)
    await bundle.release()
  })
})
