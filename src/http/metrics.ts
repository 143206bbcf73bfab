/** What happened in, Prometheus' text out. Labels are route templates, statuses, codes and model ids: never anything that a caller wrote. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { ExplanationJobs } from '../domain/explanation-job.ts'
import type { Jobs } from '../domain/job.ts'
import type { EngineStats, Engines, Prediction, TimingMs } from '../domain/prediction.ts'
import type { CallFacts } from './call.ts'

const REQUEST_BUCKETS_SECONDS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const STAGE_BUCKETS_SECONDS = [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

export interface Metrics {
  readonly contentType: string
  text(): Promise<string>
  observeRequest(facts: CallFacts, method: string, status: number, durationMs: number): void
  observePrediction(prediction: Prediction): void
}

export function createMetrics(engines: Engines, explanations: ExplanationJobs, jobs: Jobs | null, hasProcessMetrics: boolean): Metrics {
  const registry = new Registry()
  if (hasProcessMetrics) collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const requests = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from the request to the end of its answer.',
    labelNames: ['route', 'method', 'status'],
    buckets: REQUEST_BUCKETS_SECONDS,
    registers,
  })
  const problems = new Counter({ name: 'attending_problems_total', help: 'Failed requests by problem code.', labelNames: ['code'], registers })
  const stages = new Histogram({
    name: 'attending_stage_duration_seconds',
    help: 'Time of each stage of a prediction.',
    labelNames: ['model', 'stage'],
    buckets: STAGE_BUCKETS_SECONDS,
    registers,
  })
  for (const [name, help, field] of ENGINE_GAUGES) addEngineGauge(registry, name, help, () => engines.stats()[field])
  addExplanationGauge(registry, explanations)
  if (jobs !== null) addJobGauges(registry, jobs)
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    observeRequest: ({ route, code }, method, status, durationMs) => {
      requests.observe({ route, method, status }, durationMs / 1000)
      if (code !== null) problems.inc({ code })
    },
    observePrediction: ({ model, timingMs }) => {
      for (const stage of STAGES) stages.observe({ model: model.id, stage }, timingMs[stage] / 1000)
    },
  }
}

const STAGES: readonly (keyof TimingMs)[] = ['decode', 'preprocess', 'queue', 'infer', 'explain', 'render']

const ENGINE_GAUGES: readonly (readonly [name: string, help: string, field: keyof EngineStats])[] = [
  ['attending_engines', 'Engines that there should be.', 'engines'],
  ['attending_engines_ready', 'Engines whose models are warm.', 'ready'],
  ['attending_engines_busy', 'Engines at work.', 'busy'],
  ['attending_queue_depth', 'Requests that wait for an engine.', 'queued'],
  ['attending_queue_limit', 'Requests that may wait.', 'queueLimit'],
  ['attending_engine_restarts', 'Engines replaced since the start.', 'restarts'],
]

function addEngineGauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read())
    },
  })
}

function addExplanationGauge(registry: Registry, explanations: ExplanationJobs): void {
  new Gauge({
    name: 'attending_explanations',
    help: 'Explanations of many forward passes, by state.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      for (const [state, count] of Object.entries(explanations.counts())) this.set({ state }, count)
    },
  })
}

/** Read from the database when somebody looks. */
function addJobGauges(registry: Registry, jobs: Jobs): void {
  new Gauge({
    name: 'attending_jobs_oldest_queued_seconds',
    help: 'Age of the oldest job that waits.',
    registers: [registry],
    async collect() {
      this.set((await jobs.counts()).oldestQueuedSeconds)
    },
  })
  new Gauge({
    name: 'attending_jobs',
    help: 'Jobs by state.',
    labelNames: ['state'],
    registers: [registry],
    async collect() {
      for (const [state, count] of Object.entries((await jobs.counts()).states)) this.set({ state }, count)
    },
  })
}
