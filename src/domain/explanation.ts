/** Maps on the patch grid: what `explain` makes and `render` and `results` show. */
import type { Tensor } from '../tensor/tensor.ts'

export type MapKind = 'categorical' | 'sequential' | 'diverging'

/** The values' printed limits. A categorical map has none. */
export interface MapRange {
  readonly min: number
  readonly max: number
}

export interface CommunityFacts {
  /** The value in the grid, by descending share from 0. */
  readonly index: number
  /** Part of the patches whose strongest community this is, 0 to 1. */
  readonly share: number
}

/** One map. Values are stated in `method`; a flat map says so in `notes`. */
export interface ExplanationMap {
  readonly name: string
  readonly title: string
  readonly kind: MapKind
  readonly classSpecific: boolean
  /** Whether a change of what the map shows changes this prediction, or whether it only describes the network's inside. */
  readonly role: 'causal' | 'descriptive'
  /** [gridHeight, gridWidth] */
  readonly grid: Tensor
  /** [head, gridHeight, gridWidth], where heads can be shown singly. */
  readonly heads: Tensor | null
  readonly range: MapRange | null
  readonly unit: string
  readonly method: string
  /** The paper's equation or the clause behind the method. */
  readonly source: string
  /** How sure each patch's label is, [gridHeight, gridWidth] in [0, 1]; categorical maps only. */
  readonly confidence: Tensor | null
  readonly communities: readonly CommunityFacts[]
  readonly notes: readonly string[]
  /** One sentence for those who can't see the map. */
  readonly altText: string
}

export interface ClassOutput {
  readonly name: string
  readonly code: { readonly value: string; readonly scheme: string; readonly meaning: string } | null
  readonly logit: number
  readonly probability: number
  readonly calibratedProbability: number | null
}

export interface CounterfactualClass {
  readonly name: string
  readonly logit: number
  readonly probability: number
  readonly deltaLogit: number
}

export interface Explanation {
  readonly classes: readonly ClassOutput[]
  readonly predictedClass: string
  readonly explainedClass: string
  readonly counterfactual: { readonly structure: 'removed'; readonly scope: 'network'; readonly classes: readonly CounterfactualClass[] } | null
  readonly maps: readonly ExplanationMap[]
  /** Facts about the structure that every answer states: inactive heads, largest bias. */
  readonly structure: { readonly heads: number; readonly inactiveHeads: number; readonly largestClassTokenBias: number } | null
}
