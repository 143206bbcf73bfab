/** A golden network as a bundle in memory, as the exporter would write it. */
import { buildGraphs } from '../../export/build-graphs.ts'
import { buildManifest, type MaskChoice, type OpsForm } from '../../export/build-manifest.ts'
import type { Manifest } from '../../src/domain/manifest.ts'
import type { BundleFiles } from '../../src/infer/bundle-files.ts'
import { at, type Tensor } from '../../src/tensor/tensor.ts'
import type { Golden } from '../models/support/golden.ts'

/** The manifest's bytes are those that a signature would cover. */
export function goldenBundle(golden: Golden, mask: MaskChoice = { mode: 'expected' }, ops: OpsForm = 'function'): BundleFiles {
  const graphs = buildGraphs(golden.config, golden.weights, ops, mask)
  const manifest = buildManifest(golden.config, graphs, {
    id: `${golden.config.network}-golden`,
    version: '1.0.0',
    title: 'A golden network',
    createdAt: '2026-01-01T00:00:00Z',
    input: { fit: 'crop', resize: 'bilinear-antialias', mean: [0.5], deviation: [0.5], modalities: [] },
    classes: ['a', 'b', 'c'].map((name) => ({ name, code: null })),
    temperature: null,
    training: null,
    metrics: [],
    intendedUse: 'Tests.',
    limits: [],
    licence: 'Apache-2.0',
    attributions: [],
  })
  return withManifest({ manifest, manifestBytes: new Uint8Array(), graph: graphs.graph, tail: graphs.tail, signature: null }, manifest)
}

/** The same files under another manifest. */
export function withManifest(files: BundleFiles, manifest: Manifest): BundleFiles {
  return { ...files, manifest, manifestBytes: new TextEncoder().encode(JSON.stringify(manifest)) }
}

/** One image of a golden batch as the road's input. */
export function goldenInput(golden: Golden, image: number): { pixels: Tensor; placement: typeof placement } {
  return { pixels: at(golden.input, image), placement }
}

const placement = { sourceRows: 16, sourceColumns: 16, top: 0, left: 0, height: 16, width: 16, quarterTurns: 0, inputHeight: 16, inputWidth: 16 } as const
