/** The tail in, which patches the structure used out: attributions that sum to what the structure changed in the logit. */
import type { ExplanationMap } from '../domain/explanation.ts'
import { gaussLegendre } from '../tensor/gauss-legendre.ts'
import { softmax } from '../tensor/softmax.ts'
import { buildMap, extremesOf, toShort } from './build-map.ts'
import { type MapContext, type MapMethod, studyOf } from './map-method.ts'
import { meanOfRows, toHeadGrids, toPatchGrid } from './patch-grid.ts'
import { declaredRows } from './read-outputs.ts'
import { isOnlyInLastLayer } from './structure-layers.ts'
import { gradientOf, logitsOf, scoresUnder, type TailStudy } from './tail-study.ts'

/** Nodes grow with the bias: 16 do for a bias of 13, 128 for one of 1,200. */
const MOST_NODES = 128
/**
 * The count that is tried first, by the largest contrast of a head's bias. A sum may be right by chance where its parts are not, so few nodes are
 * taken only where no attribution is off by more than 2e-6 of the largest one (golden networks with their biases scaled, against 256 nodes).
 */
const FIRST_NODES = [
  { upTo: 2.5, nodes: 4 },
  { upTo: 6, nodes: 8 },
] as const
const FIRST_NODES_ELSE = 16
/** Relative residual that is asked for, and the change of a logit below which it becomes absolute. */
const RESIDUAL = 1e-3
const SMALL_CHANGE = 1e-3
/** Two float32 logits and their sum of attributions can't agree better than this many units in the last place. */
const ROUNDING_UNITS = 16

export const structureAttribution: MapMethod = {
  name: 'structure-attribution',
  title: 'Use of the structure',
  isDefault: true,
  readsTail: true,
  needs: (manifest) => {
    if (manifest.structure === null || manifest.structure.layers.at(-1) !== manifest.depth - 1) return null
    if (manifest.structure.maskMode !== null && manifest.structure.maskMode !== 'expected') return null
    return declaredRows(manifest, 'bias') ?? declaredRows(manifest, 'mask')
  },
  build: structureAttributionMap,
}

export interface StructureAttribution {
  /** [head][token] */
  readonly rows: readonly Float64Array[]
  /** logit as trained minus logit with the last layer's bias removed. */
  readonly deltaLogit: number
  /** |sum of all attributions - deltaLogit| */
  readonly residual: number
  readonly nodes: number
  readonly isConverged: boolean
}

async function structureAttributionMap(context: MapContext): Promise<ExplanationMap> {
  const { manifest, explainedClass } = context
  const found = await attributeStructure(studyOf(context), explainedClass.index)
  // The heads' attributions add up, so the map is their sum and not their mean.
  const sum = meanOfRows(found.rows).map((value) => value * found.rows.length)
  return buildMap({
    name: 'structure-attribution',
    title: 'Use of the structure',
    kind: 'diverging',
    role: 'causal',
    explainedClass: explainedClass.name,
    layer: manifest.depth - 1,
    grid: toPatchGrid(sum, manifest),
    heads: toHeadGrids(found.rows, manifest),
    unit: 'logit',
    method: "integral of the class logit's gradient with respect to the scores times the structure's bias, from no bias to all of it, summed over heads of the last layer",
    formula: 'structure-attribution/3',
    source: 'integrated gradients along the bias, Sundararajan, Taly and Yan, arXiv:1703.01365, equation 1',
    numbers: { deltaLogit: found.deltaLogit, sum: total(found.rows), classToken: sum[manifest.classTokenIndex] ?? 0, residual: found.residual, nodes: found.nodes },
    notes: [
      `sums, the class token's own ${toShort(sum[manifest.classTokenIndex] ?? 0)} with it, to ${toShort(found.deltaLogit)} of the logit: with the last layer's structure minus without`,
      ...(found.isConverged ? [] : [`not converged: residual ${toShort(found.residual)} with ${found.nodes} nodes`]),
      ...(isOnlyInLastLayer(manifest) ? [] : ['the last layer alone: earlier structured layers are not attributed']),
    ],
  })
}

/** The attribution of one class, nodes doubled until the residual is small. */
export async function attributeStructure(study: TailStudy, classIndex: number): Promise<StructureAttribution> {
  let nodes = firstNodes(study)
  // The first integral does not wait for the logits that it is held against: both are asked in one turn.
  const [ends, first] = await Promise.all([study.ends(), integrate(study, classIndex, nodes)])
  const trained = logitsOf(ends, 0)[classIndex] ?? 0
  const removed = logitsOf(ends, 1)[classIndex] ?? 0
  const deltaLogit = trained - removed
  const rounding = ROUNDING_UNITS * 2 ** -24 * Math.max(Math.abs(trained), Math.abs(removed))
  const tolerance = Math.max(RESIDUAL * Math.max(Math.abs(deltaLogit), SMALL_CHANGE), rounding)
  const residualOf = (rows: readonly Float64Array[]): number => Math.abs(total(rows) - deltaLogit)
  let rows = first
  while (!(residualOf(rows) < tolerance) && nodes < MOST_NODES) {
    nodes *= 2
    rows = await integrate(study, classIndex, nodes)
  }
  const residual = residualOf(rows)
  return { rows, deltaLogit, residual, nodes, isConverged: residual < tolerance }
}

function firstNodes({ bias }: TailStudy): number {
  const contrast = Math.max(0, ...bias.map(extremesOf).map(({ min, max }) => max - min))
  return FIRST_NODES.find(({ upTo }) => contrast <= upTo)?.nodes ?? FIRST_NODES_ELSE
}

/** The integral by this many nodes, [head][token]. */
async function integrate(study: TailStudy, classIndex: number, count: number): Promise<readonly Float64Array[]> {
  const { nodes, weights } = gaussLegendre(count)
  const answer = await study.ask(
    Array.from(nodes, (alpha) => ({ alpha, hidden: [] })),
    classIndex,
  )
  const rows = study.scores.map(() => new Float64Array(study.tokens))
  nodes.forEach((alpha, node) => {
    const gradient = gradientOf(answer, node)
    rows.forEach((row, head) => {
      addScoreGradientTimesBias(row, softmax(scoresUnder(study, head, alpha)), gradient[head] ?? new Float32Array(study.tokens), study.bias[head] ?? row, weights[node] ?? 0)
    })
  })
  return rows
}

/** Adds weight A_j (G_j - sum_k A_k G_k) P_j: the gradient of a softmax's logit times the bias. */
function addScoreGradientTimesBias(into: Float64Array, attention: Float64Array, gradient: ArrayLike<number>, bias: ArrayLike<number>, weight: number): void {
  let mean = 0
  for (let token = 0; token < into.length; token++) mean += (attention[token] ?? 0) * (gradient[token] ?? 0)
  for (let token = 0; token < into.length; token++) {
    into[token] = (into[token] ?? 0) + weight * (attention[token] ?? 0) * ((gradient[token] ?? 0) - mean) * (bias[token] ?? 0)
  }
}

function total(rows: readonly Float64Array[]): number {
  let sum = 0
  for (const row of rows) {
    let rowSum = 0
    for (let token = 0; token < row.length; token++) rowSum += row[token] ?? 0
    sum += rowSum
  }
  return sum
}
