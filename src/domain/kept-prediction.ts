/** What lasts of a prediction: the answer as it was given, and what its maps are drawn from. */
import type { Tensor } from '../tensor/tensor.ts'
import type { PredictionAnswer } from './answer.ts'
import type { ExplanationMap } from './explanation.ts'
import type { Placement } from './placement.ts'
import type { DisplayImage, RenderCaption } from './prediction.ts'

export interface PredictionArtifacts {
  readonly display: DisplayImage
  readonly placement: Placement
  /** [channel, height, width], normalized: what further maps are made from. Absent from predictions that were kept before it was. */
  readonly networkInput?: Tensor
  readonly maps: readonly ExplanationMap[]
  readonly explainedClass: string
  readonly caption: RenderCaption
}

export interface KeptPrediction {
  readonly answer: PredictionAnswer
  readonly artifacts: PredictionArtifacts
  /** The sealed identity of the source, as the engine gave it; only an engine opens it. null where the file named nobody. */
  readonly origin: Uint8Array | null
}

/** Kept predictions by id. Finding throws "prediction-unknown", and "prediction-expired" once the retention time is over. */
export interface PredictionStore {
  keep(kept: KeptPrediction): Promise<void>
  findAnswer(id: string): Promise<PredictionAnswer>
  findArtifacts(id: string): Promise<PredictionArtifacts>
  findOrigin(id: string): Promise<Uint8Array | null>
}
