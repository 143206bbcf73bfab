/** A network, its outputs and what is known of its training in, the bundle's manifest out, checked by the schema that the server reads it with. */
import { createHash } from 'node:crypto'
import { gridSide, type NetworkConfig } from '../models/network-config.ts'
import { MANIFEST_SCHEMA_VERSION, type Manifest, parseManifest } from '../src/domain/manifest.ts'
import { PIXELS_INPUT, SAMPLED_INPUT, SEED_INPUT, STRUCTURE_INPUT } from './networks/sizes.ts'
import { IR_VERSION, OPSET_VERSION } from './onnx/onnx-model.ts'
import { COUNTER_UNIFORM } from './ops/counter-uniform.ts'
import { DCMM_ATTENTION } from './ops/degree-corrected-mixed-membership-attention.ts'
import { COMMUNITY_DOMAIN, COMMUNITY_VERSION } from './ops/domain.ts'
import { type MaskRule, SBM_ATTENTION } from './ops/stochastic-block-attention.ts'

/** An SBM's mask at inference: a rule, or a draw from each image's seed. */
export type MaskChoice = MaskRule | { readonly mode: 'sample' }
export type OpsForm = 'function' | 'standard'

/** What no graph can tell: everything here is stated by the training or by the person who exports. */
export type ModelFacts = Pick<
  Manifest,
  | 'id'
  | 'version'
  | 'title'
  | 'createdAt'
  | 'classes'
  | 'temperature'
  | 'training'
  | 'metrics'
  | 'intendedUse'
  | 'limits'
  | 'licence'
  | 'attributions'
  | 'inputCheck'
  | 'explanations'
> & {
  readonly input: Pick<Manifest['input'], 'fit' | 'resize' | 'mean' | 'deviation' | 'modalities' | 'bodyParts' | 'views'>
  /** The community that masks were used for, where any were. */
  readonly supervised?: NonNullable<Manifest['structure']>['supervised']
}

export interface BuiltGraphs {
  readonly graph: Uint8Array
  readonly tail: Uint8Array
  readonly outputs: Manifest['outputs']
  readonly ops: OpsForm
  readonly mask: MaskChoice
}

/**
 * How far ONNX Runtime may be from TF.js: both compute in float32 and only the order of sums differs. Golden files, which are float64,
 * are met with the same bound.
 */
export const PARITY_BOUND: Manifest['parity'] = { absolute: 2e-5, relative: 1e-4 }

/** Throws: "manifest-invalid" where the facts don't fit the schema. */
export function buildManifest(config: NetworkConfig, graphs: BuiltGraphs, facts: ModelFacts): Manifest {
  const side = gridSide(config)
  const { input, supervised, ...stated } = facts
  return parseManifest({
    schemaVersion: MANIFEST_SCHEMA_VERSION,
    ...stated,
    network: config.network,
    graph: { file: 'model.onnx', sha256: sha256(graphs.graph), opset: OPSET_VERSION, ir: IR_VERSION, ops: graphs.ops, batchInvariant: true },
    tail: { file: 'tail.onnx', sha256: sha256(graphs.tail) },
    customOps: graphs.ops === 'function' ? customOps(config) : [],
    input: { name: PIXELS_INPUT, layout: 'nchw', channels: config.channels, height: config.imageSize, width: config.imageSize, ...input },
    outputs: graphs.outputs,
    patchGrid: { height: side, width: side },
    prefixTokens: 1,
    classTokenIndex: 0,
    depth: config.depth,
    heads: config.heads,
    structure: structureOf(config, graphs.mask, supervised),
    parity: PARITY_BOUND,
  })
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function customOps(config: NetworkConfig): Manifest['customOps'] {
  if (config.structuredLayers.length === 0) return []
  const names = config.dcmm !== null ? [DCMM_ATTENTION] : [SBM_ATTENTION, COUNTER_UNIFORM]
  return names.map((name) => ({ domain: COMMUNITY_DOMAIN, name, version: COMMUNITY_VERSION }))
}

function structureOf(config: NetworkConfig, mask: MaskChoice, supervised: ModelFacts['supervised']): Manifest['structure'] {
  const options = config.dcmm ?? config.sbm
  if (config.structuredLayers.length === 0 || options === null) return null
  const samples = config.sbm !== null
  return {
    layers: [...config.structuredLayers],
    communities: options.communities,
    options: { ...options, ...(samples ? amountOf(mask) : {}) },
    structureInput: STRUCTURE_INPUT,
    seedInput: samples ? SEED_INPUT : null,
    sampledInput: samples ? SAMPLED_INPUT : null,
    maskMode: samples ? mask.mode : null,
    ...(supervised && { supervised }),
  }
}

/** The number that a rule comes with, by its name in the formula. */
function amountOf(mask: MaskChoice): Readonly<Record<string, number>> {
  if (mask.mode === 'threshold') return { tau: mask.tau }
  return mask.mode === 'topP' ? { rho: mask.rho } : {}
}
