/** Engines that answer at once, or as a test tells them. */
import type { DicomResult, DicomResults } from '../../../src/domain/dicom-result.ts'
import type { ExplanationJobs } from '../../../src/domain/explanation-job.ts'
import type { PerturbationEngines, PerturbRequest } from '../../../src/domain/perturbation.ts'
import type { EngineStats, Engines, PredictRequest, RenderedMap, RenderRequest, ResultsRequest } from '../../../src/domain/prediction.ts'
import { sampleMap, samplePrediction } from './sample-prediction.ts'

export interface FakeEngines extends Engines, PerturbationEngines {
  readonly predictions: PredictRequest[]
  readonly renders: RenderRequest[]
  readonly resultRequests: ResultsRequest[]
  readonly slices: PerturbRequest[]
  perturb: PerturbationEngines['perturb']
  predict: Engines['predict']
  render: Engines['render']
  makeResults: Engines['makeResults']
  refuseIfFull: Engines['refuseIfFull']
  figures: EngineStats
}

/** What stands for an identity: no code but an engine's may look into it. */
export const SEALED = Uint8Array.of(0xff, 0x0f, 0x44, 0x4f, 0x45)

const isDicom = (bytes: Uint8Array): boolean => bytes[128] === 0x44 && bytes[129] === 0x49

const MEDIA_TYPES = { png: 'image/png', svg: 'image/svg+xml', npy: 'application/octet-stream', json: 'application/json' } as const

export function createFakeEngines(): FakeEngines {
  const engines: FakeEngines = {
    predictions: [],
    renders: [],
    resultRequests: [],
    slices: [],
    figures: { engines: 2, ready: 2, busy: 0, queued: 0, queueLimit: 8, restarts: 0 },
    predict: async (request) => {
      engines.predictions.push(request)
      return { prediction: samplePrediction, origin: isDicom(request.bytes) ? SEALED : null }
    },
    render: async (request) => {
      engines.renders.push(request)
      return drawFake(request)
    },
    makeResults: async (request) => {
      engines.resultRequests.push(request)
      return fakeResults(request)
    },
    perturb: async (request) => {
      engines.slices.push(request)
      return new Float64Array(request.count)
    },
    buildPerturbationMap: async () => sampleMap,
    refuseIfFull: () => undefined,
    stats: () => engines.figures,
  }
  return engines
}

/** For an app of which nobody asks any. */
export const noExplanations: ExplanationJobs = {
  submit: refuse,
  find: refuse,
  list: () => [],
  cancel: refuse,
  counts: () => ({ queued: 0, running: 0, done: 0, failed: 0, cancelled: 0 }),
}

function refuse(): never {
  throw new RangeError('no explanation is asked for')
}

function drawFake({ options, map }: RenderRequest): RenderedMap {
  const text =
    options.format === 'json'
      ? JSON.stringify({ name: map.name, kind: map.kind, range: map.range, method: map.method, altText: map.altText, shape: [1, 1], grid: [[0]] })
      : `${options.format} of ${map.name}`
  return { mediaType: MEDIA_TYPES[options.format], bytes: new TextEncoder().encode(text) }
}

/** Maps go to Parametric Maps but for the one of communities; there is no Segmentation. */
function fakeResults({ resultKind, prediction }: ResultsRequest): DicomResults {
  const objectOf = (map: string | null): DicomResult => ({
    kind: resultKind,
    map,
    studyInstanceUid: '1.2.8',
    seriesInstanceUid: '1.2.9',
    sopClassUid: '1.2',
    sopInstanceUid: '1.2.3',
    bytes: new TextEncoder().encode(`${resultKind} of ${map}`),
  })
  if (resultKind === 'seg') return { objects: [], omitted: [{ kind: 'seg', map: 'communities', reason: 'the map names no communities' }] }
  if (resultKind !== 'pm') return { objects: [objectOf(null)], omitted: [] }
  return {
    objects: prediction.explanation.maps.filter(({ kind }) => kind !== 'categorical').map(({ name }) => objectOf(name)),
    omitted: [],
  }
}
