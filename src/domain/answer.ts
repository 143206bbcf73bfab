/** The answer of the API to a prediction, field by field as openapi.yaml has it. */
import type { Agreement, ClassOutput, CommunityFacts, Counterfactual, ExplanationMap, MapKind, MapRange, StructureFacts, Uncertainty } from './explanation.ts'
import type { InputCheck } from './input-check.ts'
import type { Prediction, Provenance, TimingMs } from './prediction.ts'

/** Where a map is found: paths of the API, or data URLs where nothing is kept. An SVG holds the PNG once more and has no data URL. */
export interface MapLinks {
  readonly png: string
  readonly svg: string | null
  readonly npy: string
  readonly json: string
}

export interface MapAnswer {
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
  readonly notice: string
}
