import { describe, expect, it } from 'vitest'
import type { ExplanationOrder, ExplanationState } from '../../src/domain/explanation-job.ts'
import type { PredictionArtifacts } from '../../src/domain/kept-prediction.ts'
import type { PerturbationMapRequest, PerturbRequest } from '../../src/domain/perturbation.ts'
import { Problem } from '../../src/domain/problem.ts'
import { type ExplanationDesk, openExplanationDesk } from '../../src/jobs/explanation-desk.ts'
import { sampleMap, samplePrediction } from '../http/support/sample-prediction.ts'

/** 5 x 8 patches: 41 passes of an occlusion, in slices of 16, 16 and 9. */
const model = { id: 'a-model', patchGrid: { height: 5, width: 8 }, prefixTokens: 1 }
const orderOf = (changes: Partial<ExplanationOrder> = {}): ExplanationOrder => ({
  predictionId: 'kept',
  model,
  method: { kind: 'occlusion', baseline: 'mean' },
  explainedClass: { index: 1, name: 'pneumonia' },
  networkSeed: 3,
  ...changes,
})

/** A slice that an engine has and the test answers. */
interface Away {
  readonly request: PerturbRequest
  readonly signal: AbortSignal | undefined
  answer(): void
  fail(error: unknown): void
}

interface Bench {
  readonly desk: ExplanationDesk
  readonly away: Away[]
  readonly mapRequests: PerturbationMapRequest[]
  readonly logLines: string[]
  readonly stopping: AbortController
  /** Predictions that the store has, with what the network saw. */
  readonly kept: Map<string, Pick<PredictionArtifacts, 'networkInput'>>
  /** Once the engines have so many slices. */
  slicesAway(count: number): Promise<void>
  ended(id: string, state: ExplanationState): Promise<void>
}

const turn = (): Promise<void> => new Promise((done) => setImmediate(done))
const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await turn()
}

const openBench = (changes: { atOnce?: number; queueLimit?: number; deadlineMs?: number } = {}): Bench => {
  const away: Away[] = []
  const mapRequests: PerturbationMapRequest[] = []
  const logLines: string[] = []
  const stopping = new AbortController()
  const kept = new Map<string, Pick<PredictionArtifacts, 'networkInput'>>([['kept', { networkInput: samplePrediction.networkInput! }]])
  const findIn = async (id: string): Promise<PredictionArtifacts> => {
    const found = kept.get(id)
    if (found === undefined) throw new Problem('prediction-expired', 'over', {})
    return found as PredictionArtifacts
  }
  let ids = 0
  const write = (fields: object, message: string): void => void logLines.push(JSON.stringify({ ...fields, message }))
  const desk = openExplanationDesk({
    engines: {
      perturb: (request, signal) =>
        new Promise((resolve, reject) => {
          signal?.addEventListener('abort', () => reject(signal.reason))
          away.push({ request, signal, answer: () => resolve(new Float64Array(request.count).fill(request.start)), fail: reject })
        }),
      buildPerturbationMap: async (request) => {
        mapRequests.push(request)
        return sampleMap
      },
    },
    store: { findArtifacts: findIn, findAnswer: findIn as never },
    atOnce: 1,
    queueLimit: 2,
    deadlineMs: 60_000,
    now: () => new Date('2026-01-02T03:04:05.678Z'),
    newId: () => `id-${++ids}`,
    log: { info: write, warn: write, error: write },
    stopping: stopping.signal,
    ...changes,
  })
  return {
    desk,
    away,
    mapRequests,
    logLines,
    stopping,
    kept,
    slicesAway: (count) => until(() => away.length >= count),
    ended: (id, state) => until(() => desk.find('kept', id).state === state),
  }
}

