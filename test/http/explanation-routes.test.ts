import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Problem } from '../../src/domain/problem.ts'
import { type Answer, HOUR_MS, openTestServer, type TestServer } from './support/open-test-server.ts'
import { MODEL_ID, pngBytes, sampleMap, sampleModels, samplePrediction } from './support/sample-prediction.ts'

let server: TestServer
let prediction: string
/** Answers of the engines that the test holds back. */
let held: (() => void)[]
beforeEach(async () => {
  server = await openTestServer()
  held = []
  const { json } = await server.predict(pngBytes)
  prediction = `/v1/predictions/${json.id}`
})
afterEach(() => server.close())

const holdSlices = (): void => {
  server.engines.perturb = (request) => {
    server.engines.slices.push(request)
    return new Promise((resolve) => held.push(() => resolve(new Float64Array(request.count))))
  }
}
const order = (query: string): Promise<Answer> => server.ask(`${prediction}/explanations${query}`, { method: 'POST' })
const cancel = (path: string): Promise<Answer> => server.ask(path, { method: 'DELETE' })
/** Asks until the job is in that state. */
const inState = async (path: string, state: string): Promise<Answer> => {
  for (;;) {
    const answer = await server.ask(path)
    if (answer.json.state === state) return answer
  }
}

describe('an explanation', () => {
  it('is accepted with its place, is at work, and ends with a map in every format', async () => {
    holdSlices()
    const { status, json, headers } = await order('?method=occlusion&baseline=blur')
    expect(status).toBe(202)
    expect(headers.get('location')).toBe(`${prediction}/explanations/${json.id}`)
    expect(headers.get('cache-control')).toBe('no-store')
    // 2 x 2 patches and the unchanged image.
    expect(json).toMatchObject({
      state: 'running',
      progress: { done: 0, total: 5, share: 0 },
      method: 'occlusion',
      baseline: 'blur',
      masks: null,
      seed: null,
      map: null,
      problem: null,
    })
    expect(json).toMatchObject({
      explainedClass: { index: 1, name: 'pneumonia' },
      model: samplePrediction.model,
      provenance: samplePrediction.provenance,
      frame: 1,
      finishedAt: null,
    })
    expect(json.href).toEqual({ self: `${prediction}/explanations/${json.id}`, prediction })
    const early = await server.ask(`${json.href.self}/map.png`)
    expect([early.status, early.json.code, early.headers.get('retry-after')]).toEqual([409, 'job-unfinished', '2'])
    while (held.length === 0) await new Promise((done) => setImmediate(done))
    held[0]!()
    const done = await inState(json.href.self, 'done')
    expect(done.json).toMatchObject({ progress: { done: 5, total: 5, share: 1 }, finishedAt: '2026-01-02T03:04:05.678Z' })
    expect(done.json.map).toMatchObject({ name: 'rise', explainedClass: { index: 1, name: 'pneumonia' }, formula: 'rise/1', role: 'causal' })
    for (const format of ['png', 'svg', 'npy', 'json'] as const) {
      const map = await server.ask(`${done.json.map.href[format]}?alpha=0.2`)
      expect(map.status).toBe(200)
      if (format !== 'json') expect(map.text).toBe(`${format} of rise`)
    }
    const [render] = server.engines.renders
    expect(render).toMatchObject({ map: { name: 'rise', explainedClass: 'pneumonia' }, options: { style: 'overlay', alpha: 0.2, head: null, size: 'source' } })
    expect(render!.display).toEqual(samplePrediction.display)
  })

  it('hands the engines what the network saw, the class, and the network seed of the prediction', async () => {
    const { json } = await order('?method=rise&masks=50&seed=4294967295&class=normal')
    await inState(json.href.self, 'done')
    const { order: sent, start, count } = server.engines.slices[0]!
    expect([start, count]).toEqual([0, 16])
    expect(sent).toEqual({ modelId: MODEL_ID, method: { kind: 'rise', masks: 50, seed: 4294967295 }, pixels: samplePrediction.networkInput, classIndex: 0, networkSeed: 0 })
  })

  it('takes the mean, 500 masks and seed 0 where nothing else is asked for', async () => {
    expect((await order('?method=occlusion')).json).toMatchObject({ baseline: 'mean', masks: null, seed: null })
    expect((await order('?method=rise')).json).toMatchObject({ baseline: null, masks: 500, seed: 0, progress: { total: 500 } })
  })

  it.each([
    ['method', ''],
    ['method', '?method=lime'],
    ['method', '?method=rise&method=rise'],
    ['baseline', '?method=occlusion&baseline=black'],
    ['baseline', '?method=rise&baseline=mean'],
    ['masks', '?method=occlusion&masks=100'],
    ['seed', '?method=occlusion&seed=1'],
    ['masks', '?method=rise&masks=49'],
    ['masks', '?method=rise&masks=10001'],
    ['seed', '?method=rise&seed=4294967296'],
    ['class', '?method=rise&class=fracture'],
    ['query', '?method=rise&patientName=x'],
  ])('is refused for a wrong %s (%s) by its name', async (parameter, query) => {
    const { status, json } = await order(query)
    expect([status, json.code, json.parameter]).toEqual([400, 'parameter-invalid', parameter])
    expect(server.engines.slices).toEqual([])
  })

  it('that was ordered before is shown again with 200, and is listed once', async () => {
    const first = await order('?method=rise&masks=50')
    const again = await order('?method=rise&masks=50&seed=0&class=pneumonia')
    expect([first.status, again.status, again.json.id]).toEqual([202, 200, first.json.id])
    const other = await order('?method=occlusion')
    const { json } = await server.ask(`${prediction}/explanations`)
    expect(json.explanations.map(({ id }: { id: string }) => id)).toEqual([first.json.id, other.json.id])
  })

  it('is refused while as many wait as may, with when to try again', async () => {
    holdSlices()
    expect((await order('?method=rise&seed=1')).json.state).toBe('running')
    expect((await order('?method=rise&seed=2')).json.state).toBe('queued')
    const { status, json, headers } = await order('?method=rise&seed=3')
    expect([status, json.code]).toEqual([429, 'overloaded'])
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
  })

  it('is cancelled amid its work, once, and then has no map', async () => {
    holdSlices()
    const { json } = await order('?method=rise&masks=50')
    while (held.length === 0) await new Promise((done) => setImmediate(done))
    held[0]!()
    while (held.length === 1) await new Promise((done) => setImmediate(done))
    const cancelled = await cancel(json.href.self)
    expect([cancelled.status, cancelled.json.state, cancelled.json.progress.done]).toEqual([200, 'cancelled', 16])
    const again = await cancel(json.href.self)
    expect([again.status, again.json.code]).toEqual([409, 'job-finished'])
    const map = await server.ask(`${json.href.self}/map.npy`)
    expect([map.status, map.json.code]).toEqual([404, 'map-unknown'])
    held[1]!()
    await new Promise((done) => setImmediate(done))
    expect(server.engines.slices).toHaveLength(2)
  })

  it('that fails says why where somebody can act, and nothing of our own faults', async () => {
    server.engines.perturb = () => Promise.reject(new Problem('output-not-finite', 'a logit of layer 3', { output: 'logits' }))
    const { json } = await order('?method=occlusion')
    const failed = await inState(json.href.self, 'failed')
    expect(failed.json.problem).toMatchObject({ type: '/problems/internal', code: 'internal', title: 'Internal failure' })
    expect(failed.text).not.toContain('layer 3')
    server.engines.perturb = () => Promise.reject(new Problem('model-not-ready', 'the server is stopping', {}))
    const stopped = await inState((await order('?method=occlusion')).json.href.self, 'failed')
    expect(stopped.json.problem).toMatchObject({ code: 'model-not-ready', detail: 'the server is stopping' })
  })

  it('is unknown by another id, and below another prediction', async () => {
    const { json } = await order('?method=occlusion')
    const other = (await server.predict(pngBytes)).json.id
    for (const path of [`${prediction}/explanations/${'0'.repeat(32)}`, `/v1/predictions/${other}/explanations/${json.id}`]) {
      for (const answer of [await server.ask(path), await cancel(path), await server.ask(`${path}/map.png`)])
        expect([answer.status, answer.json.code]).toEqual([404, 'job-unknown'])
    }
    const unknown = await server.ask(`/v1/predictions/${'0'.repeat(32)}/explanations?method=rise`, { method: 'POST' })
    expect([unknown.status, unknown.json.code]).toEqual([404, 'prediction-unknown'])
  })

  it('ends with its prediction: 410 on every route', async () => {
    const { json } = await order('?method=occlusion')
    await inState(json.href.self, 'done')
    server.clock.now = new Date(server.clock.now.getTime() + HOUR_MS)
    const answers = [
      await server.ask(json.href.self),
      await cancel(json.href.self),
      await server.ask(`${json.href.self}/map.png`),
      await server.ask(`${prediction}/explanations`),
      await order('?method=rise'),
    ]
    expect(answers.map(({ status, json: { code } }) => [status, code])).toEqual(answers.map(() => [410, 'prediction-expired']))
  })

  it('is refused while the server stops', async () => {
    server.stop()
    const { status, json } = await order('?method=rise')
    expect([status, json.code]).toEqual([503, 'model-not-ready'])
  })

  it('is refused where the model that answered is no longer there: another one would explain another answer', async () => {
    const [first, ...others] = sampleModels
    const changed = { ...first!, manifest: { ...first!.manifest, graph: { ...first!.manifest.graph, sha256: 'f'.repeat(64) } } }
    const released = await openTestServer({ models: [changed, ...others], store: server.store })
    const { status, json } = await released.ask(`${prediction}/explanations?method=rise`, { method: 'POST' })
    await released.close()
    expect([status, json.code]).toEqual([404, 'model-unknown'])
  })

  it('is counted by its state', async () => {
    holdSlices()
    await order('?method=rise&seed=1')
    await order('?method=rise&seed=2')
    const { text } = await server.ask('/metrics')
    expect(text).toMatch(/^attending_explanations\{state="running"\} 1$/m)
    expect(text).toMatch(/^attending_explanations\{state="queued"\} 1$/m)
  })

  it('states the figures of its map once it is done', async () => {
    const { json } = await order('?method=occlusion')
    const done = await inState(json.href.self, 'done')
    expect(done.json.map.statistics).toEqual(sampleMap.statistics)
    expect(done.json.map.gridSha256).toMatch(/^[0-9a-f]{64}$/)
  })
})
