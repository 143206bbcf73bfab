import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Problem, type ProblemCode, type ProblemFacts } from '../../src/domain/problem.ts'
import { toProblem, toProblemDocument } from '../../src/http/problem-json.ts'
import { PROBLEM_TABLE, PUBLIC_CODES, toPublicCode } from '../../src/http/problem-table.ts'
import { MAX_OBJECT_BYTES } from './support/fake-gateway.ts'
import { type Answer, HOUR_MS, openApi, openTestServer, type TestServer } from './support/open-test-server.ts'
import { dicomBytes, MODEL_ID, pngBytes } from './support/sample-prediction.ts'

/** Facts of every code that an engine or a peer may throw, as the code demands them. */
const FACTS: { readonly [C in ProblemCode]: ProblemFacts[C] } = {
  'request-malformed': {},
  'body-too-large': { limitBytes: 1 },
  'media-type-unsupported': { accepted: ['image/png'] },
  'parameter-invalid': { parameter: 'frame' },
  'image-undecodable': {},
  'image-out-of-scope': { modality: 'MR' },
  'model-unknown': {},
  'prediction-unknown': {},
  'prediction-expired': {},
  'map-unknown': { available: ['attention'] },
  'result-unavailable': { kind: 'pm' },
  'job-unknown': {},
  'job-finished': {},
  'job-unfinished': { retryAfterSeconds: 2 },
  'route-unknown': {},
  'method-not-allowed': { allowed: ['GET'] },
  'dicom-not-part10': {},
  'dicom-truncated': {},
  'dicom-too-large': { limitBytes: 1 },
  'dicom-nesting-too-deep': { limitDepth: 64 },
  'transfer-syntax-unsupported': { transferSyntaxUid: '1.2' },
  'sop-class-unsupported': {},
  'uid-invalid': { keyword: 'SOPInstanceUID' },
  'attribute-missing': { keyword: 'Rows' },
  'pixel-data-missing': {},
  'pixel-data-truncated': { expectedBytes: 2, actualBytes: 1 },
  'bits-unsupported': { bitsAllocated: 64, bitsStored: 64 },
  'dimensions-invalid': { rows: 0, columns: 1 },
  'image-too-large': { limitPixels: 1 },
  'frames-too-many': { limitFrames: 1 },
  'number-of-frames-invalid': {},
  'frame-count-mismatch': { expected: 2, actual: 1 },
  'codestream-mismatch': { attribute: 'Rows', dataset: 2, codestream: 1 },
  'attributes-inconsistent': { keyword: 'HighBit' },
  'rescale-invalid': {},
  'codec-failed': { transferSyntaxUid: '1.2' },
  'codec-timeout': { transferSyntaxUid: '1.2', limitMs: 1 },
  'model-not-ready': {},
  overloaded: { retryAfterSeconds: 7 },
  'deadline-exceeded': { limitMs: 1 },
  'gateway-closed': {},
  'pacs-unreachable': {},
  'pacs-refused': {},
  'shape-mismatch': { expected: [1], actual: [2] },
  'manifest-invalid': {},
  'bundle-refused': { reason: 'hash' },
  'output-missing': { output: 'logits' },
  'output-not-finite': { output: 'logits' },
  'result-invalid': {},
  'engine-lost': {},
  internal: {},
  'settings-invalid': { setting: 'ATTENDING_PORT' },
  'file-unreadable': {},
  'data-set-unknown': { sha256: 'a' },
  'checkpoint-invalid': {},
  'parity-failed': { stage: 'logits' },
  'backend-unavailable': { backend: 'wasm' },
  'memory-exhausted': {},
}

const problemOf = (code: ProblemCode): Problem => new Problem(code, `a sentence about ${code}`, FACTS[code])

const promised = openApi.operations.find(({ operationId }) => operationId === 'createPrediction')?.problemCodes ?? []
const codes = Object.keys(PROBLEM_TABLE) as ProblemCode[]

