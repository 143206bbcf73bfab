/** Small requests for tests: an image whose pixels tell where they are, a map, and a caption. */
import type { ExplanationMap } from '../../src/domain/explanation.ts'
import type { Placement } from '../../src/domain/placement.ts'
import type { DisplayImage, RenderOptions, RenderRequest } from '../../src/domain/prediction.ts'
import { buildMap, type MapParts } from '../../src/explain/build-map.ts'
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'

export const gridOf = (rows: number, columns: number, valueAt: (row: number, column: number) => number): Tensor =>
  tensorOf(
    Float32Array.from({ length: rows * columns }, (_, i) => valueAt(Math.floor(i / columns), i % columns)),
    [rows, columns],
  )

/** All of the source stretched over the input. */
export const wholePlacement = (rows: number, columns: number, given: Partial<Placement> = {}): Placement => ({
  sourceRows: rows,
  sourceColumns: columns,
  top: 0,
  left: 0,
  height: rows,
  width: columns,
  quarterTurns: 0,
  inputHeight: 224,
  inputWidth: 224,
  ...given,
})

/** The centered square of the short side. */
export const cropPlacement = (rows: number, columns: number): Placement => {
  const side = Math.min(rows, columns)
  return wholePlacement(rows, columns, { top: (rows - side) / 2, left: (columns - side) / 2, height: side, width: side })
}

/** The centered square of the long side. */
export const padPlacement = (rows: number, columns: number): Placement => {
  const side = Math.max(rows, columns)
  return wholePlacement(rows, columns, { top: (rows - side) / 2, left: (columns - side) / 2, height: side, width: side })
}

export const displayOf = (rows: number, columns: number, channels: 1 | 3 = 1): DisplayImage => ({
  rows,
  columns,
  channels,
  pixels: Uint8Array.from({ length: rows * columns * channels }, (_, i) => (i * 31 + Math.floor(i / 7)) % 256),
})

export const mapOf = (grid: Tensor, given: Partial<MapParts> = {}): ExplanationMap =>
  buildMap({
    name: 'attention',
    title: 'Attention of the class token',
    kind: 'sequential',
    role: 'causal',
    grid,
    unit: 'attention weight',
    method: 'mean over heads',
    source: 'hand',
    ...given,
  })

export const labelMapOf = (grid: Tensor, given: Partial<MapParts> = {}): ExplanationMap => {
  const counts = new Map<number, number>()
  for (const label of grid.data) counts.set(label, (counts.get(label) ?? 0) + 1)
  const communities = [...counts].sort(([a], [b]) => a - b).map(([index, count]) => ({ index, share: count / grid.data.length, deltaLogit: null, shapley: null }))
  return mapOf(grid, { name: 'communities', title: 'Communities', kind: 'categorical', role: 'descriptive', unit: 'label', communities, ...given })
}

export const requestOf = (map: ExplanationMap, display: DisplayImage, placement: Placement, options: Partial<RenderOptions> = {}): RenderRequest => ({
  kind: 'render',
  display,
  placement,
  map,
  maps: [map],
  caption: {
    requestId: '0b5e1c2a9d',
    createdAt: '2026-01-02T03:04:05Z',
    modelId: 'dcmm-vit-tiny-patch4-28.example-v1',
    modelVersion: '1.0.0',
    graphSha256: 'ab'.repeat(32),
    inputSha256: 'cd'.repeat(32),
    predictedClass: { name: 'pneumonia', code: null, logit: 2.1, probability: 0.934, calibratedProbability: 0.871 },
  },
  options: { format: 'png', style: 'overlay', alpha: 0.4, head: null, colormap: null, size: 'source', ...options },
})
