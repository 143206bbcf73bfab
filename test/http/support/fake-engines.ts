/** Engines that answer at once, or as a test tells them. */
import type { EngineStats, Engines, PredictRequest, RenderedMap, RenderRequest } from '../../../src/domain/prediction.ts'
import { samplePrediction } from './sample-prediction.ts'

export interface FakeEngines extends Engines {
  readonly predictions: PredictRequest[]
  readonly renders: RenderRequest[]
  predict: Engines['predict']
  render: Engines['render']
  refuseIfFull: Engines['refuseIfFull']
  figures: EngineStats
}

const MEDIA_TYPES = { png: 'image/png', svg: 'image/svg+xml', npy: 'application/octet-stream', json: 'application/json' } as const

export function createFakeEngines(): FakeEngines {
  const engines: FakeEngines = {
    predictions: [],
    renders: [],
    figures: { engines: 2, ready: 2, busy: 0, queued: 0, queueLimit: 8, restarts: 0 },
    predict: async (request) => {
      engines.predictions.push(request)
      return samplePrediction
    },
    render: async (request) => {
      engines.renders.push(request)
      return drawFake(request)
    },
    refuseIfFull: () => undefined,
    stats: () => engines.figures,
  }
  return engines
}

function drawFake({ options, map }: RenderRequest): RenderedMap {
  const text =
    options.format === 'json'
      ? JSON.stringify({ name: map.name, kind: map.kind, range: map.range, method: map.method, altText: map.altText, shape: [1, 1], grid: [[0]] })
      : `${options.format} of ${map.name}`
  return { mediaType: MEDIA_TYPES[options.format], bytes: new TextEncoder().encode(text) }
}
