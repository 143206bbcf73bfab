/** One network on TF.js and in a runtime, the same inputs: how far apart every stage is, and whether that is near enough. */
import type { Primitives } from '../models/layers/primitives.ts'
import type { NetworkConfig } from '../models/network-config.ts'
import { runNetwork } from '../models/run-network.ts'
import type { SbmMask } from '../models/sbm-vit/mask-mode.ts'
import type { Manifest } from '../src/domain/manifest.ts'
import { Problem } from '../src/domain/problem.ts'
import type { Session } from '../src/infer/runtime.ts'
import { firstRows } from '../src/tensor/first-rows.ts'
import type { Tensor } from '../src/tensor/tensor.ts'
import type { MaskChoice } from './build-manifest.ts'
import type { Weights } from './networks/graph-draft.ts'
import { type BatchMode, feedsOf, graphNameOf } from './stages.ts'

/** One tensor of both sides. */
export interface StageParity {
  readonly stage: string
  readonly values: number
  readonly largestDifference: number
  /** The largest difference over what the bound allows there: at most 1 passes. */
  readonly worst: number
}

export interface ParityReport {
  /** What was run: 'random, as trained', ... */
  readonly run: string
  readonly stages: readonly StageParity[]
}

/** A batch to compare on, [batch, channel, height, width], normalized. */
export interface ParityInput {
  readonly name: string
  readonly pixels: Tensor
}

export interface Reference {
  readonly config: NetworkConfig
  readonly weights: Weights
  readonly mask: MaskChoice
  readonly primitives: Primitives
}

const CLASS_TOKEN = 'class_token.'

/** Of a mask's entries, how many may fall on the other side: a probability within a rounding error of its threshold. */
const FLIPPED_MASK_SHARE = 1e-4

/** Reports for each input, as trained and without the structure. */
export async function compareWithReference(reference: Reference, session: Session, inputs: readonly ParityInput[], bound: Manifest['parity']): Promise<readonly ParityReport[]> {
  const reports: ParityReport[] = []
  const states = reference.config.structuredLayers.length === 0 ? (['as-trained'] as const) : (['as-trained', 'removed'] as const)
  for (const { name, pixels } of inputs) {
    for (const structure of states) {
      const seeds = reference.mask.mode === 'sample' ? Array.from({ length: pixels.shape[0] ?? 0 }, (_, image) => image + 1) : null
      const stages = await compareBatch(reference, session, pixels, { structure, seeds }, bound)
      reports.push({ run: `${name}, ${structure === 'removed' ? 'structure removed' : 'as trained'}`, stages })
    }
  }
  return reports
}

/** Throws: "parity-failed" naming the first stage that is out of bounds, in the order of the network. */
export function assertParity(reports: readonly ParityReport[], bound: Manifest['parity']): void {
  for (const { run, stages } of reports) {
    const failed = stages.find(({ worst }) => !(worst <= 1))
    if (failed === undefined) continue
    const detail = `${failed.stage} (${run}) differs by ${failed.largestDifference.toExponential(2)}, the bound is ${bound.absolute} + ${bound.relative} of the value`
    throw new Problem('parity-failed', detail, { stage: failed.stage })
  }
}

/** The stage's distance from what it should be. A NaN or another shape is infinitely far. */
export function compareTensors(stage: string, actual: Tensor | undefined, expected: Tensor, bound: Manifest['parity']): StageParity {
  const values = expected.data.length
  if (actual === undefined || actual.shape.join() !== expected.shape.join()) return { stage, values, largestDifference: Number.POSITIVE_INFINITY, worst: Number.POSITIVE_INFINITY }
  let largestDifference = 0
  let worst = 0
  expected.data.forEach((value, i) => {
    const difference = Math.abs((actual.data[i] ?? Number.NaN) - value)
    if (!(difference <= largestDifference)) largestDifference = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference
    const ratio = difference / (bound.absolute + bound.relative * Math.abs(value))
    if (!(ratio <= worst)) worst = Number.isNaN(ratio) ? Number.POSITIVE_INFINITY : ratio
  })
  return { stage, values, largestDifference, worst }
}