describe('an engine that throws', () => {
  let shared: TestServer
  beforeAll(async () => {
    shared = await openTestServer()
  })
  afterAll(() => shared.close())

  it.each(codes.filter((code) => promised.includes(toPublicCode(code))))(
    '%s leaves with the status, the title and the facts of its row, or as internal, and the server goes on',
    async (code) => {
      shared.engines.predict = () => Promise.reject(problemOf(code))
      const { status, json, headers } = await shared.predict(pngBytes)
      const shown = toPublicCode(code)
      expect({ status, code: json.code, type: json.type, title: json.title }).toEqual({
        status: PROBLEM_TABLE[shown].status,
        code: shown,
        type: `/problems/${shown}`,
        title: PROBLEM_TABLE[shown].title,
      })
      expect(json.instance).toBe(`urn:uuid:${headers.get('x-request-id')?.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')}`)
      expect(json).toMatchObject(
        shown === 'internal' ? { detail: 'an unexpected failure; the log names it by the instance' } : { detail: `a sentence about ${code}`, ...FACTS[code] },
      )
      expect((await shared.ask(json.type)).status).toBe(200)
      expect((await shared.ask('/healthz')).status).toBe(200)
    },
  )

  it('can throw each code but the few that belong to other routes', () => {
    expect(codes.filter((code) => !promised.includes(toPublicCode(code)))).toEqual([
      'prediction-unknown',
      'prediction-expired',
      'result-unavailable',
      'job-unknown',
      'job-finished',
      'job-unfinished',
      'route-unknown',
      'method-not-allowed',
      'gateway-closed',
      'pacs-unreachable',
      'pacs-refused',
    ])
  })
})

