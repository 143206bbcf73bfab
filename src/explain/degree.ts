/** Degrees in, how strongly each patch takes part in the structure out. */
import type { ExplanationMap } from '../domain/explanation.ts'
import { buildMap, extremesOf, toShort } from './build-map.ts'
import type { MapContext, MapMethod } from './map-method.ts'
import { headRows, lastLayer, meanOfRows, toHeadGrids, toPatchGrid } from './patch-grid.ts'
import { declared, outputOf } from './read-outputs.ts'
import { structureFacts } from './structure-facts.ts'
import { isInLastLayer, lastStructuredLayer, reachNote } from './structure-layers.ts'

export const degree: MapMethod = {
  name: 'degree',
  title: 'Degree',
  isDefault: true,
  readsTail: false,
  needs: (manifest) => declared(manifest, 'degree'),
  build: degreeMap,
}

function degreeMap(context: MapContext): ExplanationMap {
  const { manifest } = context
  const raw = headRows(lastLayer(outputOf(context.outputs.asTrained, 'degree')))
  const patches = raw.map((row) => row.subarray(manifest.prefixTokens))
  const largest = patches.map((row) => extremesOf(row).max)
  const rows = raw.map((row, head) => over(row, largest[head] ?? 0))
  const zeros = patches.reduce((count, row) => count + zerosIn(row), 0) / Math.max(1, patches.length * (patches[0]?.length ?? 1))
  const isOff = Math.max(...largest) === 0
  return buildMap({
    name: 'degree',
    title: 'Degree',
    kind: 'sequential',
    role: reachesPrediction(context) ? 'causal' : 'descriptive',
    layer: lastStructuredLayer(manifest),
    grid: toPatchGrid(meanOfRows(rows), manifest),
    heads: toHeadGrids(rows, manifest),
    range: { min: 0, max: 1 },
    unit: "of the head's largest",
    method: "degree over the largest of the head's patches, mean over heads",
    source: 'theta of the degree-corrected mixed-membership model, Jin, Ke and Luo, arXiv:1708.07852, section 1',
    numbers: { largestDegree: Math.max(...largest), shareOfZeros: zeros },
    notes: [
      ...(isOff ? ['degree branch inactive: every degree is 0'] : []),
      `largest degree by head: ${largest.map(toShort).join(', ')}; exact zeros: ${Math.round(100 * zeros)} %`,
      ...inactiveNote(context),
      reachNote(manifest),
    ],
  })
}

/** Every value over the largest; zeros where that is 0. */
function over(values: Float32Array, largest: number): Float64Array {
  const parts = new Float64Array(values.length)
  if (largest > 0) for (let i = 0; i < parts.length; i++) parts[i] = (values[i] ?? 0) / largest
  return parts
}

function zerosIn(values: Float32Array): number {
  let zeros = 0
  for (let i = 0; i < values.length; i++) if (values[i] === 0) zeros++
  return zeros
}

/** Whether a patch's degree can touch the prediction: as a key of the class token, or through later layers. */
export function reachesPrediction({ manifest, outputs }: MapContext): boolean {
  if (!isInLastLayer(manifest)) return true
  const shown = structureFacts(manifest, outputs.asTrained)?.perHead.filter(({ layer }) => layer === lastStructuredLayer(manifest)) ?? []
  return shown.length === 0 || shown.some(({ isInactive }) => !isInactive)
}

/** What a map says of heads whose structure is off for the decision. */
export function inactiveNote({ manifest, outputs }: MapContext): readonly string[] {
  const facts = structureFacts(manifest, outputs.asTrained)
  if (facts === null || facts.inactiveHeads === 0) return []
  return [`inactive heads: ${facts.inactiveHeads} of ${facts.heads}; there the structure does not touch the decision`]
}