async function compareBatch(reference: Reference, session: Session, pixels: Tensor, mode: BatchMode, bound: Manifest['parity']): Promise<readonly StageParity[]> {
  const { config } = reference
  const actual = await session.run(feedsOf(config, pixels, mode), session.outputNames)
  const isHard = mode.structure === 'as-trained' && config.sbm !== null && reference.mask.mode !== 'expected'
  const expected = await runReference(reference, pixels, mode, isHard ? actual : null)
  const stages = [...expected, ...classTokenRows(expected, actual)].map(([name, tensor]) => compareTensors(name, actual.get(name), tensor, bound))
  return isHard ? [...stages, ...(await compareMasks(reference, pixels, mode, actual))] : stages
}

/** What the graph gives of a matrix [batch, head, token, token] once more as its class token's row, [batch, head, token]: by the same matrix of TF.js. */
function classTokenRows(expected: ReadonlyMap<string, Tensor>, actual: ReadonlyMap<string, Tensor>): readonly (readonly [string, Tensor])[] {
  return [...actual.keys()].flatMap((name) => {
    const matrix = name.startsWith(CLASS_TOKEN) ? expected.get(name.slice(CLASS_TOKEN.length)) : undefined
    return matrix === undefined ? [] : [[name, firstRows(matrix)] as const]
  })
}

/** TF.js' stages by the graph's names; `masks` hands it the graph's own 0/1 masks, so that a flipped entry doesn't spread to all stages behind it. */
async function runReference(reference: Reference, pixels: Tensor, mode: BatchMode, masks: ReadonlyMap<string, Tensor> | null): Promise<ReadonlyMap<string, Tensor>> {
  const { config, weights, primitives } = reference
  const mask: SbmMask = masks === null ? { mode: 'expected' } : { mode: 'fixed', masks: masksByLayer(config, masks) }
  return byGraphName(config, await runNetwork(config, weights, pixels, { primitives, structure: mode.structure, mask, capture: true }))
}

function masksByLayer(config: NetworkConfig, results: ReadonlyMap<string, Tensor>): ReadonlyMap<number, Tensor> {
  return new Map(
    config.structuredLayers.flatMap((layer): [number, Tensor][] => {
      const mask = results.get(`mask.${layer}`)
      return mask === undefined ? [] : [[layer, mask]]
    }),
  )
}

function byGraphName(config: NetworkConfig, stages: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor> {
  return new Map(
    [...stages].flatMap(([stage, tensor]): [string, Tensor][] => {
      const name = graphNameOf(stage, config)
      return name === null ? [] : [[name, tensor]]
    }),
  )
}

/** The first structured layer's mask by TF.js' own rule or draw: later ones rest on layers that a flipped entry has changed. */
async function compareMasks(reference: Reference, pixels: Tensor, mode: BatchMode, actual: ReadonlyMap<string, Tensor>): Promise<readonly StageParity[]> {
  const { config, weights, primitives, mask } = reference
  const rule: SbmMask = mask.mode === 'sample' ? { mode: 'sample', seeds: mode.seeds ?? [] } : mask
  const stages = byGraphName(config, await runNetwork(config, weights, pixels, { primitives, mask: rule, capture: true }))
  const name = `mask.${config.structuredLayers[0] ?? 0}`
  const [ours, theirs] = [stages.get(name), actual.get(name)]
  if (ours === undefined || theirs === undefined) return []
  const flipped = ours.data.reduce((count, value, i) => count + (value === theirs.data[i] ? 0 : 1), 0) / ours.data.length
  return [{ stage: `${name} by its own rule`, values: ours.data.length, largestDifference: flipped, worst: flipped / FLIPPED_MASK_SHARE }]
}
