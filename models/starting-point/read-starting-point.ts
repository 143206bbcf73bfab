/** Trained weights and a network with fresh ones in, the network's starting weights out; nothing is left or missing unless it is named. */
import { Problem } from '../../src/domain/problem.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'
import { checkWeights } from '../checkpoint.ts'
import type { NetworkConfig } from '../network-config.ts'
import { weightShapes } from '../weight-shapes.ts'
import type { DataSource } from './data-sources.ts'
import { fitTensor } from './fit-tensor.ts'
import type { GivenWeights } from './given-weights.ts'
import { renameTensors } from './rename-tensors.ts'

export interface StartingPoint {
  /** Of the file; of a bundle its graph's. */
  readonly sha256: string
  /** Of a bundle: its id and version. */
  readonly model?: GivenWeights['model']
  /** Every weight of the network. */
  readonly weights: ReadonlyMap<string, Tensor>
  /** Names of weights that stay as they were drawn, since the file lacks them or has another shape. */
  readonly fresh: readonly string[]
  /** Names of the file's tensors that the network has no place for. */
  readonly unused: readonly string[]
  /** The data that the file's weights were made from; null where it does not tell. */
  readonly sources: readonly DataSource[] | null
}

/**
 * The given weights where there are such, fresh ones where they may be lacking.
 *
 * fresh    the network's own start, of which the allowed ones are kept
 * allowed  names in our spelling, `*` for any run of characters, that may be missing, of another shape or left over
 *
 * Throws: "checkpoint-invalid" with every name that is missing, left over or misshapen and not allowed; "parameter-invalid" for an allowance that
 * nothing needs.
 */
export function readStartingPoint(source: GivenWeights, config: NetworkConfig, fresh: ReadonlyMap<string, Tensor>, allowed: readonly string[]): StartingPoint {
  const given = renameTensors(source.tensors, config.structuredLayers)
  const shapes = weightShapes(config)
  const fitted = new Map([...shapes].map(([name, shape]) => [name, fitOrNull(name, given.get(name), shape)]))
  const lacking = [...shapes.keys()].filter((name) => fitted.get(name) === null)
  const unused = [...given.keys()].filter((name) => !shapes.has(name))
  checkAllowed(given, shapes, { lacking, unused }, allowed)
  const weights = new Map([...shapes.keys()].map((name) => [name, fitted.get(name) ?? freshOf(fresh, name)]))
  checkWeights(config, weights)
  return { sha256: source.sha256, ...(source.model && { model: source.model }), weights, fresh: lacking, unused, sources: source.sources }
}

function fitOrNull(name: string, tensor: Tensor | undefined, shape: readonly number[]): Tensor | null {
  return tensor === undefined ? null : fitTensor(name, tensor, shape)
}

function freshOf(fresh: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const weight = fresh.get(name)
  if (weight === undefined) throw new RangeError(`no fresh weight ${name}`)
  return weight
}

interface Misfits {
  readonly lacking: readonly string[]
  readonly unused: readonly string[]
}

function checkAllowed(given: ReadonlyMap<string, Tensor>, shapes: ReadonlyMap<string, readonly number[]>, { lacking, unused }: Misfits, allowed: readonly string[]): void {
  const patterns = allowed.map((text) => ({ text, matches: patternOf(text) }))
  const misfits = [...lacking, ...unused]
  const idle = patterns.find(({ matches }) => !misfits.some((name) => matches.test(name)))
  if (idle !== undefined) throw new Problem('parameter-invalid', `--init-allow names ${idle.text}, which is neither missing nor left over`, { parameter: 'init-allow' })
  const isForbidden = (name: string): boolean => !patterns.some(({ matches }) => matches.test(name))
  const texts = [
    ...lacking.filter(isForbidden).map((name) => lackText(name, given.get(name)?.shape, shapes.get(name) ?? [])),
    ...unused.filter(isForbidden).map((name) => `${name} has no place in the network`),
  ]
  if (texts.length === 0) return
  throw new Problem('checkpoint-invalid', `the weights do not fit: ${texts.join('; ')}. What may be so is named by --init-allow`, {})
}

function lackText(name: string, shape: readonly number[] | undefined, wanted: readonly number[]): string {
  return shape === undefined ? `${name} is missing` : `${name} is [${shape.join(', ')}] and not [${wanted.join(', ')}]`
}

function patternOf(text: string): RegExp {
  const parts = text.split('*').map((part) => part.replaceAll(/[.\\+?^${}()|[\]]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`)
}
