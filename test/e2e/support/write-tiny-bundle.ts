/** An untrained network of each kind as a bundle on disk: real graphs for tests that need a server, whatever is released. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildGraphs } from '../../../export/build-graphs.ts'
import { buildManifest } from '../../../export/build-manifest.ts'
import { initialWeights } from '../../../models/initial-weights.ts'
import { DCMM_RELEASED, type NetworkConfig, SBM_RELEASED } from '../../../models/network-config.ts'

export const TINY_DCMM = 'dcmm-vit-tiny-patch7-28.untrained-v1'
export const TINY_SBM = 'sbm-vit-tiny-patch7-28.untrained-v1'

const PLAIN: NetworkConfig = {
  network: 'vit',
  imageSize: 28,
  channels: 1,
  patchSize: 7,
  patchOverlap: 0,
  width: 24,
  depth: 2,
  heads: 3,
  mlpRatio: 2,
  classes: 2,
  layerNormEps: 1e-6,
  structuredLayers: [],
  dcmm: null,
  sbm: null,
}

const CONFIGS: Readonly<Record<string, NetworkConfig>> = {
  [TINY_DCMM]: { ...PLAIN, network: 'dcmm-vit', structuredLayers: [1], dcmm: { ...DCMM_RELEASED, communities: 4, thetaActivation: 'softplus' } },
  [TINY_SBM]: { ...PLAIN, network: 'sbm-vit', structuredLayers: [0, 1], sbm: { ...SBM_RELEASED, communities: 4 } },
}

/** Writes the bundles into `folder`, each in a folder of its id. */
export function writeTinyBundles(folder: string, modalities: readonly string[] = ['CR', 'DX']): void {
  for (const [id, config] of Object.entries(CONFIGS)) writeBundle(join(folder, id), id, config, modalities)
}

function writeBundle(folder: string, id: string, config: NetworkConfig, modalities: readonly string[]): void {
  const graphs = buildGraphs(config, initialWeights(config, 7), 'function', { mode: config.sbm === null ? 'expected' : 'sample' })
  const manifest = buildManifest(config, graphs, {
    id,
    version: '1.0.0',
    title: 'An untrained network',
    createdAt: '2026-01-01T00:00:00Z',
    input: { fit: 'crop', resize: 'bilinear-antialias', mean: [0.5], deviation: [0.5], modalities: [...modalities] },
    classes: [
      { name: 'normal', code: null },
      { name: 'pneumonia', code: { value: '233604007', scheme: 'SCT', meaning: 'Pneumonia' } },
    ],
    temperature: 1.5,
    training: null,
    metrics: [],
    intendedUse: 'Tests alone.',
    limits: [],
    licence: 'Apache-2.0',
    attributions: [],
  })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest))
  writeFileSync(join(folder, 'model.onnx'), graphs.graph)
  writeFileSync(join(folder, 'tail.onnx'), graphs.tail)
  writeFileSync(join(folder, 'README.md'), '# Untrained\n')
}
