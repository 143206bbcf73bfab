/** The answer of the API to a prediction, field by field as openapi.yaml has it. */

import type { GridStatistics } from '../tensor/grid-statistics.ts'
import type { Agreement, ClassOutput, CommunityFacts, Counterfactual, ExplanationMap, MapKind, MapRange, RangeMark, StructureFacts, Uncertainty } from './explanation.ts'
import type { ExplanationState } from './explanation-job.ts'
import type { InputCheck } from './input-check.ts'
import type { Baseline } from './perturbation.ts'
import type { Prediction, Provenance, TimingMs } from './prediction.ts'

/** Where a map is found: paths of the API, or data URLs where nothing is kept. An SVG holds the PNG once more and has no data URL. */
export interface MapLinks {
  readonly png: string
  readonly svg: string | null
  readonly npy: string
  readonly json: string
}

/** What is said of a map's numbers. Absent from answers that were kept before it was said. */
export interface MapFigures {
  /** Rows and columns of the grid. */
  readonly shape: readonly number[]
  /** From 0; null where a map joins several layers. */
  readonly layer: number | null
  /** Whose the grid is: always null, all heads together. A single head is drawn by the query parameter of its name. */
  readonly head: null
  /** The printed limits of single heads; null where none are shown. */
  readonly headRange: MapRange | null
  /** The class that a class-specific map explains, by its place in `classes`. */
  readonly explainedClass: { readonly index: number; readonly name: string } | null
  readonly marks: readonly RangeMark[]
  readonly formula: string | null
  readonly statistics: GridStatistics | null
  readonly numbers: Readonly<Record<string, number>>
  /** Of the grid's float32 values, little endian, row after row. */
  readonly gridSha256: string
}

export interface MapAnswer extends Partial<MapFigures> {
  readonly name: string
  readonly title: string
  readonly kind: MapKind
  readonly classSpecific: boolean
  readonly role: ExplanationMap['role']
  /** How many heads can be shown singly; 0 for none. */
  readonly heads: number
  readonly range: MapRange | null
  readonly unit: string
  readonly method: string
  readonly source: string
  readonly notes: readonly string[]
  readonly altText: string
  readonly href: MapLinks
}

/** A map of many forward passes as the API shows it: ordered, under way, or there. */
export interface ExplanationAnswer {
  readonly id: string
  readonly predictionId: string
  readonly state: ExplanationState
  /** Forward passes, and the part of them that is done, 0 to 1. */
  readonly progress: { readonly done: number; readonly total: number; readonly share: number }
  readonly method: 'occlusion' | 'rise'
  /** Of an occlusion; null otherwise. */
  readonly baseline: Baseline | null
  /** Of RISE, as the seed; null otherwise. */
  readonly masks: number | null
  readonly seed: number | null
  readonly explainedClass: { readonly index: number; readonly name: string }
  /** ISO 8601, UTC, as finishedAt. */
  readonly createdAt: string
  readonly finishedAt: string | null
  readonly problem: { readonly type: string; readonly title: string; readonly code: string; readonly detail: string } | null
  readonly model: Prediction['model']
  /** From 1. */
  readonly frame: number
  /** Of the prediction; its `seed` draws the network's own masks, where there are any. */
  readonly provenance: Provenance
  readonly map: MapAnswer | null
  readonly href: { readonly self: string; readonly prediction: string }
  readonly notice: string
}

/** What the API has of a kept prediction: the answer again, and its explanations, where GET lists what was ordered and POST orders one. */
export interface PredictionLinks {
  readonly self: string
  readonly explanations: string
}

export interface PredictionAnswer {
  readonly id: string
  /** ISO 8601, UTC. */
  readonly createdAt: string
  readonly model: Prediction['model']
  readonly input: Prediction['input']
  readonly classes: readonly ClassOutput[]
  readonly predictedClass: string
  readonly explainedClass: string
  readonly counterfactual: Counterfactual | null
  readonly uncertainty: Uncertainty | null
  readonly communities: readonly CommunityFacts[]
  readonly structure: StructureFacts | null
  readonly agreement: Agreement | null
  /** Absent from answers that were kept before there was a check. */
  readonly inputCheck?: InputCheck
  readonly maps: readonly MapAnswer[]
  readonly provenance: Provenance
  readonly timingMs: TimingMs
  /** null where nothing is kept; absent from answers that were kept before there was one. */
  readonly href?: PredictionLinks | null
  readonly notice: string
}
