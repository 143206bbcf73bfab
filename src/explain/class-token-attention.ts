/** Attention of the last layer in, what the class token gives to each patch out, with and without the structure. */
import type { ExplanationMap, MapRange } from '../domain/explanation.ts'
import type { Manifest } from '../domain/manifest.ts'
import type { OutputName } from '../domain/outputs.ts'
import { Problem } from '../domain/problem.ts'
import { softmax } from '../tensor/softmax.ts'
import { buildMap, extremesOf } from './build-map.ts'
import type { MapContext, MapMethod } from './map-method.ts'
import { meanOfRows, toHeadGrids, tokenCount, toPatchGrid } from './patch-grid.ts'
import { declaredRows, hasRows, rowsOf } from './read-outputs.ts'
import { biasRows } from './structure-facts.ts'
import { isOnlyInLastLayer, needsRunWithoutStructure } from './structure-layers.ts'
import { addScaled } from './tail-study.ts'

const SOURCE = 'Vaswani et al., arXiv:1706.03762, equation 1; row of the class token'
const CLASS_AGNOSTIC = 'class-agnostic: the same map for every class'

export const classTokenAttention: MapMethod = {
  name: 'attention',
  title: 'Attention of the class token',
  isDefault: true,
  readsTail: false,
  needs: needsAttention,
  build: (context) => attentionMap(context, rowsAsTrained(context), 'attention', 'Attention of the class token', 'mean over heads of the last layer'),
}

export const attentionWithoutStructure: MapMethod = {
  name: 'attention-without-structure',
  title: 'Attention of the class token without the structure',
  isDefault: false,
  readsTail: false,
  needs: needsBoth,
  build: (context) =>
    attentionMap(
      context,
      rowsWithoutStructure(context),
      'attention-without-structure',
      'Attention of the class token without the structure',
      'mean over heads of the last layer, the structure removed in every layer',
    ),
}

/** Rows of the class token, [head][token]. */
type Rows = readonly ArrayLike<number>[]

/** Three maps read the same rows: computed once for an answer. */
function oncePerAnswer(compute: (context: MapContext) => Rows): (context: MapContext) => Rows {
  const known = new WeakMap<MapContext, Rows>()
  return (context) => {
    const rows = known.get(context) ?? compute(context)
    known.set(context, rows)
    return rows
  }
}

function attentionMap(context: MapContext, rows: Rows, name: string, title: string, method: string): ExplanationMap {
  const { manifest } = context
  return buildMap({
    name,
    title,
    kind: 'sequential',
    role: 'causal',
    layer: manifest.depth - 1,
    grid: toPatchGrid(meanOfRows(rows), manifest),
    heads: toHeadGrids(rows, manifest),
    ...sharedRange(context),
    marks: [{ value: 1 / tokenCount(manifest), label: 'uniform' }],
    unit: 'attention weight',
    method: `${method}; row of the class token; limits shared with and without the structure`,
    source: SOURCE,
    notes: [CLASS_AGNOSTIC],
  })
}

/** The attention itself, or, where it was not fetched, the softmax of scores and bias, which is the same: a matrix over all tokens costs more to fetch than its one row to compute. */
const rowsAsTrained = oncePerAnswer(({ manifest, outputs: { asTrained } }) => {
  if (hasRows(asTrained, 'attention') || !hasRows(asTrained, 'scores') || !canSkipAttention(manifest)) return rowsOf(asTrained, 'attention', manifest)
  const bias = biasRows(manifest, asTrained, 0)
  return rowsOf(asTrained, 'scores', manifest).map((row, head) => softmax(addScaled(row, bias[head] ?? [], 1)))
})

/** Scores and bias are fetched for the counterfactual in any case. */
function canSkipAttention(manifest: Manifest): boolean {
  return manifest.structure !== null && !needsRunWithoutStructure(manifest) && declaredRows(manifest, 'bias') !== null
}

function needsAttention(manifest: Manifest): readonly OutputName[] | null {
  return canSkipAttention(manifest) ? declaredRows(manifest, 'scores', 'bias') : declaredRows(manifest, 'attention')
}

/**
 * The class token's attention were there no structure: of the second run, or, where the structure is in the last layer alone, the softmax of that layer's scores, which is the same.
 *
 * Throws: "output-missing".
 */
const rowsWithoutStructure = oncePerAnswer(({ manifest, outputs }) => {
  if (outputs.withoutStructure !== null && hasRows(outputs.withoutStructure, 'attention')) return rowsOf(outputs.withoutStructure, 'attention', manifest)
  if (!isOnlyInLastLayer(manifest)) throw new Problem('output-missing', 'the map needs a run without the structure', { output: 'attention' })
  return rowsOf(outputs.asTrained, 'scores', manifest).map((row) => softmax(row))
})

function hasRowsWithoutStructure({ manifest, outputs }: MapContext): boolean {
  return (outputs.withoutStructure !== null && hasRows(outputs.withoutStructure, 'attention')) || (isOnlyInLastLayer(manifest) && hasRows(outputs.asTrained, 'scores'))
}

function needsBoth(manifest: Manifest): readonly OutputName[] | null {
  if (manifest.structure === null) return null
  if (needsRunWithoutStructure(manifest)) return manifest.structure.structureInput === null ? null : declaredRows(manifest, 'attention')
  return canSkipAttention(manifest) ? declaredRows(manifest, 'scores', 'bias') : declaredRows(manifest, 'attention', 'scores')
}

/** [0, max] over both, so that the two maps can be laid side by side. */
function sharedRange(context: MapContext): { range: MapRange; headRange: MapRange } {
  const { manifest } = context
  const both = [rowsAsTrained(context), ...(hasRowsWithoutStructure(context) ? [rowsWithoutStructure(context)] : [])]
  return {
    range: { min: 0, max: Math.max(...both.map((rows) => extremesOf(toPatchGrid(meanOfRows(rows), manifest).data).max)) || 1 },
    headRange: { min: 0, max: Math.max(...both.map((rows) => extremesOf(toHeadGrids(rows, manifest).data).max)) || 1 },
  }
}

export const delta: MapMethod = {
  name: 'delta',
  title: 'Change by the structure',
  isDefault: true,
  readsTail: false,
  needs: needsBoth,
  build: deltaMap,
}

function deltaMap(context: MapContext): ExplanationMap {
  const { manifest } = context
  const base = rowsWithoutStructure(context)
  const rows = rowsAsTrained(context).map((row, head) => addScaled(row, base[head] ?? [], -1))
  const toClassToken = meanOfRows(rows)[manifest.classTokenIndex] ?? 0
  return buildMap({
    name: 'delta',
    title: 'Change by the structure',
    kind: 'diverging',
    role: 'causal',
    layer: manifest.depth - 1,
    grid: toPatchGrid(meanOfRows(rows), manifest),
    heads: toHeadGrids(rows, manifest),
    unit: 'attention weight',
    method: `attention of the class token as trained minus without the structure, mean over heads of the last layer${removalScope(manifest)}`,
    source: 'softmax(S + bias) - softmax(S), row of the class token',
    numbers: { classTokenDelta: toClassToken },
    notes: [CLASS_AGNOSTIC],
  })
}

function removalScope(manifest: Manifest): string {
  return (manifest.structure?.layers.length ?? 0) > 1 ? '; removed in every structured layer, so that changes of earlier layers count' : ''
}
