/** A checkpoint in, a bundle's files out, but only where the graph agrees with TF.js at every stage. */
import type { Checkpoint } from '../models/checkpoint.ts'
import type { DataSet } from '../models/data/data-set.ts'
import { readReport, recordOf } from '../models/explanations/explanation-record.ts'
import type { Primitives } from '../models/layers/primitives.ts'
import { trainingRecordOf } from '../models/training/training-record.ts'
import type { Runtime } from '../src/infer/runtime.ts'
import { buildGoldenFile } from './build-golden-file.ts'
import { buildGraphs } from './build-graphs.ts'
import { buildManifest, type MaskChoice, type OpsForm, PARITY_BOUND, sha256 } from './build-manifest.ts'
import { evaluateGraph } from './evaluate-graph.ts'
import { measureTrainingImages } from './measure-training-images.ts'
import { modelCard } from './model-card.ts'
import { modelFacts, type Release } from './model-facts.ts'
import { assertParity, compareWithReference, type ParityInput, type ParityReport } from './parity.ts'
import { randomInput, realInput, syntheticInput } from './parity-inputs.ts'
import { compareTail } from './tail-parity.ts'

export interface ExportRequest {
  readonly checkpoint: Checkpoint
  readonly release: Release
  readonly ops: OpsForm
  readonly mask: MaskChoice
  /** null leaves out real inputs and the evaluation. */
  readonly data: DataSet | null
  /** The JSON that evaluating the maps of these very graphs printed; without it the manifest states none. */
  readonly explanations?: string
}

export interface ExportedBundle {
  /** By file name. */
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly parity: readonly ParityReport[]
}

const PARITY_IMAGES = 4

/**
 * The bundle's files. Equal requests give equal bytes.
 *
 * Throws: "parity-failed" naming the stage; "checkpoint-invalid"; "shape-mismatch" where the data does not fit.
 */
export async function exportBundle(request: ExportRequest, runtime: Runtime, primitives: Primitives): Promise<ExportedBundle> {
  const { checkpoint, mask, data } = request
  const { config, weights } = checkpoint
  const record = trainingRecordOf(checkpoint)
  const graphs = buildGraphs(config, weights, request.ops, mask)
  const reference = { config, weights, mask, primitives }
  const inputs: ParityInput[] = [randomInput(config, PARITY_IMAGES), syntheticInput(config, PARITY_IMAGES)]
  if (data !== null) inputs.push(realInput(data, record.normalization, PARITY_IMAGES))

  const session = await runtime.open(graphs.graph)
  const tail = await runtime.open(graphs.tail)
  try {
    const parity = [...(await compareWithReference(reference, session, inputs, PARITY_BOUND)), ...(await compareTail(config, session, tail, inputs, PARITY_BOUND))]
    assertParity(parity, PARITY_BOUND)
    const evaluation = data === null ? null : await evaluateGraph(config, session, data, record.normalization, mask.mode === 'sample')
    const inputCheck = data === null ? null : await measureTrainingImages(config, session, data, record.normalization)
    const explanations = request.explanations === undefined ? null : recordOf(readReport(request.explanations, sha256(graphs.graph)))
    const manifest = buildManifest(config, graphs, { ...modelFacts(config, record, evaluation, request.release, explanations), inputCheck, explanations })
    const golden = await buildGoldenFile(reference, inputs, PARITY_BOUND)
    const card = modelCard({ manifest, config, record, evaluation, parity, runtime: runtime.name })
    const files = new Map([
      ['manifest.json', text(`${JSON.stringify(manifest, null, 2)}\n`)],
      ['model.onnx', graphs.graph],
      ['tail.onnx', graphs.tail],
      ['golden.json', text(`${JSON.stringify(golden)}\n`)],
      ['README.md', text(card)],
    ])
    return { files, parity }
  } finally {
    await session.release()
    await tail.release()
  }
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}
