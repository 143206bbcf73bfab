import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { PredictRequest, RenderRequest } from '../../src/domain/prediction.ts'
import type { Problem } from '../../src/domain/problem.ts'
import { createEnginePool, type EnginePool, type EnginePoolSettings } from '../../src/engine/engine-pool.ts'
import type { InstanceRequest } from '../../src/routing/instance.ts'
import { sampleMap, samplePrediction } from '../http/support/sample-prediction.ts'

let folder: string
let pools: EnginePool[]
let logLines: string[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'attending-engine-'))
  pools = []
  logLines = []
})
afterEach(async () => {
  await Promise.all(pools.map((pool) => pool.drain(0)))
  rmSync(folder, { recursive: true })
})

const openPool = (changes: Partial<EnginePoolSettings> = {}): EnginePool => {
  const write = (fields: object, message: string): void => void logLines.push(JSON.stringify({ ...fields, message }))
  const pool = createEnginePool({
    childFile: join(import.meta.dirname, 'support', 'scripted-child.ts'),
    environment: {},
    start: { modelsFolder: folder, trustedKeys: [], software: 'attending 0.0.0' },
    engines: 1,
    queueLimit: 4,
    deadlineMs: 30_000,
    log: { info: write, warn: write, error: write },
    ...changes,
  })
  pools.push(pool)
  return pool
}

const jobFor = (modelId: string, bytes = new Uint8Array(3)): PredictRequest => ({
  kind: 'predict',
  modelId,
  bytes,
  options: { frame: 1, maps: null, explainedClass: null, seed: 0, samples: 0 },
})
const environment = { createdAt: '2026-01-01T00:00:00.000Z', utcOffsetMinutes: 0, deviceSerialNumber: 'test' }
/** One byte a frame, which says how long it takes the scripted engine. */
const instanceOf = (...frames: readonly number[]): InstanceRequest => ({
  bytes: Uint8Array.from(frames),
  arrival: { door: 'stow', peer: null },
  rules: { version: 1, rules: [] },
  modelId: null,
  destinations: null,
  requestId: 'a',
  environment,
})
const release = (name: string): void => writeFileSync(join(folder, name), '')
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'answered',
    (error: Problem) => error.code,
  )
const killIfAlive = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Another request's kill came first.
  }
}
/** Until the pool's figures are as described: each look waits one turn of the loop. */
const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise((done) => setTimeout(done, 5))
}

