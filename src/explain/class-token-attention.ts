/** Attention of the last layer in, what the class token gives to each patch out, with and without the structure. */
import type { ExplanationMap, MapRange } from '../domain/explanation.ts'
import type { Manifest } from '../domain/manifest.ts'
import type { NamedOutputs } from '../domain/outputs.ts'
import { buildMap, extremesOf } from './build-map.ts'
import type { MapContext, MapMethod } from './map-method.ts'
import { classTokenRows, meanOfRows, toHeadGrids, tokenCount, toPatchGrid } from './patch-grid.ts'
import { declared, outputOf } from './read-outputs.ts'

const SOURCE = 'Vaswani et al., arXiv:1706.03762, equation 1; row of the class token'
const CLASS_AGNOSTIC = 'class-agnostic: the same map for every class'

export const classTokenAttention: MapMethod = {
  name: 'attention',
  title: 'Attention of the class token',
  isDefault: true,
  readsTail: false,
  needs: (manifest) => declared(manifest, 'attention'),
  build: (context) => attentionMap(context, context.outputs.asTrained, 'attention', 'Attention of the class token', 'mean over heads of the last layer'),
}

export const attentionWithoutStructure: MapMethod = {
  name: 'attention-without-structure',
  title: 'Attention of the class token without the structure',
  isDefault: false,
  readsTail: false,
  needs: (manifest) => (manifest.structure?.structureInput ? declared(manifest, 'attention') : null),
  build: (context) =>
    attentionMap(
      context,
      withoutStructure(context),
      'attention-without-structure',
      'Attention of the class token without the structure',
      'mean over heads of the last layer, the structure removed in every layer',
    ),
}

function attentionMap(context: MapContext, outputs: NamedOutputs, name: string, title: string, method: string): ExplanationMap {
  const { manifest } = context
  const rows = classTokenRows(outputOf(outputs, 'attention'), manifest)
  const tokens = tokenCount(manifest)
  return buildMap({
    name,
    title,
    kind: 'sequential',
    role: 'causal',
    layer: manifest.depth - 1,
    grid: toPatchGrid(meanOfRows(rows), manifest),
    heads: toHeadGrids(rows, manifest),
    ...sharedRange(context),
    marks: [{ value: 1 / tokens, label: 'uniform' }],
    unit: 'attention weight',
    method: `${method}; row of the class token; limits shared with and without the structure`,
    source: SOURCE,
    notes: [CLASS_AGNOSTIC],
  })
}

/** [0, max] over both runs, so that the two maps can be laid side by side. */
function sharedRange(context: MapContext): { range: MapRange; headRange: MapRange } {
  const { manifest, outputs } = context
  const runs = [outputs.asTrained, outputs.withoutStructure].filter((run) => run?.attention !== undefined)
  const rows = runs.map((run) => classTokenRows(outputOf(run ?? {}, 'attention'), manifest))
  return {
    range: { min: 0, max: Math.max(...rows.map((heads) => extremesOf(toPatchGrid(meanOfRows(heads), manifest).data).max)) || 1 },
    headRange: { min: 0, max: Math.max(...rows.map((heads) => extremesOf(toHeadGrids(heads, manifest).data).max)) || 1 },
  }
}

/** Throws: "output-missing" where no second run was made. */
export function withoutStructure(context: MapContext): NamedOutputs {
  return context.outputs.withoutStructure ?? {}
}

export const delta: MapMethod = {
  name: 'delta',
  title: 'Change of attention by the structure',
  isDefault: true,
  readsTail: false,
  needs: (manifest) => (manifest.structure?.structureInput ? declared(manifest, 'attention') : null),
  build: deltaMap,
}

function deltaMap(context: MapContext): ExplanationMap {
  const { manifest } = context
  const trained = classTokenRows(outputOf(context.outputs.asTrained, 'attention'), manifest)
  const base = classTokenRows(outputOf(withoutStructure(context), 'attention'), manifest)
  const rows = trained.map((row, head) => Float64Array.from(row, (value, key) => value - (base[head]?.[key] ?? 0)))
  const toClassToken = meanOfRows(rows)[manifest.classTokenIndex] ?? 0
  return buildMap({
    name: 'delta',
    title: 'Change of attention by the structure',
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