describe('each failure that an operation promises', () => {
  let server: TestServer
  beforeEach(async () => {
    server = await openTestServer()
  })
  afterEach(() => server.close())

  const predictions = `/v1/models/${MODEL_ID}/predictions`
  const post = (body: Uint8Array | string, type = 'image/png', query = ''): Promise<Answer> =>
    server.ask(predictions + query, { method: 'POST', headers: { 'content-type': type }, body: typeof body === 'string' ? body : Buffer.from(body) })
  const keptPath = async (): Promise<string> => `/v1/predictions/${(await server.predict(pngBytes)).json.id}`
  const expiredPath = async (): Promise<string> => {
    const path = await keptPath()
    server.clock.now = new Date(server.clock.now.getTime() + HOUR_MS)
    return path
  }
  const failDrawing = async (code: ProblemCode): Promise<Answer> => {
    const path = await keptPath()
    server.engines.render = () => Promise.reject(problemOf(code))
    return server.ask(`${path}/maps/attention.png`)
  }
  const keptDicomPath = async (): Promise<string> => `/v1/predictions/${(await server.predict(dicomBytes, '', 'application/dicom')).json.id}`
  const failResult = async (code: ProblemCode): Promise<Answer> => {
    const path = await keptDicomPath()
    server.engines.makeResults = () => Promise.reject(problemOf(code))
    return server.ask(`${path}/results/sr.dcm`)
  }
  const explain = (path: string, query = '?method=occlusion'): Promise<Answer> => server.ask(`${path}/explanations${query}`, { method: 'POST' })
  const below = (path: string, rest = ''): string => `${path}/explanations/${'0'.repeat(32)}${rest}`
  /** The path of an explanation that is at work for as long as the test lasts. */
  const endlessPath = async (): Promise<string> => {
    server.engines.perturb = () => new Promise(() => undefined)
    return (await explain(await keptPath())).json.href.self
  }
  const donePath = async (): Promise<string> => {
    const path = (await explain(await keptPath())).json.href.self
    while ((await server.ask(path)).json.state !== 'done');
    return path
  }
  const failExplanationMap = async (code: ProblemCode): Promise<Answer> => {
    const path = await donePath()
    server.engines.render = () => Promise.reject(problemOf(code))
    return server.ask(`${path}/map.png`)
  }
  const noJob = `/v1/jobs/${'0'.repeat(32)}`
  const orderJob = (body: Uint8Array | string, type = 'application/dicom', query = ''): Promise<Answer> =>
    server.ask(`/v1/jobs${query}`, { method: 'POST', headers: { 'content-type': type }, body: typeof body === 'string' ? body : Buffer.from(body) })
  const store = (body: string, type = 'multipart/related; type="application/dicom"; boundary=b'): Promise<Answer> =>
    server.ask('/dicom-web/studies', { method: 'POST', headers: { 'content-type': type }, body })
  const withoutGateway = (ask: () => Promise<Answer>): Promise<Answer> => {
    server.closeGateway()
    return ask()
  }
  const breakStore = (): void => {
    server.store.findAnswer = () => Promise.reject(new Error('DOE^JANE'))
    server.store.findArtifacts = () => Promise.reject(new Error('DOE^JANE'))
  }
  const nowhere = `/v1/predictions/${'0'.repeat(32)}`

  /** How a caller meets it, without help of an engine; "engine" where only the engine knows, which the table above has. */
  const provocations: Readonly<Record<string, () => Promise<Answer>>> = {
    'createPrediction request-malformed': () => post('--x\r\nno form', 'multipart/form-data; boundary=x'),
    'createPrediction parameter-invalid': () => post(pngBytes, 'image/png', '?frame=0'),
    'createPrediction model-unknown': () => server.ask('/v1/models/none/predictions', { method: 'POST' }),
    'createPrediction body-too-large': () => post(new Uint8Array(256 * 1024 + 1)),
    'createPrediction media-type-unsupported': () => post('GIF89a', 'image/gif'),
    'createPrediction dicom-not-part10': () => post('no DICOM', 'application/dicom'),
    'createPrediction model-not-ready': () => {
      server.stop()
      return post(pngBytes)
    },
    'getPrediction parameter-invalid': async () => server.ask(`${await keptPath()}?frame=1`),
    'getPrediction prediction-unknown': () => server.ask(nowhere),
    'getPrediction prediction-expired': async () => server.ask(await expiredPath()),
    'getPrediction internal': () => {
      breakStore()
      return server.ask(nowhere)
    },
    'getMap parameter-invalid': async () => server.ask(`${await keptPath()}/maps/attention.png?alpha=2`),
    'getMap prediction-unknown': () => server.ask(`${nowhere}/maps/attention.png`),
    'getMap prediction-expired': async () => server.ask(`${await expiredPath()}/maps/attention.png`),
    'getMap map-unknown': async () => server.ask(`${await keptPath()}/maps/none.png`),
    'getMap model-not-ready': () => failDrawing('model-not-ready'),
    'getMap overloaded': () => failDrawing('overloaded'),
    'getMap deadline-exceeded': () => failDrawing('deadline-exceeded'),
    'getMap internal': () => {
      breakStore()
      return server.ask(`${nowhere}/maps/attention.png`)
    },
    'getResult parameter-invalid': async () => server.ask(`${await keptDicomPath()}/results/xyz.dcm`),
    'getResult prediction-unknown': () => server.ask(`${nowhere}/results/sr.dcm`),
    'getResult prediction-expired': async () => server.ask(`${await expiredPath()}/results/sr.dcm`),
    'getResult result-unavailable': async () => server.ask(`${await keptPath()}/results/sr.dcm`),
    'getResult uid-invalid': () => failResult('uid-invalid'),
    'getResult model-not-ready': () => failResult('model-not-ready'),
    'getResult overloaded': () => failResult('overloaded'),
    'getResult deadline-exceeded': () => failResult('deadline-exceeded'),
    'getResult internal': () => failResult('result-invalid'),
    'orderExplanation parameter-invalid': async () => explain(await keptPath(), ''),
    'orderExplanation prediction-unknown': () => explain(nowhere),
    'orderExplanation prediction-expired': async () => explain(await expiredPath()),
    'orderExplanation model-unknown': async () => {
      const path = await keptPath()
      const before = server
      server = await openTestServer({ store: before.store, models: [] })
      const answer = await explain(path)
      await before.close()
      return answer
    },
    'orderExplanation model-not-ready': async () => {
      const path = await keptPath()
      server.stop()
      return explain(path)
    },
    'orderExplanation overloaded': async () => {
      const path = (await endlessPath()).replace(/\/explanations.*/, '')
      await explain(path, '?method=rise')
      return explain(path, '?method=rise&seed=1')
    },
    'listExplanations prediction-unknown': () => server.ask(`${nowhere}/explanations`),
    'listExplanations prediction-expired': async () => server.ask(`${await expiredPath()}/explanations`),
    'getExplanation prediction-unknown': () => server.ask(below(nowhere)),
    'getExplanation prediction-expired': async () => server.ask(below(await expiredPath())),
    'getExplanation job-unknown': async () => server.ask(below(await keptPath())),
    'cancelExplanation prediction-unknown': () => server.ask(below(nowhere), { method: 'DELETE' }),
    'cancelExplanation prediction-expired': async () => server.ask(below(await expiredPath()), { method: 'DELETE' }),
    'cancelExplanation job-unknown': async () => server.ask(below(await keptPath()), { method: 'DELETE' }),
    'cancelExplanation job-finished': async () => server.ask(await donePath(), { method: 'DELETE' }),
    'getExplanationMap parameter-invalid': async () => server.ask(below(await keptPath(), '/map.gif')),
    'getExplanationMap prediction-unknown': () => server.ask(below(nowhere, '/map.png')),
    'getExplanationMap prediction-expired': async () => server.ask(below(await expiredPath(), '/map.png')),
    'getExplanationMap job-unknown': async () => server.ask(below(await keptPath(), '/map.png')),
    'getExplanationMap job-unfinished': async () => server.ask(`${await endlessPath()}/map.png`),
    'getExplanationMap map-unknown': async () => {
      const path = await endlessPath()
      await server.ask(path, { method: 'DELETE' })
      return server.ask(`${path}/map.png`)
    },
    'getExplanationMap model-not-ready': () => failExplanationMap('model-not-ready'),
    'getExplanationMap overloaded': () => failExplanationMap('overloaded'),
    'getExplanationMap deadline-exceeded': () => failExplanationMap('deadline-exceeded'),
    'submitJob request-malformed': () => orderJob('{', 'application/json'),
    'submitJob parameter-invalid': () => orderJob('{}', 'application/json'),
    'submitJob gateway-closed': () => withoutGateway(() => orderJob(dicomBytes)),
    'submitJob model-unknown': () => orderJob(dicomBytes, 'application/dicom', '?model=none'),
    'submitJob body-too-large': () => orderJob(new Uint8Array(MAX_OBJECT_BYTES + 1)),
    'submitJob media-type-unsupported': () => orderJob('GIF89a', 'image/gif'),
    'submitJob dicom-not-part10': () => orderJob('no DICOM'),
    'submitJob model-not-ready': () => {
      server.stop()
      return orderJob(dicomBytes)
    },
    'submitJob overloaded': async () => {
      for (let waiting = 0; waiting < server.gateway.maxQueued; waiting++) await orderJob(dicomBytes)
      return orderJob(dicomBytes)
    },
    'listJobs gateway-closed': () => withoutGateway(() => server.ask('/v1/jobs')),
    'listJobs parameter-invalid': () => server.ask('/v1/jobs?state=lost'),
    'getJob gateway-closed': () => withoutGateway(() => server.ask(noJob)),
    'getJob job-unknown': () => server.ask(noJob),
    'cancelJob gateway-closed': () => withoutGateway(() => server.ask(noJob, { method: 'DELETE' })),
    'cancelJob job-unknown': () => server.ask(noJob, { method: 'DELETE' }),
    'cancelJob job-finished': async () => {
      const path = `/v1/jobs/${(await orderJob(dicomBytes)).json.id}`
      await server.ask(path, { method: 'DELETE' })
      return server.ask(path, { method: 'DELETE' })
    },
    'replayJob gateway-closed': () => withoutGateway(() => server.ask(`${noJob}/replay`, { method: 'POST' })),
    'replayJob job-unknown': () => server.ask(`${noJob}/replay`, { method: 'POST' }),
    'replayJob job-finished': async () => server.ask(`/v1/jobs/${(await orderJob(dicomBytes)).json.id}/replay`, { method: 'POST' }),
    'followJob gateway-closed': () => withoutGateway(() => server.ask(`${noJob}/events`)),
    'followJob job-unknown': () => server.ask(`${noJob}/events`),
    'storeInstances request-malformed': () => store('no part'),
    'storeInstances gateway-closed': () => withoutGateway(() => store('')),
    'storeInstances body-too-large': () => store(`--b\r\n\r\n${'x'.repeat(MAX_OBJECT_BYTES + 1)}\r\n--b--`),
    'storeInstances media-type-unsupported': () => store('{}', 'application/json'),
    'storeInstances model-not-ready': () => {
      server.stop()
      return store('')
    },
    'storeInstances overloaded': async () => {
      await server.close()
      server = await openTestServer({ maxBufferedBytes: 1024 })
      return store('x'.repeat(2048))
    },
    'getModel model-unknown': () => server.ask('/v1/models/none'),
    'getModelCard model-unknown': () => server.ask('/v1/models/none/card'),
    'getReadiness model-not-ready': () => {
      server.stop()
      return server.ask('/readyz')
    },
    'getProblemPage route-unknown': () => server.ask('/problems/none'),
  }

  it.each(Object.entries(provocations))('%s', async (name, provoke) => {
    const [operationId, code = ''] = name.split(' ')
    expect(openApi.operations.find((operation) => operation.operationId === operationId)?.problemCodes).toContain(code)
    const { status, json } = await provoke()
    expect({ status, code: json.code }).toEqual({ status: PROBLEM_TABLE[code as ProblemCode].status, code })
  })

  it('has a provocation here, but for what only an engine or a broken part of the server can cause', () => {
    const missing = openApi.operations.flatMap(({ operationId, problemCodes }) =>
      problemCodes.filter((code) => provocations[`${operationId} ${code}`] === undefined).map((code) => ({ operationId, code })),
    )
    const unexplained = missing.filter(
      ({ operationId, code }) => !(operationId === 'createPrediction' && promised.includes(code)) && !['internal', 'parameter-invalid'].includes(code),
    )
    expect(unexplained).toEqual([])
  })

  it('refuses a query on every route that takes none', async () => {
    for (const { path } of openApi.operations.filter(({ method, parameters }) => method === 'get' && parameters.every((parameter) => parameter.in === 'path'))) {
      const plain = path.replace('{model}', MODEL_ID).replace('{id}', '0'.repeat(32)).replace('{code}', 'internal')
      const { status, json } = await server.ask(`${plain}?patientName=DOE`)
      expect({ path, status, code: json.code }).toEqual({ path, status: 400, code: 'parameter-invalid' })
    }
  })

  it('gives Retry-After where the time is known', async () => {
    expect((await failDrawing('overloaded')).headers.get('retry-after')).toBe('7')
  })
})