describe('the engine pool', () => {
  it('answers predictions and drawn maps from a fork, bytes intact, and says how long they waited', async () => {
    const pool = openPool()
    expect(await pool.ready()).toEqual(['scripted'])
    const { prediction, origin } = await pool.predict(jobFor('echo', new Uint8Array(300_000)))
    expect(origin).toEqual(Uint8Array.of(1, 2, 3))
    expect(prediction.provenance.inputSha256).toBe('300000')
    expect(Number(prediction.provenance.runtime)).not.toBe(process.pid)
    expect(prediction.explanation).toEqual(samplePrediction.explanation)
    expect(prediction.timingMs.queue).toBeGreaterThanOrEqual(0)
    const { display, explanation } = samplePrediction
    const render = { kind: 'render', display, map: explanation.maps[0], maps: [], options: {} } as unknown as RenderRequest
    expect((await pool.render(render)).bytes).toEqual(display.pixels)
    const results = { kind: 'results', resultKind: 'sr', prediction, origin: origin ?? new Uint8Array(0), requestId: 'a', environment } as const
    expect((await pool.makeResults(results)).objects.map(({ kind, bytes }) => ({ kind, bytes }))).toEqual([{ kind: 'sr', bytes: origin }])
    const order = { modelId: 'scripted', method: { kind: 'rise', masks: 9, seed: 0 }, pixels: samplePrediction.networkInput!, classIndex: 0, networkSeed: 0 } as const
    const slice = await pool.perturb({ kind: 'perturb', order, start: 3, count: 3 })
    expect(slice).toEqual(Float64Array.of(3, 4, 5))
    expect(await pool.buildPerturbationMap({ kind: 'perturbation-map', order, probabilities: slice })).toEqual({ ...sampleMap, numbers: { sum: 12 } })
    expect(await pool.processInstance(instanceOf(0, 0, 0, 0, 0, 0, 0))).toEqual({ kind: 'skipped', reason: '7 bytes' })
  })

  it('takes requests in the order in which they came', async () => {
    const pool = openPool()
    const answers = ['wait-for:gate', 'a:1', 'a:2', 'a:3'].map((id) => pool.predict(jobFor(id)))
    release('gate')
    await Promise.all(answers)
    expect(readFileSync(join(folder, 'order'), 'utf8').trim().split('\n')).toEqual(['wait-for:gate', 'a:1', 'a:2', 'a:3'])
  })

  it('works on as many requests at once as it has engines', async () => {
    const pool = openPool({ engines: 2 })
    await pool.ready()
    const both = ['wait-for:gate', 'wait-for:gate'].map((id) => pool.predict(jobFor(id)))
    expect(pool.stats()).toEqual({ engines: 2, ready: 2, busy: 2, queued: 0, queueLimit: 4, restarts: 0 })
    release('gate')
    const pids = (await Promise.all(both)).map(({ prediction }) => prediction.provenance.runtime)
    expect(new Set(pids).size).toBe(2)
  })

  it('refuses at once what its queue has no room for, and says when to try again', async () => {
    const pool = openPool({ queueLimit: 2 })
    await pool.ready()
    const taken = ['wait-for:gate', 'a', 'a'].map((id) => pool.predict(jobFor(id)))
    const refused = await pool.predict(jobFor('a')).catch((error: Problem<'overloaded'>) => error)
    expect(refused).toMatchObject({ code: 'overloaded', facts: { retryAfterSeconds: 3 } })
    expect(() => pool.refuseIfFull()).toThrow('2 requests wait already')
    release('gate')
    expect(await Promise.all(taken)).toHaveLength(3)
    expect(() => pool.refuseIfFull()).not.toThrow()
  })

  it('kills an engine at the deadline of its request and goes on with a new one', async () => {
    const pool = openPool({ deadlineMs: 2000 })
    await pool.ready()
    expect(await codeOf(pool.predict(jobFor('hang')))).toBe('deadline-exceeded')
    await until(() => pool.stats().restarts === 1 && pool.stats().ready === 1)
    expect(pool.stats()).toMatchObject({ ready: 1, busy: 0, restarts: 1 })
    expect(await codeOf(pool.predict(jobFor('echo')))).toBe('answered')
  })

  it('drops a waiting request at its deadline without touching the engine', async () => {
    const pool = openPool({ deadlineMs: 2000 })
    await pool.ready()
    const waiting = pool.predict(jobFor('a:2'))
    const outcomes = [codeOf(pool.predict(jobFor('hang'))), codeOf(pool.predict(jobFor('a:3')))]
    expect(await Promise.all([codeOf(waiting), ...outcomes])).toEqual(['answered', 'deadline-exceeded', 'deadline-exceeded'])
    expect(readFileSync(join(folder, 'order'), 'utf8').trim().split('\n')).toEqual(['a:2', 'hang'])
    await until(() => pool.stats().restarts === 1 && pool.stats().ready === 1)
    expect(pool.stats().restarts).toBe(1)
  })

  it('gives each frame of an instance the whole of the deadline', async () => {
    const pool = openPool({ deadlineMs: 2000 })
    await pool.ready()
    expect(await pool.processInstance(instanceOf(9, 9, 9, 9))).toEqual({ kind: 'skipped', reason: '4 bytes' })
    expect(pool.stats().restarts).toBe(0)
  })

  it('kills an engine at the deadline of a frame that hangs, however many were done before', async () => {
    const pool = openPool({ deadlineMs: 2000 })
    await pool.ready()
    expect(await codeOf(pool.processInstance(instanceOf(0, 0, 255, 0)))).toBe('deadline-exceeded')
    await until(() => pool.stats().restarts === 1 && pool.stats().ready === 1)
    expect(await codeOf(pool.predict(jobFor('echo')))).toBe('answered')
  })

  it('runs a request once more when its engine died, and answers it', async () => {
    const pool = openPool()
    const { prediction } = await pool.predict(jobFor('crash-once:mark'))
    expect(prediction.model).toEqual(samplePrediction.model)
    expect(pool.stats().restarts).toBe(1)
  })

  it('gives a request up after its second dead engine, and loses no other', async () => {
    const pool = openPool()
    await pool.ready()
    const outcomes = ['crash', 'a:1', 'a:2'].map((id) => codeOf(pool.predict(jobFor(id))))
    expect(await Promise.all(outcomes)).toEqual(['engine-lost', 'answered', 'answered'])
    expect(readFileSync(join(folder, 'order'), 'utf8').trim().split('\n')).toEqual(['crash', 'crash', 'a:1', 'a:2'])
  })

  it('answers every request while engines are killed at any moment', async () => {
    const pool = openPool({ engines: 2, queueLimit: 100 })
    await pool.ready()
    const outcomes = Array.from({ length: 40 }, async (_, i) => {
      const answer = await pool.predict(jobFor(`a:${i}`)).catch((error: Problem) => error)
      if (!('prediction' in answer)) return answer.code
      // The one that answered is already at its next request.
      if (i % 8 === 0) killIfAlive(Number(answer.prediction.provenance.runtime))
      return 'answered'
    })
    const found = await Promise.all(outcomes)
    // Only a request that two dead engines had in hand may be given up.
    expect(found.filter((outcome) => !['answered', 'engine-lost'].includes(outcome))).toEqual([])
    expect(found.filter((outcome) => outcome === 'answered').length).toBeGreaterThanOrEqual(36)
    await until(() => pool.stats().ready === 2)
    expect(pool.stats()).toMatchObject({ busy: 0, queued: 0 })
    expect(pool.stats().restarts).toBeGreaterThanOrEqual(1)
  })

  it('hands on a problem whole, and of a bug nothing but where it is', async () => {
    const pool = openPool()
    expect(await pool.predict(jobFor('problem')).catch((error: Problem) => [error.code, error.message])).toEqual(['dicom-truncated', 'the file ends inside an element'])
    expect(await pool.predict(jobFor('bug')).catch((error: Problem) => [error.code, error.message])).toEqual(['internal', 'an unexpected failure'])
    const log = logLines.join('\n')
    expect(log).toContain('scripted-child.ts')
    expect(log).toContain('TypeError')
    expect(log).not.toContain('DOE')
  })

  it('drops a waiting request whose caller has gone', async () => {
    const pool = openPool()
    await pool.ready()
    const controller = new AbortController()
    const first = pool.predict(jobFor('wait-for:gate'))
    const second = pool.predict(jobFor('a:2'), controller.signal).catch((error: Error) => error.name)
    controller.abort()
    expect(await second).toBe('AbortError')
    expect(pool.stats().queued).toBe(0)
    release('gate')
    await first
    expect(readFileSync(join(folder, 'order'), 'utf8')).not.toContain('a:2')
  })

  it('lets a request whose caller has gone end unread, and keeps the engine', async () => {
    const pool = openPool()
    await pool.ready()
    const controller = new AbortController()
    const gone = pool.predict(jobFor('wait-for:gate'), controller.signal).catch((error: Error) => error.name)
    controller.abort()
    expect(await gone).toBe('AbortError')
    expect(pool.stats().busy).toBe(1)
    release('gate')
    expect(await codeOf(pool.predict(jobFor('echo')))).toBe('answered')
    expect(pool.stats().restarts).toBe(0)
    expect(await pool.predict(jobFor('echo'), controller.signal).catch((error: Error) => error.name)).toBe('AbortError')
  })

  it('drains: answers what it took, takes nothing more, and lets the engines release their work', async () => {
    const pool = openPool({ engines: 2 })
    await pool.ready()
    const taken = ['wait-for:gate', 'wait-for:gate', 'a:3'].map((id) => codeOf(pool.predict(jobFor(id))))
    const drained = pool.drain(30_000)
    expect(await codeOf(pool.predict(jobFor('late')))).toBe('model-not-ready')
    release('gate')
    await drained
    expect(await Promise.all(taken)).toEqual(['answered', 'answered', 'answered'])
    expect(readdirSync(folder).filter((name) => name.startsWith('released-'))).toHaveLength(2)
    expect(pool.stats().ready).toBe(0)
  })

  it('does not wait past the limit of a drain for an engine that hangs', async () => {
    const pool = openPool()
    await pool.ready()
    const hanging = codeOf(pool.predict(jobFor('hang')))
    const waiting = codeOf(pool.predict(jobFor('a')))
    await pool.drain(100)
    expect(await Promise.all([hanging, waiting])).toEqual(['engine-lost', 'model-not-ready'])
  })

  it('says why a bundle was refused instead of becoming ready', async () => {
    const pool = openPool({ start: { modelsFolder: folder, trustedKeys: [], software: 'refused' } })
    expect(await pool.ready().catch((error: Problem) => [error.code, error.facts])).toEqual(['bundle-refused', { reason: 'hash' }])
  })

  it('gives up a start whose engines die again and again, with their last words in the log', async () => {
    const pool = openPool({ start: { modelsFolder: folder, trustedKeys: [], software: 'dies' } })
    expect(await codeOf(pool.ready())).toBe('engine-lost')
    expect(logLines.join('\n')).toContain('cannot open shared object')
  })

  it('keeps what an engine writes once images reach it out of the log and the terminal, and gives it no environment', async () => {
    const pool = openPool({ environment: { LANG: 'C' } })
    await pool.predict(jobFor('chatter'))
    await codeOf(pool.predict(jobFor('crash')))
    expect(logLines.join('\n')).not.toContain('DOE')
    const names = (await pool.predict(jobFor('environment'))).prediction.provenance.runtime.split(',')
    expect(names.filter((name) => !name.startsWith('NODE_CHANNEL'))).toEqual(['LANG'])
  })
})
