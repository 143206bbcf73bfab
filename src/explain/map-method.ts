/** What one kind of map is to the catalog: its name, what it reads, and how it is made. */
import type { ExplanationMap } from '../domain/explanation.ts'
import type { Manifest } from '../domain/manifest.ts'
import type { ModelOutputs, OutputName } from '../domain/outputs.ts'
import { Problem } from '../domain/problem.ts'
import type { ImageCommunities } from './image-communities.ts'
import type { TailStudy } from './tail-study.ts'

/** All that a method may read. */
export interface MapContext {
  readonly manifest: Manifest
  readonly outputs: ModelOutputs
  readonly explainedClass: { readonly index: number; readonly name: string }
  /** The image's communities with what each does to the logit, where the outputs hold memberships or loadings: they wait for the tail. */
  readonly communities: Promise<ImageCommunities | null>
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

/** Throws: "output-missing" where the bundle's tail was not run. */
export function studyOf(context: MapContext): TailStudy {
  if (context.tail !== null) return context.tail
  throw new Problem('output-missing', "the map needs the bundle's tail", { output: 'values' })
}
