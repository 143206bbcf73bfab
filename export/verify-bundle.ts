/** A bundle's files in, its parity out: golden.json and, with the weights at hand, TF.js itself, against both op forms in both runtimes. */
import type { Checkpoint } from '../models/checkpoint.ts'
import type { DataSet } from '../models/data/data-set.ts'
import type { Primitives } from '../models/layers/primitives.ts'
import { trainingRecordOf } from '../models/training/training-record.ts'
import type { Manifest } from '../src/domain/manifest.ts'
import type { BundleFiles } from '../src/infer/bundle-files.ts'
import { checkGraph } from '../src/infer/check-graph.ts'
import { inlineFunctions } from '../src/infer/inline-functions.ts'
import type { Feeds, Runtime, Session } from '../src/infer/runtime.ts'
import { buildGraphs } from './build-graphs.ts'
import { type MaskChoice, sha256 } from './build-manifest.ts'
import { decodeTensor, type GoldenCase, type GoldenFile } from './golden-file.ts'
import { compareTensors, compareWithReference, type ParityInput, type ParityReport } from './parity.ts'
import { randomInput, realInput, syntheticInput } from './parity-inputs.ts'
import { compareTail } from './tail-parity.ts'

/** One graph form in one runtime. */
export interface Verification {
  readonly runtime: string
  readonly form: string
  readonly witness: string
  readonly reports: readonly ParityReport[]
}

/** What TF.js needs to be the witness. */
export interface Weighed {
  readonly checkpoint: Checkpoint
  readonly mask: MaskChoice
  readonly primitives: Primitives
  readonly data: DataSet | null
}

const IMAGES = 2

/** Every combination of runtime, form and witness. Nothing is judged here. */
export async function verifyBundle(files: BundleFiles, golden: GoldenFile, runtimes: readonly Runtime[], weighed: Weighed | null): Promise<readonly Verification[]> {
  const bound = files.manifest.parity
  const results: Verification[] = []
  for (const runtime of runtimes) {
    for (const [form, graph] of formsOf(files, weighed)) {
      const session = await runtime.open(graph)
      try {
        const about = { runtime: runtime.name, form }
        results.push({ ...about, witness: 'golden.json', reports: await compareWithGolden(session, golden, bound) })
        if (weighed !== null) results.push({ ...about, witness: 'TF.js', reports: await compareWithWeights(runtime, session, files, weighed) })
      } finally {
        await session.release()
      }
    }
  }
  return results
}

/** TF.js at every stage, and the tail against the graph. */
async function compareWithWeights(runtime: Runtime, session: Session, { manifest, tail }: BundleFiles, weighed: Weighed): Promise<readonly ParityReport[]> {
  const inputs = inputsOf(weighed)
  const { config } = weighed.checkpoint
  const reports = await compareWithReference({ ...weighed, ...weighed.checkpoint }, session, inputs, manifest.parity)
  if (tail === null) return reports
  const tailSession = await runtime.open(tail)
  try {
    return [...reports, ...(await compareTail(config, session, tailSession, inputs, manifest.parity))]
  } finally {
    await tailSession.release()
  }
}

/** The bundle's graph as it is, and the other form: written out by inlining, or with functions from the weights. */
function formsOf({ manifest, graph }: BundleFiles, weighed: Weighed | null): readonly (readonly [string, Uint8Array])[] {
  const model = checkGraph(graph)
  if (model.functions.length > 0) {
    return [
      ['functions', graph],
      ['written out', inlineFunctions(model)],
    ]
  }
  const standard: readonly [string, Uint8Array] = ['standard operations', graph]
  if (weighed === null || manifest.structure === null) return [standard]
  const { config, weights } = weighed.checkpoint
  return [standard, ['functions, from the weights', buildGraphs(config, weights, 'function', weighed.mask).graph]]
}

/** Whether the weights are those of the bundle: the graph built from them has the same bytes. */
export function isBuiltFrom({ manifest }: BundleFiles, { checkpoint, mask }: Weighed): boolean {
  return sha256(buildGraphs(checkpoint.config, checkpoint.weights, manifest.graph.ops, mask).graph) === manifest.graph.sha256
}

/** The mask choice that a manifest states. */
export function maskOf({ structure }: Manifest): MaskChoice {
  const maskMode = structure?.maskMode ?? null
  const number = (name: string): number => Number(structure?.options[name])
  if (maskMode === 'threshold') return { mode: 'threshold', tau: number('tau') }
  if (maskMode === 'topP') return { mode: 'topP', rho: number('rho') }
  return { mode: maskMode ?? 'expected' }
}

async function compareWithGolden(session: Session, golden: GoldenFile, bound: Manifest['parity']): Promise<readonly ParityReport[]> {
  const reports: ParityReport[] = []
  for (const { case: run, inputs, outputs } of golden.cases) {
    const names = Object.keys(outputs)
    const results = await session.run(feedsOfCase(inputs), names)
    const stages = Object.entries(outputs).map(([name, tensor]) => compareTensors(name, results.get(name), decodeTensor(tensor), bound))
    reports.push({ run, stages })
  }
  return reports
}

function feedsOfCase(inputs: GoldenCase['inputs']): Feeds {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, input]) => {
      if ('uint32' in input) return [name, { type: 'uint32', data: Uint32Array.from(input.uint32), shape: input.shape }]
      return [name, { type: 'float32', ...decodeTensor(input) }]
    }),
  )
}

function inputsOf({ checkpoint, data }: Weighed): readonly ParityInput[] {
  const { config } = checkpoint
  const inputs = [randomInput(config, IMAGES), syntheticInput(config, IMAGES)]
  return data === null ? inputs : [...inputs, realInput(data, trainingRecordOf(checkpoint).normalization, IMAGES)]
}
