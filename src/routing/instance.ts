/** What crosses between the queue and whoever walks the road for it: an instance with the rules, and what became of it. Plain data. */
import type { Deidentification } from '../domain/deidentification.ts'
import type { DicomResult, OmittedResult, ResultEnvironment } from '../domain/dicom-result.ts'
import type { Prediction } from '../domain/prediction.ts'
import type { Arrival } from './decide-route.ts'
import type { Rules } from './rules-file.ts'

export interface InstanceRequest {
  readonly bytes: Uint8Array
  readonly arrival: Arrival
  readonly rules: Rules
  /** A model that was asked for by name: then no rule is asked, and its results go to `destinations`. */
  readonly modelId: string | null
  /** Stands in for the rules' own destinations; null leaves them. */
  readonly destinations: readonly string[] | null
  /** Names the request in pictures and logs. */
  readonly requestId: string
  readonly environment: ResultEnvironment
  /** Results of nobody, in place of the patient's. */
  readonly deidentification?: Deidentification
}

export interface PredictedFrame {
  /** From 1. */
  readonly frame: number
  readonly prediction: Prediction
  /** The sealed identity of the source; null where it names nobody. */
  readonly origin: Uint8Array | null
}

export type InstanceResult =
  | { readonly kind: 'skipped'; readonly reason: string }
  | {
      readonly kind: 'results'
      readonly modelId: string
      /** In order; across processes the first one alone. */
      readonly frames: readonly PredictedFrame[]
      readonly objects: readonly DicomResult[]
      readonly omitted: readonly OmittedResult[]
      readonly destinations: readonly string[]
    }
