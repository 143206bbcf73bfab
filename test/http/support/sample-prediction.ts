/** One small prediction, made by hand: a 6 x 8 image, a 2 x 2 patch grid, two classes, three maps. */
import type { ExplanationMap } from '../../../src/domain/explanation.ts'
import type { Manifest } from '../../../src/domain/manifest.ts'
import type { Prediction } from '../../../src/domain/prediction.ts'
import type { PublishedModel } from '../../../src/domain/published-model.ts'
import { tensorOf } from '../../../src/tensor/tensor.ts'

export const MODEL_ID = 'dcmm-vit-tiny-patch4-28.sample-v1'
const GRAPH_SHA256 = 'a'.repeat(64)

const mapOf = (name: string, fields: Partial<ExplanationMap>): ExplanationMap => ({
  name,
  title: name,
  kind: 'sequential',
  classSpecific: false,
  explainedClass: null,
  layer: 1,
  role: 'descriptive',
  grid: tensorOf(Float32Array.of(0, 0.25, 0.5, 1), [2, 2]),
  heads: null,
  range: { min: 0, max: 1 },
  marks: [],
  interpolation: 'bilinear',
  unit: '1',
  method: 'made by hand',
  formula: `${name}/1`,
  source: 'none',
  confidence: null,
  headConfidence: null,
  headRange: null,
  communities: [],
  numbers: {},
  statistics: { min: 0, max: 1, mean: 0.4375, standardDeviation: 0.375, sum: 1.75, lowest: { row: 0, column: 0 }, highest: { row: 1, column: 1 } },
  notes: [],
  altText: 'Brighter to the lower right.',
  ...fields,
})

/** As if made for an order: a map of one class that no prediction holds. */
export const sampleMap: ExplanationMap = mapOf('rise', { classSpecific: true, explainedClass: 'pneumonia', layer: null, role: 'causal', unit: 'probability' })

export const samplePrediction: Prediction = {
  model: { id: MODEL_ID, version: '1', network: 'dcmm-vit', graphSha256: GRAPH_SHA256 },
  input: {
    format: 'png',
    rows: 6,
    columns: 8,
    frame: 1,
    frames: 1,
    modality: null,
    transferSyntaxUid: null,
    photometricInterpretation: null,
    bitsStored: 8,
    window: { center: 127.5, width: 256, function: 'NONE' },
    warnings: [{ code: 'modality-unknown', detail: 'a PNG names no modality' }],
    placement: { sourceRows: 6, sourceColumns: 8, top: 0, left: 1, height: 6, width: 6, quarterTurns: 0, inputHeight: 28, inputWidth: 28 },
  },
  explanation: {
    classes: [
      { name: 'normal', code: null, logit: -1, probability: 0.25, calibratedProbability: null },
      { name: 'pneumonia', code: { value: '233604007', scheme: 'SCT', meaning: 'Pneumonia' }, logit: 1, probability: 0.75, calibratedProbability: 0.7 },
    ],
    predictedClass: 'pneumonia',
    explainedClass: 'pneumonia',
    counterfactual: { structure: 'removed', scope: 'network', classes: [{ name: 'pneumonia', logit: 0.5, probability: 0.6, deltaLogit: 0.5 }] },
    maps: [
      mapOf('communities', { kind: 'categorical', range: null, statistics: null, interpolation: 'nearest', heads: tensorOf(new Float32Array(12), [3, 2, 2]) }),
      mapOf('attention', {}),
      mapOf('delta', { kind: 'diverging', classSpecific: true, explainedClass: 'pneumonia', role: 'causal', range: { min: -1, max: 1 } }),
    ],
    structure: {
      heads: 3,
      inactiveHeads: 1,
      largestClassTokenBias: 0.5,
      perHead: [{ layer: 1, head: 0, classTokenDegree: 0.4, largestBias: 0.5, isInactive: false }],
    },
    communities: [{ index: 0, share: 0.75, deltaLogit: 0.2, shapley: null }],
    agreement: { pairs: [{ maps: ['attention', 'delta'], rankCorrelation: 0.8 }], isLow: false, threshold: 0.3 },
    uncertainty: null,
  },
  display: { rows: 6, columns: 8, channels: 1, pixels: Uint8Array.from({ length: 48 }, (_, i) => i * 5) },
  networkInput: tensorOf(
    Float32Array.from({ length: 28 * 28 }, (_, i) => (i % 29) / 14 - 1),
    [1, 28, 28],
  ),
  provenance: { software: 'attending 0.1.0', graphSha256: GRAPH_SHA256, preprocessingSha256: 'b'.repeat(64), inputSha256: 'c'.repeat(64), seed: null, runtime: 'none' },
  timingMs: { decode: 1, preprocess: 1, queue: 0, infer: 2, explain: 1, render: 0 },
}

const manifest: Manifest = {
  schemaVersion: 1,
  id: MODEL_ID,
  version: '1',
  title: 'A sample',
  network: 'dcmm-vit',
  createdAt: '2026-01-01T00:00:00.000Z',
  graph: { file: 'model.onnx', sha256: GRAPH_SHA256, opset: 20, ir: 9, ops: 'function', batchInvariant: true },
  tail: null,
  customOps: [],
  input: { name: 'pixels', layout: 'nchw', channels: 1, height: 28, width: 28, fit: 'crop', resize: 'bilinear-antialias', mean: [0.5], deviation: [0.5], modalities: ['CR', 'DX'] },
  outputs: { logits: { name: 'logits', axes: ['batch', 'class'] } },
  patchGrid: { height: 2, width: 2 },
  prefixTokens: 1,
  classTokenIndex: 0,
  depth: 2,
  heads: 3,
  structure: null,
  classes: [
    { name: 'normal', code: null },
    { name: 'pneumonia', code: { value: '233604007', scheme: 'SCT', meaning: 'Pneumonia' } },
  ],
  temperature: null,
  parity: { absolute: 1e-4, relative: 1e-3 },
  training: null,
  metrics: [],
  intendedUse: 'Research on <chest> & "hand" radiographs.',
  limits: [],
  licence: 'Apache-2.0',
  attributions: [],
}

export const sampleModels: readonly PublishedModel[] = [
  { manifest, card: '# A sample\n' },
  { manifest: { ...manifest, id: 'sbm-vit-tiny-patch4-28.sample-v1', network: 'sbm-vit' }, card: null },
]

/** A PNG's signature and nothing that could be decoded: the parent looks no further. */
export const pngBytes = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1, 2, 3)
export const jpegBytes = Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 1, 2, 3)
export const dicomBytes = Uint8Array.from([...new Uint8Array(128), 0x44, 0x49, 0x43, 0x4d, 2, 0])
