/** Maps on the patch grid: what `explain` makes and `render` and `results` show. */
import type { GridStatistics } from '../tensor/grid-statistics.ts'
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
  /** Part of the patches that bear this label, 0 to 1. */
  readonly share: number
  /** Logit of the explained class minus the same with this community's patches hidden from the class token in the last layer; null without a tail. */
  readonly deltaLogit: number | null
  /** Shapley value of the explained class's logit; null where it was not asked for. */
  readonly shapley: number | null
}

/** A value that the color bar marks, such as the level of uniform attention. */
export interface RangeMark {
  readonly value: number
  readonly label: string
}

/** One map. Values are stated in `method`; a flat map says so in `notes`. */
export interface ExplanationMap {
  readonly name: string
  readonly title: string
  readonly kind: MapKind
  readonly classSpecific: boolean
  /** The class that a class-specific map explains. */
  readonly explainedClass: string | null
  /** The layer that is shown, from 0; null where a map joins several. */
  readonly layer: number | null
  /** Whether a change of what the map shows changes this prediction, or whether it only describes the network's inside. */
  readonly role: 'causal' | 'descriptive'
  /** [gridHeight, gridWidth] */
  readonly grid: Tensor
  /** [head, gridHeight, gridWidth], where heads can be shown singly. */
  readonly heads: Tensor | null
  readonly range: MapRange | null
  /** The printed limits of `heads`, the same for all of them. */
  readonly headRange: MapRange | null
  /** Values that the color bar marks beside its ends. */
  readonly marks: readonly RangeMark[]
  /** How the grid is drawn larger: 'nearest' where a value between two patches has no meaning. */
  readonly interpolation: 'bilinear' | 'nearest'
  readonly unit: string
  readonly method: string
  /** Names the formula, as `evidence/1`: another version gives other values for the same outputs. Absent from maps that were kept before there was one. */
  readonly formula?: string
  /** Of the grid, in `unit`; null for labels. Absent from maps that were kept before there were any. */
  readonly statistics?: GridStatistics | null
  /** The paper's equation or the clause behind the method. */
  readonly source: string
  /** How sure each patch's label is, [gridHeight, gridWidth] in [0, 1]; categorical maps only. */
  readonly confidence: Tensor | null
  /** The same for each head of `heads`, [head, gridHeight, gridWidth]. */
  readonly headConfidence: Tensor | null
  /** How much of each patch lies in each of `communities`, [community, gridHeight, gridWidth], sums to 1 over communities; of communities of the image alone. The label is the cluster that the patch was joined to, and need not be the largest. Absent from maps that were kept before it was. */
  readonly memberships?: Tensor
  readonly communities: readonly CommunityFacts[]
  /** Numbers that belong to the map: a residual, a sum, a count of nodes. */
  readonly numbers: Readonly<Record<string, number>>
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

export interface Counterfactual {
  readonly structure: 'removed'
  /** 'network': removed in every layer. 'last-block': removed in the last layer alone, though earlier ones carry it too. */
  readonly scope: 'network' | 'last-block'
  readonly classes: readonly CounterfactualClass[]
}

/** What the structure does in one head of one structured layer, seen from the class token. */
export interface HeadFacts {
  readonly layer: number
  readonly head: number
  /** Degree of the class token; null where the network has none. */
  readonly classTokenDegree: number | null
  /** Largest absolute bias in the class token's row. */
  readonly largestBias: number
  /** Whether the structure is off for the decision in this head: no row that is read has contrast. In the last layer only the class token's row is read. */
  readonly isInactive: boolean
}

/** Facts about the structure that every answer states. */
export interface StructureFacts {
  readonly heads: number
  readonly inactiveHeads: number
  readonly largestClassTokenBias: number
  readonly perHead: readonly HeadFacts[]
}

/** Rank correlation (Spearman) of two maps of the same answer. */
export interface MapAgreement {
  readonly maps: readonly [string, string]
  /** -1 to 1; null where a map is flat. */
  readonly rankCorrelation: number | null
}

export interface Agreement {
  readonly pairs: readonly MapAgreement[]
  /** Whether any pair falls below `threshold`. */
  readonly isLow: boolean
  readonly threshold: number
}

/** How the answer varies over drawn masks. Probabilities are not calibrated. */
export interface Uncertainty {
  readonly samples: number
  readonly seed: number
  readonly classes: readonly { readonly name: string; readonly meanProbability: number; readonly standardDeviation: number }[]
  /** Part of the masks whose predicted class differs from that of the mean. */
  readonly flipRate: number
}

export interface Explanation {
  readonly classes: readonly ClassOutput[]
  readonly predictedClass: string
  readonly explainedClass: string
  readonly counterfactual: Counterfactual | null
  readonly maps: readonly ExplanationMap[]
  readonly structure: StructureFacts | null
  readonly communities: readonly CommunityFacts[]
  readonly agreement: Agreement | null
  readonly uncertainty: Uncertainty | null
}
