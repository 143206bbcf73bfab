/** A structured network and a split in, how alive and how used its structure is out. */
import * as tf from '@tensorflow/tfjs'
import { firstRows } from '../../src/tensor/first-rows.ts'
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'
import { forward } from '../forward.ts'
import type { Primitives } from '../layers/primitives.ts'
import type { NetworkConfig } from '../network-config.ts'
import { forcedEdges, freeEdgeCount } from '../sbm-vit/forced-edges.ts'
import { evaluationBatches, evaluationPixels, type SplitRequest } from './network-logits.ts'

/** Of one DCMM layer, over images, heads and tokens. Source of what to watch: models 4.1, P1 to P5. */
export interface DcmmDiagnostics {
  readonly layer: number
  /** Share of degrees that are exactly zero; 1 is a dead structure. */
  readonly zeroDegreeShare: number
  readonly meanDegree: number
  /** The largest lambda theta_i theta_j M_ij in a class token's row. */
  readonly largestClassTokenBias: number
  /** The standard deviation of the bias along a class token's row, the mean over images and heads: what the softmax feels. */
  readonly classTokenBiasSpread: number
  /** exp of the entropy of the mean membership, the mean over heads: 1 is a collapse, every token in one community. */
  readonly effectiveCommunities: number
  /** The mean of each token's largest membership: 1 / communities says nothing, 1 is a clear assignment. */
  readonly membershipConfidence: number
  /** How many communities are some patch's largest, in one image and head; the mean over both. What a community map shows. */
  readonly distinctCommunities: number
}

/** Of one SBM layer. */
export interface SbmDiagnostics {
  readonly layer: number
  /** The mean edge probability, forced edges included. */
  readonly density: number
  /** Of each head: the part of the edges that are not forced which a mask is expected to keep. Left out by trainings before this was measured, as the next. */
  readonly headDensities?: readonly number[]
  /** The standard deviation of these edges' probabilities within one image and head, the mean over both: 0 where no edge is likelier than another. */
  readonly maskDeviation?: number
}

export type StructureDiagnostics = readonly (DcmmDiagnostics | SbmDiagnostics)[]

/** A bias that no softmax feels: attention changes by less than a twentieth. */
const UNFELT_BIAS = 0.05
/** Nearly every edge there, or nearly none but the forced ones. */
const DENSE = 0.99
const EMPTY = 0.001
/** Edges whose probabilities differ by less than this part of their mean: the mean field adds their logarithms to the scores, which then differ by less than UNFELT_BIAS. */
const EVEN = UNFELT_BIAS

/** Why a layer's structure does nothing, in words for a card or a terminal; null where it does something. Source of the signs: models 4.1, P1 to P5. */
export function deadReason(layer: StructureDiagnostics[number]): string | null {
  if ('density' in layer) {
    if (layer.density >= DENSE) return `its masks keep ${(100 * layer.density).toFixed(1)} % of the edges: it is plain attention`
    if (layer.density <= EMPTY) return 'its masks keep no edge but the forced ones'
    const { maskDeviation = Number.POSITIVE_INFINITY } = layer
    return maskDeviation < EVEN * layer.density ? `its edges are all as likely (${layer.density.toFixed(3)}, SD ${maskDeviation.toFixed(4)}): its masks are chance` : null
  }
  if (layer.zeroDegreeShare === 1) return 'every degree is exactly zero: no gradient can bring it back'
  if (Math.abs(layer.largestClassTokenBias) < UNFELT_BIAS) return `its largest class-token bias is ${layer.largestClassTokenBias.toFixed(3)}: the softmax does not feel it`
  return null
}

/** Images looked at: enough for means that steer, few enough for every epoch. */
const IMAGES = 128

/** One entry for each structured layer; empty for a plain network. */
export async function diagnoseStructure(
  config: NetworkConfig,
  weights: ReadonlyMap<string, tf.Tensor>,
  request: SplitRequest,
  primitives: Primitives,
): Promise<StructureDiagnostics> {
  if (config.structuredLayers.length === 0) return []
  const images = Math.min(IMAGES, request.data.splits[request.split].count)
  const parts: Stages[] = []
  for (const part of evaluationBatches(config, images, images)) parts.push(await watchedStages(config, weights, request, primitives, part))
  const stage = (layer: number, name: keyof typeof WATCHED): Tensor => joined(parts.map((part) => part.get(`layer${layer}.${name}`)))
  return config.structuredLayers.map((layer) =>
    config.dcmm === null ? diagnoseSbm(layer, stage(layer, 'edgeProbability')) : diagnoseDcmm(layer, stage(layer, 'degree'), stage(layer, 'bias'), stage(layer, 'membership')),
  )
}

type Stages = ReadonlyMap<string, Tensor>

/** What is kept of the stages that are watched: the bias' class-token row [batch, head, 1, token], three figures of the edge probabilities [batch, head, 3], the others whole. */
const WATCHED: Readonly<Record<'edgeProbability' | 'degree' | 'bias' | 'membership', (stage: tf.Tensor, config: NetworkConfig) => tf.Tensor>> = {
  edgeProbability: edgeFigures,
  degree: (stage) => stage,
  bias: (stage) => stage.slice([0, 0, 0, 0], [-1, -1, 1, -1]),
  membership: (stage) => stage,
}

/**
 * The mean probability of all edges; of those that are not forced the mean of what a mask keeps, and its standard deviation.
 *
 * probability  [batch, head, token, token]
 * returns      [batch, head, 3]
 */