describe('toProblem', () => {
  it('keeps a Problem, and hides what any other error says', () => {
    const problem = problemOf('dicom-truncated')
    expect(toProblem(problem)).toBe(problem)
    expect([toProblem(new Error('DOE^JANE')).code, toProblem(new Error('DOE^JANE')).message]).toEqual(['internal', 'an unexpected failure'])
    expect(toProblem('text').code).toBe('internal')
  })

  it('never lets a fact stand in for a member of the standard', () => {
    const forged = new Problem('parameter-invalid', 'true', { parameter: 'x', status: 200, type: 'about:blank', code: 'y' } as ProblemFacts['parameter-invalid'])
    expect(toProblemDocument(forged, 'a'.repeat(32))).toMatchObject({ status: 400, type: '/problems/parameter-invalid', code: 'parameter-invalid', detail: 'true', parameter: 'x' })
  })

  it('shows every fault as internal and every other code as itself', () => {
    const hidden = (Object.keys(PROBLEM_TABLE) as ProblemCode[]).filter((code) => !PUBLIC_CODES.includes(code))
    expect(hidden).toEqual([
      'shape-mismatch',
      'manifest-invalid',
      'bundle-refused',
      'output-missing',
      'output-not-finite',
      'result-invalid',
      'engine-lost',
      'settings-invalid',
      'file-unreadable',
      'data-set-unknown',
      'checkpoint-invalid',
      'parity-failed',
      'backend-unavailable',
      'memory-exhausted',
    ])
    for (const code of hidden) expect(toProblemDocument(problemOf(code), 'a'.repeat(32))).toMatchObject({ status: 500, code: 'internal', title: 'Internal failure' })
  })
})
