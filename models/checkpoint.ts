/** Weights with their configuration in, one safetensors file out, and back. */
import { Problem } from '../src/domain/problem.ts'
import type { Tensor } from '../src/tensor/tensor.ts'
import type { NetworkConfig } from './network-config.ts'
import { parseNetworkConfig } from './parse-network-config.ts'
import { readSafetensors, writeSafetensors } from './safetensors.ts'
import { weightShapes } from './weight-shapes.ts'

export interface Checkpoint {
  readonly config: NetworkConfig
  /** timm's names; exactly those of weight-shapes.ts. */
  readonly weights: ReadonlyMap<string, Tensor>
  /** The file's other strings; `training` is the JSON of the training record. */
  readonly metadata: Readonly<Record<string, string>>
}

/**
 * A checkpoint whose weights are those of its configuration, each of the right shape and finite.
 *
 * Throws: "checkpoint-invalid", saying what is wrong and where.
 */
export function readCheckpoint(bytes: Uint8Array): Checkpoint {
  const { tensors, metadata } = readSafetensors(bytes)
  const { config: configJson, ...rest } = metadata
  if (configJson === undefined) throw invalid('the file carries no configuration')
  const config = parseNetworkConfig(parseJson(configJson))
  checkWeights(config, tensors)
  return { config, weights: tensors, metadata: rest }
}

/** The file of a checkpoint. Throws: "checkpoint-invalid" where the weights are not those of the configuration: nothing is written that can't be read. */
export function writeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const config = parseNetworkConfig(checkpoint.config)
  checkWeights(config, checkpoint.weights)
  return writeSafetensors(checkpoint.weights, { ...checkpoint.metadata, config: JSON.stringify(config) })
}

/** Throws: "checkpoint-invalid" for a missing, unknown, misshapen or not finite weight. */
export function checkWeights(config: NetworkConfig, weights: ReadonlyMap<string, Tensor>): void {
  const shapes = weightShapes(config)
  for (const [name, shape] of shapes) {
    const weight = weights.get(name)
    if (weight === undefined) throw invalid(`the weights lack ${name}`)
    if (weight.shape.join() !== shape.join()) throw invalid(`${name} is [${weight.shape.join(', ')}], the configuration asks for [${shape.join(', ')}]`)
    if (!weight.data.every(Number.isFinite)) throw invalid(`${name} holds a value that is not finite`)
  }
  for (const name of weights.keys()) if (!shapes.has(name)) throw invalid(`${name} is no weight of this configuration`)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw invalid('the configuration is no JSON', cause)
  }
}

function invalid(detail: string, cause?: unknown): Problem {
  return new Problem('checkpoint-invalid', detail, {}, cause)
}
