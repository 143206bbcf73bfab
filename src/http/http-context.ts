/** What the routes work with: everything that they may not reach for themselves. */
import type { ResultEnvironment } from '../domain/dicom-result.ts'
import type { ExplanationJobs } from '../domain/explanation-job.ts'
import type { GatewayDoor } from '../domain/gateway.ts'
import type { PredictionStore } from '../domain/kept-prediction.ts'
import type { Log } from '../domain/log.ts'
import type { Engines } from '../domain/prediction.ts'
import type { PublishedModel } from '../domain/published-model.ts'

export interface HttpContext {
  readonly engines: Engines
  readonly store: PredictionStore
  readonly explanations: ExplanationJobs
  readonly models: readonly PublishedModel[]
  readonly log: Log
  readonly now: () => Date
  /** 128 random bits as 32 hex digits: ids of requests and of predictions. */
  readonly newId: () => string
  /** What DICOM objects of a prediction of that time (ISO 8601, UTC) say of this installation. */
  readonly resultEnvironment: (createdAt: string) => ResultEnvironment
  /** null where the server was started without one. */
  readonly gateway: GatewayDoor | null
  /** Aborted once the server stops: it then answers what it has and is not ready for more. */
  readonly stopping: AbortSignal
  readonly openApiText: string
  readonly maxBodyBytes: number
  /** For the bodies of all requests together. */
  readonly maxBufferedBytes: number
  /** Whether /metrics shows the process's own figures too (memory, event loop): once a process, so tests leave it out. */
  readonly hasProcessMetrics: boolean
}
