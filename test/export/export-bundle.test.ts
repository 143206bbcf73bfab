import { beforeAll, describe, expect, it } from 'vitest'
import { type ExportRequest, exportBundle } from '../../export/export-bundle.ts'
import { parseGoldenFile } from '../../export/golden-file.ts'
import { verifyBundle } from '../../export/verify-bundle.ts'
import { webRuntime } from '../../export/web-runtime.ts'
import { plainPrimitives } from '../../models/layers/plain-primitives.ts'
import { parseManifest } from '../../src/domain/manifest.ts'
import type { BundleFiles } from '../../src/infer/bundle-files.ts'
import { openBundle } from '../../src/infer/load-bundle.ts'
import { nodeRuntime } from '../../src/infer/node-runtime.ts'
import type { Runtime } from '../../src/infer/runtime.ts'
import { useBackend } from '../models/support/use-backend.ts'
import { goldenCheckpoint, syntheticData } from './support/golden-checkpoint.ts'

const release = { id: 'dcmm-vit-golden-patch4-16.synthetic-v1', version: '1.2.3', createdAt: '2026-01-02T03:04:05Z', checkpointSha256: 'a'.repeat(64) }
const requestFor = (change: Partial<ExportRequest> = {}): ExportRequest => ({
  checkpoint: goldenCheckpoint('dcmm'),
  release,
  ops: 'function',
  mask: { mode: 'expected' },
  data: syntheticData(),
  ...change,
})
const textOf = (files: ReadonlyMap<string, Uint8Array>, name: string): string => new TextDecoder().decode(files.get(name))
const bundleOf = (files: ReadonlyMap<string, Uint8Array>): BundleFiles => ({
  manifest: parseManifest(JSON.parse(textOf(files, 'manifest.json'))),
  manifestBytes: files.get('manifest.json')!,
  graph: files.get('model.onnx')!,
  tail: files.get('tail.onnx')!,
  signature: null,
})

beforeAll(() => useBackend('wasm'))

describe('exportBundle', () => {
  it('makes a whole bundle that opens, with a card that holds its figures and hashes', async () => {
    const { files, parity } = await exportBundle(requestFor(), nodeRuntime, plainPrimitives)
    expect([...files.keys()].sort()).toEqual(['README.md', 'golden.json', 'manifest.json', 'model.onnx', 'tail.onnx'])
    const bundle = await openBundle(bundleOf(files))
    const { manifest } = bundle
    await bundle.release()
    expect(manifest).toMatchObject({ id: release.id, version: '1.2.3', createdAt: release.createdAt, network: 'dcmm-vit', licence: 'Apache-2.0' })
    expect(manifest.metrics.map(({ split, images }) => [split, images])).toEqual([
      ['test', 12],
      ['validation', 9],
    ])
    const card = textOf(files, 'README.md')
    for (const fact of [manifest.graph.sha256, manifest.tail!.sha256, manifest.metrics[0]!.auc.toFixed(3), 'made in code', 'Not for diagnosis', 'seed 0'])
      expect(card).toContain(fact)
    expect(parity.map(({ run }) => run)).toEqual([
      'random, as trained',
      'random, structure removed',
      'synthetic, as trained',
      'synthetic, structure removed',
      'real (Synthetic squares), as trained',
      'real (Synthetic squares), structure removed',
      'random, tail',
      'synthetic, tail',
      'real (Synthetic squares), tail',
    ])
    for (const { stages } of parity.slice(0, 6)) expect(stages.map(({ stage }) => stage)).toEqual(expect.arrayContaining(['tokens', 'attention.0', 'attention.1', 'logits']))
  })

  it('gives equal bytes for equal requests', async () => {
    const [first, second] = [await exportBundle(requestFor(), nodeRuntime, plainPrimitives), await exportBundle(requestFor(), nodeRuntime, plainPrimitives)]
    expect([...second.files]).toEqual([...first.files])
  })

  it('writes the same network with functions and in standard operations', async () => {
    const [functions, standard] = [
      await exportBundle(requestFor(), nodeRuntime, plainPrimitives),
      await exportBundle(requestFor({ ops: 'standard' }), nodeRuntime, plainPrimitives),
    ]
    expect(textOf(functions.files, 'model.onnx')).toContain('org.attending.community')
    expect(textOf(standard.files, 'model.onnx')).not.toContain('org.attending.community')
    expect(bundleOf(standard.files).manifest).toMatchObject({ customOps: [], graph: { ops: 'standard' } })
    expect(standard.parity).toEqual(functions.parity) // the same bits
  })

  it('states no figures where the data set was not at hand', async () => {
    const { files } = await exportBundle(requestFor({ data: null }), nodeRuntime, plainPrimitives)
    expect(bundleOf(files).manifest).toMatchObject({ metrics: [], temperature: null })
    expect(textOf(files, 'README.md')).toContain('Not evaluated')
  })

  it.each([
    { mask: { mode: 'expected' }, stated: { maskMode: 'expected' } },
    { mask: { mode: 'sample' }, stated: { maskMode: 'sample' } },
    { mask: { mode: 'threshold', tau: 0.2 }, stated: { maskMode: 'threshold', options: { tau: 0.2 } } },
    { mask: { mode: 'topP', rho: 0.8 }, stated: { maskMode: 'topP', options: { rho: 0.8 } } },
  ] as const)('exports an SBM network with mask $mask', async ({ mask, stated }) => {
    const { files, parity } = await exportBundle(requestFor({ checkpoint: goldenCheckpoint('sbm-expected'), mask }), nodeRuntime, plainPrimitives)
    const bundle = bundleOf(files)
    expect(bundle.manifest.structure).toMatchObject(stated)
    await (await openBundle(bundle)).release()
    const own = parity.flatMap(({ stages }) => stages).filter(({ stage }) => stage.endsWith('by its own rule'))
    expect(own.length).toBe(mask.mode === 'expected' ? 0 : 3)
  })

  /** The graph, or its tail, with its logits off. */
  const wrong = (by: number, input = 'pixels'): Runtime => ({
    name: 'a runtime that is wrong',
    async open(graph) {
      const session = await nodeRuntime.open(graph)
      if (!session.inputNames.includes(input)) return session
      return {
        ...session,
        run: async (feeds, fetches) =>
          new Map([...(await session.run(feeds, fetches))].map(([name, { shape, data }]) => [name, { shape, data: name === 'logits' ? data.map((value) => value + by) : data }])),
      }
    },
  })

  it('writes nothing where a stage is out of its bound, and names the stage', async () => {
    await expect(exportBundle(requestFor(), wrong(1e-3), plainPrimitives)).rejects.toMatchObject({ code: 'parity-failed', facts: { stage: 'logits' } })
    await expect(exportBundle(requestFor(), wrong(1e-3, 'keep'), plainPrimitives)).rejects.toMatchObject({ code: 'parity-failed', facts: { stage: 'tail.logits' } })
    await expect(exportBundle(requestFor(), wrong(Number.NaN), plainPrimitives)).rejects.toMatchObject({ code: 'parity-failed', facts: { stage: 'logits' } })
  })
})

