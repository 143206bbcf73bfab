import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildChestPhantom } from '../../src/demo/chest-phantom.ts'
import type { ExplanationAnswer, PredictionAnswer } from '../../src/domain/answer.ts'
import { schemaErrors } from '../http/support/open-test-server.ts'
import { type RunningServer, startServer } from './support/start-server.ts'
import { TINY_DCMM, TINY_SBM, writeTinyBundles } from './support/write-tiny-bundle.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const dicom = buildChestPhantom({ rows: 120, columns: 96, seed: 3, opacity: 0.8 })

let folder: string
let server: RunningServer
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'attending-explanations-'))
  writeTinyBundles(join(folder, 'models'))
  writeFileSync(join(folder, 'chest.dcm'), dicom)
  server = await startServer({
    ATTENDING_MODELS_DIR: join(folder, 'models'),
    ATTENDING_DATA_DIR: join(folder, 'data'),
    ATTENDING_ENGINES: '1',
    ATTENDING_EXPLANATION_QUEUE_LIMIT: '0',
  })
})
afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true })
})

const predict = async (model = TINY_DCMM, query = ''): Promise<PredictionAnswer> => {
  const response = await fetch(`${server.url}/v1/models/${model}/predictions${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/dicom' },
    body: Buffer.from(dicom),
  })
  return (await response.json()) as PredictionAnswer
}
const read = async (response: Response): Promise<ExplanationAnswer> => {
  const answer = (await response.json()) as ExplanationAnswer
  if (schemaErrors('Explanation', answer) !== '') throw new Error(`${response.status}: ${schemaErrors('Explanation', answer)}`)
  return answer
}
const order = (prediction: PredictionAnswer, query: string): Promise<Response> => fetch(`${server.url}/v1/predictions/${prediction.id}/explanations?${query}`, { method: 'POST' })
const look = async ({ href }: ExplanationAnswer): Promise<ExplanationAnswer> => read(await fetch(server.url + href.self))
const get = async (path: string): Promise<Buffer> => Buffer.from(await (await fetch(server.url + path)).arrayBuffer())
/** Asks until it is so, and shows all that was seen on the way. */
const watch = async (job: ExplanationAnswer, isSo: (seen: ExplanationAnswer) => boolean): Promise<readonly ExplanationAnswer[]> => {
  const seen = [job]
  while (!isSo(seen.at(-1) as ExplanationAnswer)) seen.push(await look(job))
  return seen
}
const ended = ({ state }: ExplanationAnswer): boolean => state !== 'queued' && state !== 'running'
const explain = async (prediction: PredictionAnswer, query: string): Promise<ExplanationAnswer> =>
  (await watch(await read(await order(prediction, query)), ended)).at(-1) as ExplanationAnswer

const replay = (file: string): Promise<{ readonly status: number; readonly isEqual: boolean; readonly differences: readonly { readonly path: string }[] }> =>
  new Promise((done) => {
    const args = ['src/replay.ts', join(folder, file), join(folder, 'chest.dcm'), '--models', join(folder, 'models'), '--json']
    execFile(process.execPath, args, { cwd: ROOT }, (error, stdout) => done({ status: Number(error?.code ?? 0), ...JSON.parse(stdout) }))
  })

describe('an explanation of many passes', () => {
  it('is ordered, rises to its end, and gives its map in every format, in the grid of the source', async () => {
    const prediction = await predict()
    const response = await order(prediction, 'method=rise&masks=400&seed=7')
    expect(response.status).toBe(202)
    const seen = await watch(await read(response), ended)
    const shares = seen.map(({ progress }) => progress.share)
    expect(shares.toSorted((a, b) => a - b)).toEqual(shares)
    const last = seen.at(-1) as ExplanationAnswer
    expect(last).toMatchObject({ state: 'done', progress: { done: 400, total: 400, share: 1 }, method: 'rise', masks: 400, seed: 7 })
    expect(last.map).toMatchObject({ name: 'rise', shape: [4, 4], numbers: { masks: 400, seed: 7, kept: 0.5 }, explainedClass: { name: prediction.predictedClass } })
    const links = last.map?.href ?? { png: '', svg: '', npy: '', json: '' }
    const png = await get(links.png)
    // Width and height as PNG's first chunk has them (ISO/IEC 15948, 11.2.2).
    expect([png.readUInt32BE(20), png.readUInt32BE(16)]).toEqual([120, 96])
    expect((await get(links.png)).equals(png)).toBe(true)
    expect((await get(`${links.png}?style=panel`)).length).toBeGreaterThan(png.length)
    expect((await get(links.svg ?? '')).toString('utf8')).toContain('<svg')
    const npy = await get(links.npy)
    const grid = JSON.parse((await get(links.json)).toString('utf8'))
    expect(schemaErrors('MapGrid', grid)).toBe('')
    // NumPy's header is 128 bytes here; then the values as they are.
    expect(Array.from({ length: 16 }, (_, i) => npy.readFloatLE(128 + 4 * i))).toEqual(grid.grid.flat())
  })

  it('of occlusion starts from the probability that the prediction has, for whichever class is asked', async () => {
    const prediction = await predict()
    for (const { name, probability } of prediction.classes) {
      const { map } = await explain(prediction, `method=occlusion&class=${name}`)
      expect(map).toMatchObject({ name: 'occlusion-mean', kind: 'diverging', role: 'causal', numbers: { forwardPasses: 17 } })
      expect(map?.numbers?.['probability']).toBeCloseTo(probability, 6)
    }
    // Of two classes one gains what the other loses.
    const [of, against] = await Promise.all(prediction.classes.map(async ({ name }) => (await explain(prediction, `method=occlusion&class=${name}`)).map?.statistics?.sum))
    expect(of).toBeCloseTo(0 - (against ?? Number.NaN), 5)
  })

  it('is the same for the same seed, another for another one, also where the network draws masks of its own', async () => {
    const [first, again] = [await predict(TINY_SBM, '?seed=5'), await predict(TINY_SBM, '?seed=5')]
    const hashOf = async (prediction: PredictionAnswer, query: string): Promise<string | undefined> => (await explain(prediction, query)).map?.gridSha256
    const hash = await hashOf(first, 'method=rise&masks=64&seed=1')
    expect(hash).toMatch(/^[0-9a-f]{64}$/)
    expect(await hashOf(again, 'method=rise&masks=64&seed=1')).toBe(hash)
    expect(await hashOf(again, 'method=rise&masks=64&seed=2')).not.toBe(hash)
    expect(await hashOf(await predict(TINY_SBM, '?seed=6'), 'method=rise&masks=64&seed=1')).not.toBe(hash)
  })

  it('is repeated bit for bit by replay, which tells a map that was changed', async () => {
    for (const [prediction, query] of [[await predict(TINY_SBM, '?seed=5'), 'method=rise&masks=64'] as const, [await predict(), 'method=occlusion&baseline=blur'] as const]) {
      const done = await explain(prediction, query)
      writeFileSync(join(folder, 'explanation.json'), JSON.stringify(done))
      expect(await replay('explanation.json')).toMatchObject({ status: 0, isEqual: true, differences: [] })
      writeFileSync(join(folder, 'changed.json'), JSON.stringify({ ...done, map: { ...done.map, gridSha256: 'f'.repeat(64) } }))
      const { status, differences } = await replay('changed.json')
      expect([status, differences.map(({ path }) => path)]).toEqual([1, ['map.gridSha256']])
    }
    // Four starts of the program, each with its network.
  }, 240_000)

  it('is cancelled amid its work, while predictions go on being answered', async () => {
    const prediction = await predict()
    const job = await read(await order(prediction, 'method=rise&masks=10000'))
    await watch(job, ({ progress }) => progress.done > 0)
    // One is at work and none may wait.
    expect((await order(prediction, 'method=occlusion&baseline=blur')).status).toBe(429)
    expect((await predict()).classes).toEqual(prediction.classes)
    const cancelled = await read(await fetch(server.url + job.href.self, { method: 'DELETE' }))
    expect(cancelled.state).toBe('cancelled')
    expect(cancelled.progress.done).toBeLessThan(10_000)
    expect((await fetch(`${server.url}${job.href.self}/map.png`)).status).toBe(404)
    expect((await explain(prediction, 'method=occlusion&baseline=blur')).state).toBe('done')
    expect((await look(job)).progress).toEqual(cancelled.progress)
  })

  it('outlives an engine that is killed amid its work, and gives the same map', async () => {
    const prediction = await predict()
    const undisturbed = await explain(prediction, 'method=rise&masks=1000&seed=1')
    const job = await read(await order(await predict(), 'method=rise&masks=1000&seed=1'))
    await watch(job, ({ progress }) => progress.done > 0)
    for (const pid of server.enginePids()) process.kill(pid, 'SIGKILL')
    const last = (await watch(job, ended)).at(-1) as ExplanationAnswer
    expect(last.state).toBe('done')
    expect(last.map?.gridSha256).toBe(undisturbed.map?.gridSha256)
  }, 240_000)
})
