/** JSON of a checkpoint or a recipe in, a network's configuration that can be built out. */
import { Problem } from '../src/domain/problem.ts'
import type { DcmmOptions, NetworkConfig, NetworkName, SbmOptions } from './network-config.ts'

const NETWORKS = ['vit', 'dcmm-vit', 'sbm-vit'] as const satisfies readonly NetworkName[]

type Json = Readonly<Record<string, unknown>>

/**
 * A checked configuration: every field there and in range, none beside them, and the parts fit each other.
 *
 * Throws: "checkpoint-invalid", naming the field.
 */
export function parseNetworkConfig(json: unknown): NetworkConfig {
  const fields = reader(json, 'config')
  const network = fields.oneOf('network', NETWORKS)
  const config: NetworkConfig = {
    network,
    imageSize: fields.count('imageSize', 1),
    channels: fields.count('channels', 1),
    patchSize: fields.count('patchSize', 1),
    patchOverlap: fields.count('patchOverlap', 0),
    width: fields.count('width', 1),
    depth: fields.count('depth', 1),
    heads: fields.count('heads', 1),
    mlpRatio: fields.number('mlpRatio', (value) => value > 0),
    classes: fields.count('classes', 2),
    layerNormEps: fields.number('layerNormEps', (value) => value > 0),
    structuredLayers: fields.counts('structuredLayers'),
    dcmm: fields.optional('dcmm', parseDcmm),
    sbm: fields.optional('sbm', parseSbm),
  }
  fields.end()
  checkParts(config)
  return config
}

function parseDcmm(json: unknown): DcmmOptions {
  const fields = reader(json, 'config.dcmm')
  const options: DcmmOptions = {
    communities: fields.count('communities', 1),
    thetaActivation: fields.oneOf('thetaActivation', ['relu', 'sigmoid', 'softplus']),
    bounded: fields.oneOf('bounded', ['tanh', 'none']),
    symmetricBlock: fields.flag('symmetricBlock'),
    classToken: fields.oneOf('classToken', ['include', 'exclude']),
    initialBiasScale: fields.number('initialBiasScale', Number.isFinite),
    initialDegreeBias: fields.number('initialDegreeBias', Number.isFinite),
    entropyWeight: fields.number('entropyWeight', Number.isFinite),
  }
  fields.end()
  return options
}

function parseSbm(json: unknown): SbmOptions {
  const fields = reader(json, 'config.sbm')
  const options: SbmOptions = {
    communities: fields.count('communities', 1),
    delta: fields.number('delta', (value) => value >= 0 && value <= 1),
    straightThroughClip: fields.number('straightThroughClip', (value) => value > 0),
    densityWeight: fields.number('densityWeight', Number.isFinite),
    classTokenAlwaysOn: fields.flag('classTokenAlwaysOn'),
    selfLoop: fields.flag('selfLoop'),
  }
  fields.end()
  return options
}

/** What one field alone can't tell. */
function checkParts(config: NetworkConfig): void {
  const { network, imageSize, patchSize, width, heads, depth, structuredLayers, dcmm, sbm } = config
  if (imageSize % patchSize !== 0) throw invalid('config.patchSize', 'does not divide the image')
  if (width % heads !== 0) throw invalid('config.heads', 'do not divide the width')
  if (structuredLayers.some((layer) => layer >= depth) || new Set(structuredLayers).size !== structuredLayers.length)
    throw invalid('config.structuredLayers', 'names a layer twice or one that is not there')
  if ((network === 'dcmm-vit') !== (dcmm !== null)) throw invalid('config.dcmm', 'belongs to a dcmm-vit and to no other')
  if ((network === 'sbm-vit') !== (sbm !== null)) throw invalid('config.sbm', 'belongs to an sbm-vit and to no other')
  if ((network === 'vit') !== (structuredLayers.length === 0)) throw invalid('config.structuredLayers', 'are empty for a vit and for no other')
}

interface FieldReader {
  count(name: string, least: number): number
  counts(name: string): readonly number[]
  number(name: string, accepts: (value: number) => boolean): number
  flag(name: string): boolean
  oneOf<const T extends string>(name: string, values: readonly T[]): T
  optional<T>(name: string, parse: (json: unknown) => T): T | null
  /** Throws where a field was never asked for. */
  end(): void
}

function reader(json: unknown, path: string): FieldReader {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw invalid(path, 'is no object')
  const fields = json as Json
  const asked = new Set<string>()
  const take = (name: string): unknown => {
    asked.add(name)
    return Object.hasOwn(fields, name) ? fields[name] : undefined
  }
  const checked = <T>(name: string, accepts: (value: unknown) => value is T, what: string): T => {
    const value = take(name)
    if (!accepts(value)) throw invalid(`${path}.${name}`, `is no ${what}`)
    return value
  }
  return {
    count: (name, least) => checked(name, (value): value is number => isCount(value, least), `integer of at least ${least}`),
    counts: (name) => checked(name, (value): value is number[] => Array.isArray(value) && value.every((item) => isCount(item, 0)), 'list of layers'),
    number: (name, accepts) => checked(name, (value): value is number => typeof value === 'number' && Number.isFinite(value) && accepts(value), 'number in range'),
    flag: (name) => checked(name, (value): value is boolean => typeof value === 'boolean', 'boolean'),
    oneOf: <const T extends string>(name: string, values: readonly T[]) =>
      checked(name, (value): value is T => values.some((known) => known === value), `one of ${values.join(', ')}`),
    optional: (name, parse) => {
      const value = take(name)
      return value === null ? null : parse(value)
    },
    end: () => {
      const stray = Object.keys(fields).find((name) => !asked.has(name))
      if (stray !== undefined) throw invalid(`${path}.${stray}`, 'is not known')
    },
  }
}

function isCount(value: unknown, least: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= least
}

function invalid(field: string, what: string): Problem {
  return new Problem('checkpoint-invalid', `${field} ${what}`, {})
}
