/** What one kind of map is to the catalog: its name, what it reads, and how it is made. */
import type { ExplanationMap } from '../domain/explanation.ts'
import type { Manifest } from '../domain/manifest.ts'
import type { ModelOutputs, NamedOutputs, OutputName } from '../domain/outputs.ts'
import { Problem } from '../domain/problem.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { ImageCommunities } from './image-communities.ts'
import type { TailStudy } from './tail-study.ts'

/** All that a method may read. */
export interface MapContext {
  readonly manifest: Manifest
  readonly outputs: ModelOutputs
  readonly explainedClass: { readonly index: number; readonly name: string }
  /** The image's communities, where the outputs hold memberships or loadings. */
  readonly communities: ImageCommunities | null
  /** The last block's exact answers, where the bundle has a tail. */
  readonly tail: TailStudy | null
}

export interface MapMethod {
  readonly name: string
  readonly title: string
  /** Whether an answer holds it unasked: the cheap ones do. */
  readonly isDefault: boolean
  /** The outputs that it reads, the tail's left out; null where this bundle can't give the map. */
  needs(manifest: Manifest): readonly OutputName[] | null
  /** Whether it asks the tail. */
  readonly readsTail: boolean
  build(context: MapContext): Promise<ExplanationMap> | ExplanationMap
}

/** The outputs, if the bundle declares all of them. */
export function declared(manifest: Manifest, ...names: readonly OutputName[]): readonly OutputName[] | null {
  return names.every((name) => manifest.outputs[name] !== undefined) ? names : null
}

/** Throws: "output-missing". */
export function outputOf(outputs: NamedOutputs, name: OutputName): Tensor {
  const tensor = outputs[name]
  if (tensor === undefined) throw new Problem('output-missing', `the map needs the output ${name}`, { output: name })
  return tensor
}

/** The last layer that carries the structure, null for a plain network. */
export function lastStructuredLayer(manifest: Manifest): number | null {
  return manifest.structure?.layers.at(-1) ?? null
}

/** Whether the structure is in the last layer and nowhere else, so that only the class token's row can reach the prediction. */
export function isOnlyInLastLayer(manifest: Manifest): boolean {
  return manifest.structure?.layers.length === 1 && lastStructuredLayer(manifest) === manifest.depth - 1
}

/** Whether the structured layer that maps show is the one that the class token is read from. */
export function isInLastLayer(manifest: Manifest): boolean {
  return lastStructuredLayer(manifest) === manifest.depth - 1
}

/** What every map of the structured layer says of its reach. */
export function reachNote(manifest: Manifest): string {
  if (!isInLastLayer(manifest)) return 'the layer shown is not the last: what its structure does between patches reaches this prediction through later layers'
  const others = isOnlyInLastLayer(manifest) ? 'no other layer has the structure' : 'earlier structured layers also act between patches'
  return `the layer shown is the last: between patches it describes, only the row of the class token reaches this prediction; ${others}`
}

/** Throws: "output-missing" where the bundle's tail was not run. */
export function studyOf(context: MapContext): TailStudy {
  if (context.tail !== null) return context.tail
  throw new Problem('output-missing', "the map needs the bundle's tail", { output: 'values' })
}
