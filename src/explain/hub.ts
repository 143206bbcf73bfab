/** The structure's bias in, which patches it draws the class token to out. */
import type { ExplanationMap } from '../domain/explanation.ts'
import { buildMap } from './build-map.ts'
import { inactiveNote } from './degree.ts'
import type { MapContext, MapMethod } from './map-method.ts'
import { meanOfRows, toHeadGrids, toPatchGrid } from './patch-grid.ts'
import { declaredRows, rowsOf } from './read-outputs.ts'
import { isInLastLayer, lastStructuredLayer, reachNote } from './structure-layers.ts'

const TOP_PATCHES = 5

export const hub: MapMethod = {
  name: 'hub',
  title: 'Hubs of the decision',
  isDefault: false,
  readsTail: false,
  needs: (manifest) => declaredRows(manifest, 'bias'),
  build: hubMap,
}

function hubMap(context: MapContext): ExplanationMap {
  const { manifest } = context
  const rows = rowsOf(context.outputs.asTrained, 'bias', manifest, (manifest.structure?.layers.length ?? 1) - 1).map(minusMean)
  const grid = toPatchGrid(meanOfRows(rows), manifest)
  return buildMap({
    name: 'hub',
    title: 'Hubs of the decision',
    kind: 'diverging',
    role: isInLastLayer(manifest) ? 'causal' : 'descriptive',
    layer: lastStructuredLayer(manifest),
    grid,
    heads: toHeadGrids(rows, manifest),
    unit: 'attention score',
    method: "the structure's bias in the class token's row minus its mean over keys, mean over heads",
    source: 'lambda theta_0 (theta_j M_0j - mean over j)',
    notes: [`strongest patches (row, column): ${strongestPatches(grid.data, manifest.patchGrid.width)}`, ...inactiveNote(context), reachNote(manifest)],
  })
}

/** A softmax does not see what a whole row has in common. */
function minusMean(row: Float32Array): Float64Array {
  const mean = row.reduce((sum, value) => sum + value, 0) / row.length
  return Float64Array.from(row, (value) => value - mean)
}

function strongestPatches(values: Float32Array, columns: number): string {
  const order = Array.from(values, (_, patch) => patch).sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b)
  return order
    .slice(0, TOP_PATCHES)
    .map((patch) => `(${Math.floor(patch / columns) + 1}, ${(patch % columns) + 1})`)
    .join(' ')
}