function edgeFigures(probability: tf.Tensor, { sbm }: NetworkConfig): tf.Tensor {
  if (sbm === null) throw new RangeError('no SBM has edge probabilities')
  const tokens = probability.shape.at(-1) ?? 1
  const free = tf.sub(1, forcedEdges(tokens, sbm))
  const count = Math.max(freeEdgeCount(tokens, sbm), 1)
  const kept = tf.clipByValue(tf.add(probability, sbm.delta), 0, 1)
  const mean = tf.div(tf.sum(tf.mul(kept, free), [2, 3], true), count)
  const variance = tf.div(tf.sum(tf.mul(tf.squaredDifference(kept, mean), free), [2, 3]), count)
  return tf.stack([tf.mean(probability, [2, 3]), tf.squeeze(mean, [2, 3]), tf.sqrt(variance)], -1)
}

/** Of the images from `start` to `end`. */
async function watchedStages(
  config: NetworkConfig,
  weights: ReadonlyMap<string, tf.Tensor>,
  request: SplitRequest,
  primitives: Primitives,
  { start, end }: { readonly start: number; readonly end: number },
): Promise<Stages> {
  const pixels = evaluationPixels(request, start, end)
  const kept = tf.tidy(() => {
    const { stages } = forward(config, weights, pixels, { primitives, capture: true })
    return Object.entries(WATCHED).flatMap(([name, keep]) =>
      [...stages].filter(([stage]) => stage.endsWith(`.${name}`)).map(([stage, tensor]) => [stage, keep(tensor, config)] as const),
    )
  })
  const read = kept.map(async ([name, tensor]): Promise<[string, Tensor]> => [name, tensorOf(Float32Array.from(await tensor.data()), tensor.shape)])
  const stages = new Map(await Promise.all(read))
  tf.dispose([pixels, ...kept.map(([, tensor]) => tensor)])
  return stages
}

/** Along the first axis. Throws: RangeError where a part is missing, since the network has no such stage. */
function joined(parts: readonly (Tensor | undefined)[]): Tensor {
  const there = parts.filter((part) => part !== undefined)
  const shape = there[0]?.shape
  if (shape === undefined || there.length < parts.length) throw new RangeError('the network gave no stage of that name')
  const data = new Float32Array(there.reduce((length, part) => length + part.data.length, 0))
  let end = 0
  for (const part of there) {
    data.set(part.data, end)
    end += part.data.length
  }
  return tensorOf(data, [there.reduce((images, part) => images + (part.shape[0] ?? 0), 0), ...shape.slice(1)])
}

/** The figures of one layer from those of its edges, [batch, head, 3]. */
function diagnoseSbm(layer: number, { shape: [, heads = 1], data }: Tensor): SbmDiagnostics {
  const figure = (at: number, head?: number): number => meanOf(data.filter((_, i) => i % 3 === at && (head === undefined || Math.floor(i / 3) % heads === head)))
  return { layer, density: figure(0), headDensities: Array.from({ length: heads }, (_, head) => figure(1, head)), maskDeviation: figure(2) }
}

/**
 * The figures of one layer.
 *
 * degree      [batch, head, token]
 * bias        [batch, head, row, token]; the first row is the class token's
 * membership  [batch, head, token, community]
 */
export function diagnoseDcmm(layer: number, degree: Tensor, bias: Tensor, membership: Tensor): DcmmDiagnostics {
  const rows = rowsOf(firstRows(bias))
  return {
    layer,
    zeroDegreeShare: degree.data.filter((theta) => theta === 0).length / degree.data.length,
    meanDegree: meanOf(degree.data),
    largestClassTokenBias: rows.reduce((top, row) => row.reduce((most, value) => Math.max(most, value), top), Number.NEGATIVE_INFINITY),
    classTokenBiasSpread: meanOf(rows.map(spreadOf)),
    effectiveCommunities: effectiveCommunities(membership),
    membershipConfidence: meanOf(rowsOf(membership).map((row) => Math.max(...row))),
    distinctCommunities: distinctCommunities(membership),
  }
}

/** The class token, row 0 of each image and head, is left out. */
function distinctCommunities(membership: Tensor): number {
  const [, , tokens = 0] = membership.shape
  const largest = rowsOf(membership).map((row) => row.indexOf(Math.max(...row)))
  const images = Array.from({ length: largest.length / tokens }, (_, i) => new Set(largest.slice(i * tokens + 1, (i + 1) * tokens)).size)
  return meanOf(images)
}

/** The rows along the last axis. */
function rowsOf({ shape, data }: Tensor): Float32Array[] {
  const length = shape.at(-1) ?? 1
  return Array.from({ length: data.length / length }, (_, i) => data.subarray(i * length, (i + 1) * length))
}

function spreadOf(row: Float32Array): number {
  const mean = meanOf(row)
  return Math.sqrt(row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length)
}

/** exp(H) of the mean membership of each head over images and tokens; then the mean over heads. */
function effectiveCommunities({ shape, data }: Tensor): number {
  const [batch = 0, heads = 0, tokens = 0, communities = 0] = shape
  const means = Array.from({ length: heads }, () => new Float64Array(communities))
  for (let i = 0; i < data.length; i++) {
    const head = Math.floor(i / (tokens * communities)) % heads
    const mean = means[head]
    if (mean) mean[i % communities] = (mean[i % communities] ?? 0) + (data[i] ?? 0) / (batch * tokens)
  }
  return meanOf(means.map((mean) => Math.exp(mean.reduce((entropy, share) => (share > 0 ? entropy - share * Math.log(share) : entropy), 0))))
}

function meanOf(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i] ?? 0
  return sum / values.length
}