describe('an explanation', () => {
  it('goes to the engines slice by slice, one at a time, and ends with the map of all probabilities', async () => {
    const bench = openBench()
    const { job, isNew } = bench.desk.submit(orderOf())
    expect([isNew, job.state, job.progress, job.map]).toEqual([true, 'running', { done: 0, total: 41 }, null])
    const seen: number[] = []
    for (const slice of [0, 1, 2]) {
      await bench.slicesAway(slice + 1)
      for (let turns = 0; turns < 3; turns++) await turn()
      expect(bench.away).toHaveLength(slice + 1)
      seen.push(bench.desk.find('kept', job.id).progress.done)
      bench.away[slice]!.answer()
    }
    await bench.ended(job.id, 'done')
    expect(seen).toEqual([0, 16, 32])
    expect(bench.away.map(({ request: { start, count } }) => [start, count])).toEqual([
      [0, 16],
      [16, 16],
      [32, 9],
    ])
    const { order } = bench.away[0]!.request
    expect(order).toEqual({ modelId: 'a-model', method: orderOf().method, pixels: samplePrediction.networkInput, classIndex: 1, networkSeed: 3 })
    expect([...bench.mapRequests[0]!.probabilities]).toEqual(Array.from({ length: 41 }, (_, pass) => Math.floor(pass / 16) * 16))
    expect(bench.desk.find('kept', job.id)).toMatchObject({
      state: 'done',
      progress: { done: 41, total: 41 },
      finishedAt: '2026-01-02T03:04:05.678Z',
      problem: null,
      map: sampleMap,
    })
    expect(bench.desk.counts()).toEqual({ queued: 0, running: 0, done: 1, failed: 0, cancelled: 0 })
  })

  it('waits its turn, and is refused where as many wait as may', async () => {
    const bench = openBench()
    const rise = (seed: number): ExplanationOrder => orderOf({ method: { kind: 'rise', masks: 1, seed } })
    const jobs = [1, 2, 3].map((seed) => bench.desk.submit(rise(seed)).job)
    expect(jobs.map(({ state }) => state)).toEqual(['running', 'queued', 'queued'])
    expect(() => bench.desk.submit(rise(4))).toThrow(expect.objectContaining({ code: 'overloaded', facts: { retryAfterSeconds: expect.any(Number) } }))
    for (const index of [0, 1, 2]) {
      await bench.slicesAway(index + 1)
      bench.away[index]!.answer()
    }
    await bench.ended(jobs[2]!.id, 'done')
    expect(bench.away.map(({ request }) => (request.order.method as { seed: number }).seed)).toEqual([1, 2, 3])
    expect(bench.desk.list('kept').map(({ id }) => id)).toEqual(jobs.map(({ id }) => id))
  })

  it('has as many at work at the same time as it may', async () => {
    const bench = openBench({ atOnce: 2, queueLimit: 0 })
    bench.desk.submit(orderOf())
    bench.desk.submit(orderOf({ explainedClass: { index: 0, name: 'normal' } }))
    await bench.slicesAway(2)
    expect(bench.desk.counts().running).toBe(2)
    expect(() => bench.desk.submit(orderOf({ networkSeed: 9 }))).toThrow(expect.objectContaining({ code: 'overloaded' }))
  })

  it('that was ordered before is the same job, unless it was cancelled or has failed', async () => {
    const bench = openBench()
    const first = bench.desk.submit(orderOf())
    expect(bench.desk.submit(orderOf())).toEqual({ job: first.job, isNew: false })
    bench.desk.cancel('kept', first.job.id)
    const second = bench.desk.submit(orderOf())
    expect([second.isNew, second.job.id]).toEqual([true, 'id-2'])
  })

  it('stops amid its work when it is cancelled: the slice that is away is given up and no further one is asked for', async () => {
    const bench = openBench()
    const { id } = bench.desk.submit(orderOf()).job
    await bench.slicesAway(1)
    bench.away[0]!.answer()
    await bench.slicesAway(2)
    expect(bench.desk.cancel('kept', id)).toMatchObject({ state: 'cancelled', progress: { done: 16, total: 41 }, problem: null, map: null })
    expect(bench.away[1]!.signal?.aborted).toBe(true)
    bench.away[1]!.answer()
    // The next order gets its turn, and its first slice is the third that the engines see.
    const next = bench.desk.submit(orderOf({ networkSeed: 9 })).job
    await bench.slicesAway(3)
    expect(bench.away[2]!.request.order.networkSeed).toBe(9)
    expect(bench.desk.find('kept', id)).toMatchObject({ state: 'cancelled', progress: { done: 16, total: 41 } })
    expect(bench.logLines.some((line) => line.includes('"level":"error"') || line.includes('frames'))).toBe(false)
    expect(bench.desk.cancel('kept', next.id).state).toBe('cancelled')
  })

  it('is cancelled while it waits, and not once it has ended', async () => {
    const bench = openBench()
    bench.desk.submit(orderOf())
    const { id } = bench.desk.submit(orderOf({ networkSeed: 9 })).job
    expect(bench.desk.cancel('kept', id)).toMatchObject({ state: 'cancelled', progress: { done: 0, total: 41 } })
    expect(() => bench.desk.cancel('kept', id)).toThrow(expect.objectContaining({ code: 'job-finished' }))
  })

  it('is unknown by another id, and under another prediction', () => {
    const bench = openBench()
    const { id } = bench.desk.submit(orderOf()).job
    expect(() => bench.desk.find('kept', 'nothing')).toThrow(expect.objectContaining({ code: 'job-unknown' }))
    expect(() => bench.desk.find('other', id)).toThrow(expect.objectContaining({ code: 'job-unknown' }))
    expect(() => bench.desk.cancel('other', id)).toThrow(expect.objectContaining({ code: 'job-unknown' }))
    expect(bench.desk.list('other')).toEqual([])
  })

  it('waits while the engines are full, and goes on', async () => {
    const bench = openBench()
    const { id } = bench.desk.submit(orderOf({ method: { kind: 'rise', masks: 3, seed: 0 } })).job
    for (const attempt of [0, 1, 2]) {
      await bench.slicesAway(attempt + 1)
      bench.away[attempt]!.fail(new Problem('overloaded', 'full', { retryAfterSeconds: 1 }))
    }
    await bench.slicesAway(4)
    bench.away[3]!.answer()
    await bench.ended(id, 'done')
    expect(bench.away.map(({ request }) => request.start)).toEqual([0, 0, 0, 0])
  })

  it('asks once more for a slice whose engine was lost, and then fails with the reason', async () => {
    const bench = openBench()
    const { id } = bench.desk.submit(orderOf()).job
    await bench.slicesAway(1)
    bench.away[0]!.fail(new Problem('engine-lost', 'the engine ended 2 times during this request', {}))
    await bench.slicesAway(2)
    bench.away[1]!.answer()
    await bench.slicesAway(3)
    expect(bench.away.map(({ request }) => request.start)).toEqual([0, 0, 16])
    bench.away[2]!.fail(new Problem('engine-lost', 'the engine ended 2 times during this request', {}))
    await bench.slicesAway(4)
    bench.away[3]!.fail(new Problem('engine-lost', 'the engine ended 2 times during this request', {}))
    await bench.ended(id, 'failed')
    expect(bench.desk.find('kept', id)).toMatchObject({ progress: { done: 16, total: 41 }, problem: { code: 'engine-lost' }, map: null })
  })

  it('fails at once where another try can not help, and the next one gets its turn', async () => {
    const bench = openBench()
    const { id } = bench.desk.submit(orderOf()).job
    bench.desk.submit(orderOf({ networkSeed: 9 }))
    await bench.slicesAway(1)
    bench.away[0]!.fail(new Problem('output-not-finite', 'logits', { output: 'logits' }))
    await bench.slicesAway(2)
    expect(bench.desk.find('kept', id)).toMatchObject({ state: 'failed', problem: { code: 'output-not-finite' } })
    expect(bench.away[1]!.request.order.networkSeed).toBe(9)
  })

  it('fails as internal where nobody expected it, and only the log hears where, not what', async () => {
    const bench = openBench()
    const { id } = bench.desk.submit(orderOf()).job
    await bench.slicesAway(1)
    bench.away[0]!.fail(new TypeError('cannot read DOE^JANE'))
    await bench.ended(id, 'failed')
    expect(bench.desk.find('kept', id).problem).toEqual({ code: 'internal', detail: 'an unexpected failure', facts: {} })
    expect(bench.logLines.join()).toContain('TypeError')
    expect(bench.logLines.join()).not.toContain('DOE')
  })

  it('fails at its deadline', async () => {
    const bench = openBench({ deadlineMs: 20 })
    const { id } = bench.desk.submit(orderOf()).job
    await bench.ended(id, 'failed')
    expect(bench.desk.find('kept', id).problem).toEqual({ code: 'deadline-exceeded', detail: 'not done within 20 ms', facts: { limitMs: 20 } })
    expect(bench.away[0]!.signal?.aborted).toBe(true)
  })

  it('fails where its prediction is gone when its turn comes, or was kept without what the network saw', async () => {
    const bench = openBench()
    const gone = bench.desk.submit(orderOf({ predictionId: 'gone' })).job
    await until(() => bench.desk.find('gone', gone.id).state === 'failed')
    expect(bench.desk.find('gone', gone.id).problem?.code).toBe('prediction-expired')
    bench.kept.set('older', {})
    const older = bench.desk.submit(orderOf({ predictionId: 'older' })).job
    await until(() => bench.desk.find('older', older.id).state === 'failed')
    expect(bench.desk.find('older', older.id).problem).toMatchObject({ code: 'prediction-expired', detail: expect.stringContaining('send the image again') })
    expect(bench.away).toEqual([])
  })

  it('ends with its prediction: the sweep forgets it, and gives up its work', async () => {
    const bench = openBench()
    const { id } = bench.desk.submit(orderOf()).job
    await bench.slicesAway(1)
    expect(await bench.desk.sweep()).toBe(0)
    bench.kept.clear()
    expect(await bench.desk.sweep()).toBe(1)
    expect(bench.away[0]!.signal?.aborted).toBe(true)
    expect(() => bench.desk.find('kept', id)).toThrow(expect.objectContaining({ code: 'job-unknown' }))
  })

  it('fails when the server stops, and none is taken any more', async () => {
    const bench = openBench()
    const [running, waiting] = [bench.desk.submit(orderOf()).job, bench.desk.submit(orderOf({ networkSeed: 9 })).job]
    await bench.slicesAway(1)
    bench.stopping.abort()
    for (const { id } of [running, waiting]) expect(bench.desk.find('kept', id)).toMatchObject({ state: 'failed', problem: { code: 'model-not-ready' } })
    expect(bench.away[0]!.signal?.aborted).toBe(true)
    expect(() => bench.desk.submit(orderOf({ networkSeed: 10 }))).toThrow(expect.objectContaining({ code: 'model-not-ready' }))
  })

  it('is forgotten after 256 others have ended', async () => {
    const bench = openBench({ queueLimit: 1000 })
    const jobs = Array.from({ length: 258 }, (_, seed) => bench.desk.submit(orderOf({ networkSeed: seed })).job)
    for (const { id } of jobs) bench.desk.cancel('kept', id)
    expect(bench.desk.list('kept').map(({ id }) => id)).toEqual(jobs.slice(2).map(({ id }) => id))
  })
})
