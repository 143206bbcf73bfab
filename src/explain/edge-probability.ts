/** The stochastic block attention's edges in, how much each patch is looked at out: expected, in use, and how it varies. */
import type { ExplanationMap } from '../domain/explanation.ts'
import { Problem } from '../domain/problem.ts'
import { at, type Tensor } from '../tensor/tensor.ts'
import { buildMap } from './build-map.ts'
import type { MapContext, MapMethod } from './map-method.ts'
import { lastLayer, meanOfRows, type TokenLayout, toHeadGrids, tokenCount, toPatchGrid } from './patch-grid.ts'
import { declared, declaredRows, outputOf, rowsOf } from './read-outputs.ts'
import { lastStructuredLayer, reachNote } from './structure-layers.ts'

const SOURCE = 'Cho et al., arXiv:2210.15541, section 3: P = Y S Z^T'

export const edgeProbability: MapMethod = {
  name: 'edge-probability',
  title: 'Edge probability',
  isDefault: false,
  readsTail: false,
  needs: (manifest) => declared(manifest, 'edgeProbability'),
  build: (context) => edgeMap(context, 'edgeProbability', 'edge-probability', 'Edge probability', 'probability that a patch may attend to this one'),
}

export const mask: MapMethod = {
  name: 'mask',
  title: 'Mask in use',
  isDefault: false,
  readsTail: false,
  needs: (manifest) => (manifest.network === 'sbm-vit' ? declared(manifest, 'mask') : null),
  build: (context) => edgeMap(context, 'mask', 'mask', 'Mask in use', 'mask of the edges from the patches to this one'),
}

export const maskSpread: MapMethod = {
  name: 'mask-spread',
  title: 'Spread over drawn masks',
  isDefault: false,
  readsTail: false,
  needs: (manifest) => (manifest.structure?.seedInput ? declaredRows(manifest, 'attention') : null),
  build: maskSpreadMap,
}

function edgeMap({ manifest, outputs }: MapContext, output: 'edgeProbability' | 'mask', name: string, title: string, what: string): ExplanationMap {
  const rows = inDegrees(lastLayer(outputOf(outputs.asTrained, output)), manifest)
  return buildMap({
    name,
    title,
    kind: 'sequential',
    role: 'descriptive',
    layer: lastStructuredLayer(manifest),
    grid: toPatchGrid(meanOfRows(rows), manifest),
    heads: toHeadGrids(rows, manifest),
    range: { min: 0, max: 1 },
    unit: 'probability',
    method: `${what}: mean over the patches that look, then over heads`,
    source: SOURCE,
    notes: [...(manifest.structure?.maskMode === null ? [] : [`mask mode: ${manifest.structure?.maskMode}`]), reachNote(manifest)],
  })
}

/**
 * Mean over the patches that look, for each token that is looked at.
 *
 * edges    [head, token, token], query before key
 * returns  [head][token]
 */
export function inDegrees(edges: Tensor, layout: TokenLayout): readonly Float64Array[] {
  const tokens = tokenCount(layout)
  const [heads = 0, queries, keys] = edges.shape
  if (queries !== tokens || keys !== tokens) throw new Problem('shape-mismatch', 'edges have other axes', { expected: [heads, tokens, tokens], actual: edges.shape })
  return Array.from({ length: heads }, (_, head) => {
    const matrix = at(edges, head)
    return meanOfRows(Array.from({ length: tokens - layout.prefixTokens }, (_, patch) => at(matrix, layout.prefixTokens + patch).data))
  })
}

function maskSpreadMap({ manifest, outputs }: MapContext): ExplanationMap {
  const samples = outputs.samples ?? []
  if (samples.length < 2) throw new Problem('parameter-invalid', 'the map mask-spread needs samples of at least 2', { parameter: 'samples' })
  const draws = samples.map((sample) => rowsOf(sample, 'attention', manifest))
  const rows = (draws[0] ?? []).map((_, head) => standardDeviations(draws.map((heads) => heads[head] ?? [])))
  return buildMap({
    name: 'mask-spread',
    title: 'Spread over drawn masks',
    kind: 'sequential',
    role: 'causal',
    layer: manifest.depth - 1,
    grid: toPatchGrid(meanOfRows(rows), manifest),
    heads: toHeadGrids(rows, manifest),
    unit: 'attention weight',
    method: `standard deviation of the class token's attention over ${samples.length} drawn masks, mean over heads of the last layer`,
    source: 'Monte Carlo over the masks of arXiv:2210.15541',
    numbers: { samples: samples.length },
  })
}

/** Sample standard deviation of every entry over the rows. */
function standardDeviations(rows: readonly ArrayLike<number>[]): Float64Array {
  const mean = meanOfRows(rows)
  return mean.map((center, i) => Math.sqrt(rows.reduce((sum, row) => sum + ((row[i] ?? 0) - center) ** 2, 0) / (rows.length - 1)))
}