describe('verifyBundle', () => {
  it('finds both forms in both runtimes within the bound, by golden.json and by TF.js', async () => {
    for (const [name, mask] of [
      ['vit', { mode: 'expected' }],
      ['dcmm-all', { mode: 'expected' }],
      ['sbm-expected', { mode: 'sample' }],
    ] as const) {
      const checkpoint = goldenCheckpoint(name)
      const { files } = await exportBundle(requestFor({ checkpoint, mask }), nodeRuntime, plainPrimitives)
      const weighed = { checkpoint, mask, primitives: plainPrimitives, data: syntheticData() }
      const results = await verifyBundle(bundleOf(files), parseGoldenFile(textOf(files, 'golden.json')), [nodeRuntime, webRuntime], weighed)
      expect(results.map(({ runtime, form, witness }) => `${runtime.split(' ')[0]}, ${form}, ${witness}`)).toEqual(
        ['onnxruntime-node', 'onnxruntime-web'].flatMap((runtime) =>
          (name === 'vit' ? ['standard operations'] : ['functions', 'written out']).flatMap((form) => ['golden.json', 'TF.js'].map((witness) => `${runtime}, ${form}, ${witness}`)),
        ),
      )
      const stages = results.flatMap(({ reports }) => reports.flatMap((report) => report.stages))
      expect(stages.filter(({ worst }) => !(worst <= 1))).toEqual([])
      expect(stages.length).toBeGreaterThan(40)
    }
  })

  it('compares a standard graph with its function form where the weights are at hand', async () => {
    const checkpoint = goldenCheckpoint('dcmm')
    const { files } = await exportBundle(requestFor({ ops: 'standard' }), nodeRuntime, plainPrimitives)
    const golden = parseGoldenFile(textOf(files, 'golden.json'))
    const weighed = { checkpoint, mask: { mode: 'expected' }, primitives: plainPrimitives, data: null } as const
    const results = await verifyBundle(bundleOf(files), golden, [nodeRuntime], weighed)
    expect(results.map(({ form }) => form)).toEqual(['standard operations', 'standard operations', 'functions, from the weights', 'functions, from the weights'])
    expect((await verifyBundle(bundleOf(files), golden, [nodeRuntime], null)).map(({ form }) => form)).toEqual(['standard operations'])
  })

  it('tells a golden file that is not of this graph', async () => {
    const { files } = await exportBundle(requestFor(), nodeRuntime, plainPrimitives)
    const golden = parseGoldenFile(textOf(files, 'golden.json'))
    const [first] = golden.cases
    const moved = {
      ...golden,
      cases: [{ ...first!, outputs: { ...first!.outputs, logits: { shape: [1, 3], float32: Buffer.from(new Float32Array(3).buffer).toString('base64') } } }],
    }
    const [result] = await verifyBundle(bundleOf(files), moved, [nodeRuntime], null)
    expect(result!.reports[0]!.stages.filter(({ worst }) => worst > 1).map(({ stage }) => stage)).toEqual(['logits'])
  })
})
