/** What crosses between the parent and an engine: plain data by structured clone, one job at a time for each engine. */
import type { DicomResults } from '../domain/dicom-result.ts'
import type { ExplanationMap } from '../domain/explanation.ts'
import type { PerturbationMapRequest, PerturbRequest } from '../domain/perturbation.ts'
import type { Predicted, PredictRequest, RenderedMap, RenderRequest, ResultsRequest } from '../domain/prediction.ts'
import type { ProblemData } from '../domain/problem.ts'
import type { InstanceRequest, InstanceResult } from '../routing/instance.ts'

/** An instance that nobody waits for: its rules are asked, and its answer made into DICOM objects, in one go. */
export interface InstanceWork {
  readonly kind: 'instance'
  readonly instance: InstanceRequest
}

export type EngineRequest = PredictRequest | RenderRequest | ResultsRequest | InstanceWork | PerturbRequest | PerturbationMapRequest
export type EngineResult = Predicted | RenderedMap | DicomResults | InstanceResult | Float64Array | ExplanationMap

/** What an engine needs to know before its first job. */
export interface EngineStart {
  readonly modelsFolder: string
  /** Where there are any, only bundles that one of them signed are loaded. */
  readonly trustedKeys: readonly string[]
  /** Name and version of the program, for the provenance of each answer. */
  readonly software: string
}

export type ToEngine = { readonly kind: 'start'; readonly start: EngineStart } | { readonly kind: 'job'; readonly jobId: number; readonly request: EngineRequest }

/**
 * 'advanced' says that a frame of the job is done, and the next one begins.
 *
 * `frames` says where an unexpected failure came from, for the log; null for a Problem that its caller understands.
 */
export type FromEngine =
  | { readonly kind: 'ready'; readonly models: readonly string[] }
  | { readonly kind: 'refused'; readonly problem: ProblemData; readonly frames: string | null }
  | { readonly kind: 'advanced'; readonly jobId: number }
  | { readonly kind: 'done'; readonly jobId: number; readonly result: EngineResult }
  | { readonly kind: 'failed'; readonly jobId: number; readonly problem: ProblemData; readonly frames: string | null }
