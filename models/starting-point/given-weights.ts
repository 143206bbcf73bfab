/** A safetensors file or a bundle's folder in, the weights that a training may go on from out, with what they tell of the data behind them. */
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { Problem } from '../../src/domain/problem.ts'
import { readBundleFiles } from '../../src/infer/bundle-files.ts'
import { checkHash } from '../../src/infer/check-graph.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'
import { readGraphWeights } from '../graph-weights.ts'
import { readSafetensors } from '../safetensors.ts'
import { type DataSource, dataSourcesOf } from './data-sources.ts'

export interface GivenWeights {
  /** Of the file; of a bundle its graph's. */
  readonly sha256: string
  /** Of a bundle: its id and version. */
  readonly model?: { readonly id: string; readonly version: string }
  readonly tensors: ReadonlyMap<string, Tensor>
  /** The data that the weights were made from; null where nothing tells. */
  readonly sources: readonly DataSource[] | null
}

/**
 * The weights at a path.
 *
 * Throws: "file-unreadable"; for a file "checkpoint-invalid", for a folder "manifest-invalid" or "bundle-refused".
 */
export async function readGivenWeights(path: string): Promise<GivenWeights> {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
  return isFolder ? weightsOfBundle(path) : weightsOfFile(readOrThrow(path))
}

/** Of a safetensors file. Throws: "checkpoint-invalid". */
export function weightsOfFile(bytes: Uint8Array): GivenWeights {
  const { tensors, metadata } = readSafetensors(bytes)
  return { sha256: createHash('sha256').update(bytes).digest('hex'), tensors, sources: dataSourcesOf(metadata) }
}

/** What the manifest keeps of the training is what the checkpoint told. */
async function weightsOfBundle(folder: string): Promise<GivenWeights> {
  const { manifest, graph } = await readBundleFiles(folder)
  const { sha256 } = manifest.graph
  checkHash(graph, sha256)
  const record = manifest.training === null ? {} : { training: JSON.stringify(manifest.training) }
  return { sha256, model: { id: manifest.id, version: manifest.version }, tensors: readGraphWeights(graph), sources: dataSourcesOf(record) }
}

function readOrThrow(file: string): Uint8Array {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new Problem('file-unreadable', 'the file of --init cannot be read', {}, cause)
  }
}
