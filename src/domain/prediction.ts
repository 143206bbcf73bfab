/** What crosses between the HTTP edge and an engine: a request, its answer, and the artifacts that maps are drawn from. */
import type { Tensor } from '../tensor/tensor.ts'
import type { DicomResults, ResultEnvironment, ResultKind } from './dicom-result.ts'
import type { ClassOutput, Explanation, ExplanationMap } from './explanation.ts'
import type { ImageFacts } from './image.ts'
import { BAD_VERDICTS, type InputCheck, type ScopeCheck, type ScopeVerdict } from './input-check.ts'
import type { Manifest } from './manifest.ts'
import type { Placement } from './placement.ts'
import { Problem } from './problem.ts'

/** Options of one prediction, as asked for. */
export interface PredictionOptions {
  /** From 1. */
  readonly frame: number
  /** Names of maps, null for the cheap ones. */
  readonly maps: readonly string[] | null
  /** Explained class, null for the predicted one. */
  readonly explainedClass: string | null
  readonly seed: number
  /** SBM only: masks drawn; 0 for none. */
  readonly samples: number
}

export interface PredictRequest {
  readonly kind: 'predict'
  readonly modelId: string
  readonly bytes: Uint8Array
  readonly options: PredictionOptions
}

/** The 8-bit image that a map is laid over: the whole source grid. */
export interface DisplayImage {
  readonly rows: number
  readonly columns: number
  readonly channels: 1 | 3
  /** [rows, columns, channel], 0 is black. */
  readonly pixels: Uint8Array
}

export interface Provenance {
  readonly software: string
  readonly graphSha256: string
  readonly preprocessingSha256: string
  readonly inputSha256: string
  readonly seed: number | null
  readonly runtime: string
}

export interface TimingMs {
  readonly decode: number
  readonly preprocess: number
  readonly infer: number
  readonly explain: number
  readonly queue: number
  readonly render: number
}

/** The answer's facts and what its maps are drawn from. */
export interface Prediction {
  readonly model: { readonly id: string; readonly version: string; readonly network: Manifest['network']; readonly graphSha256: string }
  readonly input: ImageFacts & { readonly placement: Placement }
  readonly explanation: Explanation
  /** Absent from predictions that were kept before there was a check. */
  readonly inputCheck?: InputCheck
  readonly display: DisplayImage
  /** [channel, height, width], normalized: what the network saw. Absent from predictions that were kept before it was. */
  readonly networkInput?: Tensor
  readonly provenance: Provenance
  readonly timingMs: TimingMs
}

/** An image's answer with the sealed identity of its source: kept, handed back to an engine for DICOM results, and read nowhere between. */
export interface Predicted {
  readonly prediction: Prediction
  /** null where the file names nobody, as a PNG. */
  readonly origin: Uint8Array | null
}

/** DICOM objects of one kind, made of a prediction that was kept. */
export interface ResultsRequest {
  readonly kind: 'results'
  readonly resultKind: ResultKind
  readonly prediction: Prediction
  readonly origin: Uint8Array
  /** Names the prediction in the panel's caption. */
  readonly requestId: string
  readonly environment: ResultEnvironment
}

/** 'memberships' is one small picture a community, 'gray16' the values in 16-bit gray: PNGs alone. */
export type MapStyle = 'overlay' | 'heat' | 'panel' | 'memberships' | 'gray16'
export type MapFormat = 'png' | 'svg' | 'npy' | 'json'

/** Pixels that the longest side of a picture may have, where its size is a number. */
export const LONGEST_SIDE = { min: 8, max: 4096 } as const

/** How one map is drawn; each field is a query parameter of the API. */
export interface RenderOptions {
  readonly format: MapFormat
  readonly style: MapStyle
  /** 0 shows the windowed image bit for bit, 1 the map alone. */
  readonly alpha: number
  readonly head: number | null
  readonly colormap: string | null
  /** 'source' is the source grid, 'grid' one pixel a patch, a number the longest side in pixels. */
  readonly size: 'source' | 'grid' | number
  /** Adds the strip with legend and caption below an overlay or a heat map, which then is no longer the source grid alone. Absent means no. */
  readonly strip?: boolean
}

/** The caption facts that a drawn map carries in its strip and its text chunks. */
export interface RenderCaption {
  readonly requestId: string
  /** ISO 8601, UTC, from the stored record, so that equal requests give equal bytes. */
  readonly createdAt: string
  readonly modelId: string
  readonly modelVersion: string
  readonly graphSha256: string
  readonly inputSha256: string
  readonly predictedClass: ClassOutput
  /** Whether the image is what the model was trained on, and the checks that this rests on. Absent from predictions that were kept before there was one. */
  readonly inputCheck?: { readonly verdict: ScopeVerdict; readonly checks: readonly ScopeCheck[] }
}

/**
 * The caption of every picture of a prediction.
 *
 * Throws: "result-invalid" where the predicted class is none of the classes.
 */
export function captionOf({ model, explanation, provenance, inputCheck }: Prediction, requestId: string, createdAt: string): RenderCaption {
  const predictedClass = explanation.classes.find(({ name }) => name === explanation.predictedClass)
  if (predictedClass === undefined) throw new Problem('result-invalid', 'the predicted class is none of the classes', {})
  const caption = { requestId, createdAt, modelId: model.id, modelVersion: model.version, graphSha256: model.graphSha256, inputSha256: provenance.inputSha256, predictedClass }
  return inputCheck === undefined ? caption : { ...caption, inputCheck: scopeOf(inputCheck) }
}

/** The verdict with the names of the checks behind a bad one: no value that the file states is among them. */
function scopeOf({ verdict, findings }: InputCheck): NonNullable<RenderCaption['inputCheck']> {
  return { verdict, checks: BAD_VERDICTS.includes(verdict) ? findings.filter((finding) => finding.verdict === verdict).map(({ check }) => check) : [] }
}

export interface RenderRequest {
  readonly kind: 'render'
  readonly display: DisplayImage
  readonly placement: Placement
  readonly map: ExplanationMap
  /** All maps of the answer, for the panel style. */
  readonly maps: readonly ExplanationMap[]
  readonly caption: RenderCaption
  readonly options: RenderOptions
}

export interface RenderedMap {
  readonly mediaType: string
  readonly bytes: Uint8Array
}

/** The engine pool as the rooms outside it know it. Every call may throw "overloaded", "deadline-exceeded" or "engine-lost". */
export interface Engines {
  predict(request: PredictRequest, signal?: AbortSignal): Promise<Predicted>
  render(request: RenderRequest, signal?: AbortSignal): Promise<RenderedMap>
  /** The objects of the asked kind; Throws "uid-invalid" where the source can't be referred to. */
  makeResults(request: ResultsRequest, signal?: AbortSignal): Promise<DicomResults>
  /** Throws what a request would be refused with now, "overloaded" or "model-not-ready": asked before a body is read, so that a full server costs little. */
  refuseIfFull(): void
  stats(): EngineStats
}

export interface EngineStats {
  readonly engines: number
  /** Engines whose models are warm. */
  readonly ready: number
  readonly busy: number
  readonly queued: number
  readonly queueLimit: number
  /** Engines replaced since the start, after a crash or a deadline. */
  readonly restarts: number
}

export const NOTICE = 'Research use only. Not for diagnosis.'
