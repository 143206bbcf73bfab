import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { CODEC_TRIES, type JobEvent, type PullOrder } from '../../src/domain/job.ts'
import { Problem } from '../../src/domain/problem.ts'
import { type Database, openPglite, openPostgres } from '../../src/jobs/database.ts'
import type { JobQueue } from '../../src/jobs/open-job-queue.ts'
import { hasPostgres, startPostgres, type TestPostgres } from '../support/postgres.ts'
import { FakeWork, openTestQueue, order, untilState } from './support/fake-work.ts'

const unreachable = (): Problem => new Problem('pacs-unreachable', 'the archive does not answer', {})
const slowFrame = (): Problem => new Problem('codec-timeout', 'too long', { transferSyntaxUid: '1.2', limitMs: 2000 })
const refused = (): Problem => new Problem('pacs-refused', 'the archive will not have it', {})
const pull: PullOrder = { kind: 'pull', archive: 'pacs', studyInstanceUid: '1.2', seriesInstanceUid: null, sopInstanceUid: null, modelId: null, destinations: null }

let postgres: TestPostgres | null = null

const databases: readonly { name: string; isThere: boolean; open: (folder: string) => Promise<Database> }[] = [
  { name: 'on PGlite', isThere: true, open: (folder) => openPglite(join(folder, 'queue')) },
  {
    name: `on PostgreSQL${hasPostgres ? '' : " (needs Debian's postgresql)"}`,
    isThere: hasPostgres,
    open: async () => {
      postgres = await startPostgres()
      return openPostgres(await postgres.createDatabase('jobs'), 8)
    },
  },
]

for (const { name, isThere, open } of databases) {
  describe.skipIf(!isThere)(`the job queue ${name}`, () => {
    let folder: string
    let database: Database
    let work: FakeWork
    let queue: JobQueue

    const files = (): string[] => readdirSync(join(folder, 'files')).sort()
    const reopen = async (settings: Parameters<typeof openTestQueue>[3] = {}): Promise<void> => {
      await queue.close(0)
      queue = await openTestQueue(database, join(folder, 'files'), work, settings)
    }

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'attending-jobs-'))
      database = await open(folder)
    })

    afterAll(async () => {
      await database?.close()
      await postgres?.stop()
      postgres = null
      rmSync(folder, { recursive: true, force: true })
    })

    beforeEach(async () => {
      work = new FakeWork()
      queue = await openTestQueue(database, join(folder, 'files'), work)
    })

    afterEach(async () => {
      await queue.close(0)
      await database.executeSql('DELETE FROM attending.job')
      await database.executeSql('DELETE FROM attending_queue.job')
      rmSync(join(folder, 'files'), { recursive: true, force: true })
    })

    it('takes an instance from acceptance to every destination and then keeps none of its bytes', async () => {
      work.destinations = ['archive', 'second']
      const { job, isNew } = await queue.submitInstance(order(), Buffer.from('1.1'))
      expect({ isNew, state: job.state, step: job.progress.step }).toEqual({ isNew: true, state: 'queued', step: 'wait' })
      queue.start()
      const done = await untilState(queue, job.id, 'done')
      expect(done).toMatchObject({ modelId: 'model-a', problem: null, resultKinds: ['sr', 'sc'], progress: { step: 'end', done: 2, total: 2 } })
      expect(done.deliveries).toEqual([
        { destination: 'archive', state: 'done', attempts: 1, problem: null },
        { destination: 'second', state: 'done', attempts: 1, problem: null },
      ])
      expect([work.arrived('archive'), work.arrived('second')]).toEqual([
        ['1.1.sc', '1.1.sr'],
        ['1.1.sc', '1.1.sr'],
      ])
      await expect.poll(files, { timeout: 10_000 }).toEqual([])
    })

    it('keeps the bytes of an accepted instance in a file that this user alone can read', async () => {
      const { job } = await queue.submitInstance(order(), Buffer.from('1.1'))
      expect(files()).toEqual([job.id])
      expect(statSync(join(folder, 'files', job.id)).mode & 0o777).toBe(0o600)
    })

    it('gives the first job for the second use of an idempotency key, and refuses the key for other bytes', async () => {
      const first = await queue.submitInstance(order(), Buffer.from('1.1'), { idempotencyKey: 'k' })
      const second = await queue.submitInstance(order(), Buffer.from('1.1'), { idempotencyKey: 'k' })
      expect([second.job.id, second.isNew]).toEqual([first.job.id, false])
      await expect(queue.submitInstance(order(), Buffer.from('1.2'), { idempotencyKey: 'k' })).rejects.toMatchObject({
        code: 'parameter-invalid',
        facts: { parameter: 'Idempotency-Key' },
      })
      expect(files()).toEqual([first.job.id])
    })

    it('makes one job of ten submissions with one key at the same moment', async () => {
      const submissions = await Promise.all(Array.from({ length: 10 }, () => queue.submitInstance(order(), Buffer.from('1.1'), { idempotencyKey: 'k' })))
      expect(new Set(submissions.map(({ job }) => job.id)).size).toBe(1)
      expect(submissions.filter(({ isNew }) => isNew)).toHaveLength(1)
      expect(files()).toHaveLength(1)
    })

    it('records an instance that no rule takes as skipped, with the reason', async () => {
      queue.start()
      const { job } = await queue.submitInstance(order(), Buffer.from('skip'))
      expect(await untilState(queue, job.id, 'skipped')).toMatchObject({ reason: 'no rule takes it', problem: null, deliveries: [] })
      await expect.poll(files, { timeout: 10_000 }).toEqual([])
    })

    it('records an image outside the scope of the model as skipped', async () => {
      work.performProblems = [new Problem('image-out-of-scope', 'the model reads CR', { modality: 'CT' })]
      queue.start()
      const { job } = await queue.submitInstance(order(), Buffer.from('1.1'))
      expect(await untilState(queue, job.id, 'skipped')).toMatchObject({ reason: 'the model reads CR' })
    })

    it('tries a busy engine again and forgets the problem once it is done', async () => {
      work.performProblems = [new Problem('overloaded', 'busy', { retryAfterSeconds: 1 }), new Problem('engine-lost', 'lost', {})]
      queue.start()
      const { job } = await queue.submitInstance(order(), Buffer.from('1.1'))
      expect(await untilState(queue, job.id, 'done')).toMatchObject({ problem: null })
      expect(work.performed).toEqual(['1.1', '1.1', '1.1'])
    })

    it('fails at once what no attempt can mend, and keeps the bytes for a replay', async () => {
      work.performProblems = [new Problem('image-undecodable', 'damaged', {})]
      queue.start()
      const { job } = await queue.submitInstance(order(), Buffer.from('1.1'))
      expect(await untilState(queue, job.id, 'failed')).toMatchObject({ problem: { code: 'image-undecodable' } })
      expect(work.performed).toHaveLength(1)
      await queue.replay(job.id)
      expect(await untilState(queue, job.id, 'done')).toMatchObject({ problem: null })
    })

    it('tries a frame that took too long again, also behind a busy engine, and forgets the problem once it is decoded', async () => {
      await reopen({ predictRetry: { limit: 15, delaySeconds: 0, maxDelaySeconds: 1 } })
      const busy = Array.from({ length: CODEC_TRIES + 1 }, () => new Problem('overloaded', 'busy', { retryAfterSeconds: 1 }))
      work.performProblems = [...busy, ...Array.from({ length: CODEC_TRIES - 1 }, slowFrame)]
      queue.start()
      const { job } = await queue.submitInstance(order(), Buffer.from('1.1'))
      expect(await untilState(queue, job.id, 'done', 'failed')).toMatchObject({ state: 'done', problem: null })
      expect(work.performed).toHaveLength(2 * CODEC_TRIES + 1)
    })

    it('fails a frame that takes too long each time, after as many attempts, and as many more after a replay', async () => {
      await reopen({ predictRetry: { limit: 15, delaySeconds: 0, maxDelaySeconds: 1 } })
      work.performProblems = Array.from({ length: 2 * CODEC_TRIES }, slowFrame)
      queue.start()
      const { job } = await queue.submitInstance(order(), Buffer.from('1.1'))
      expect(await untilState(queue, job.id, 'failed', 'dead')).toMatchObject({ state: 'failed', problem: { code: 'codec-timeout', facts: { limitMs: 2000 } } })
      expect(work.performed).toHaveLength(CODEC_TRIES)
      await queue.replay(job.id)
      expect(await untilState(queue, job.id, 'failed', 'dead')).toMatchObject({ state: 'failed' })
      expect(work.performed).toHaveLength(2 * CODEC_TRIES)
    })

    it('does not try again what a decoder refuses', async () => {
      work.performProblems = [new Problem('codec-failed', 'damaged', { transferSyntaxUid: '1.2' })]
      queue.start()
      const { job } = await queue.submitInstance(order(), Buffer.from('1.1'))
      expect(await untilState(queue, job.id, 'failed', 'dead', 'done')).toMatchObject({ state: 'failed', problem: { code: 'codec-failed' } })
      expect(work.performed).toHaveLength(1)
    })

    it('declares a job dead once its attempts are used up', async () => {
      work.performProblems = Array.from({ length: 3 }, () => new Problem('engine-lost', 'lost', {}))
      queue.start()
      const { job } = await queue.submitInstance(order(), Buffer.from('1.1'))
      expect(await untilState(queue, job.id, 'dead')).toMatchObject({ problem: { code: 'engine-lost' } })
      expect(work.performed).toHaveLength(3)
    })

    it('delivers to the destination that answers while another is away, and replays the dead one alone', async () => {
      work.destinations = ['archive', 'second']
      work.deliveryProblems.set('second', [unreachable(), unreachable(), unreachable()])
      queue.start()
      const { job } = await queue.submitInstance(order(), Buffer.from('1.1'))
      const dead = await untilState(queue, job.id, 'dead')
      expect(dead.deliveries).toMatchObject([
        { destination: 'archive', state: 'done', attempts: 1 },
        { destination: 'second', state: 'dead', attempts: 3, problem: { code: 'pacs-unreachable' } },
      ])
      await queue.replay(job.id)
      const done = await untilState(queue, job.id, 'done')
      expect(done).toMatchObject({ problem: null, progress: { done: 2, total: 2 } })
      expect(work.archives.get('archive')).toEqual(
        new Map([
          ['1.1.sr', 1],
          ['1.1.sc', 1],
        ]),
      )
      expect(work.performed).toHaveLength(1)
    })

    it('says of every delivery but the first that an earlier one may have stored something, of one after a replay too', async () => {
      work.deliveryProblems.set('archive', [unreachable(), unreachable(), refused()])
      queue.start()
      const { job } = await queue.submitInstance(order(), Buffer.from('1.1'))
      await untilState(queue, job.id, 'dead')
      await queue.replay(job.id)
      await untilState(queue, job.id, 'done')
      expect(work.deliveries.map(([, isRepeated]) => isRepeated)).toEqual([false, true, true, true])
    })

    it('delivers the objects of many frames in several parts, each object once', async () => {
      work.frames = 40
      queue.start()
      const { job } = await queue.submitInstance(order(), Buffer.from('1.1'))
      await untilState(queue, job.id, 'done')
      expect(work.deliveries).toEqual([
        [32, false],
        [32, false],
        [16, false],
      ])
      expect([...(work.archives.get('archive')?.values() ?? [])]).toEqual(Array.from({ length: 80 }, () => 1))
    })

    it('gives a refused delivery up at once', async () => {
      work.deliveryProblems.set('archive', [refused()])
      queue.start()
      const { job } = await queue.submitInstance(order(), Buffer.from('1.1'))
      expect(await untilState(queue, job.id, 'dead')).toMatchObject({ problem: { code: 'pacs-refused' }, deliveries: [{ state: 'dead', attempts: 1 }] })
    })

    it('works on the higher priority first', async () => {
      for (const [text, priority] of [
        ['low', -5],
        ['middle', 0],
        ['high', 7],
      ] as const) {
        await queue.submitInstance(order(), Buffer.from(text), { priority })
      }
      await reopen({ predictConcurrency: 1 })
      queue.start()
      await expect.poll(() => work.performed, { timeout: 10_000 }).toEqual(['high', 'middle', 'low'])
    })

    it('cancels a waiting job, which is then never performed', async () => {
      const { job } = await queue.submitInstance(order(), Buffer.from('1.1'))
      expect(await queue.cancel(job.id)).toMatchObject({ state: 'cancelled' })
      expect(files()).toEqual([])
      queue.start()
      const { job: next } = await queue.submitInstance(order(), Buffer.from('1.2'))
      await untilState(queue, next.id, 'done')
      expect(work.performed).toEqual(['1.2'])
      await expect(queue.cancel(job.id)).rejects.toMatchObject({ code: 'job-finished' })
    })

    it('cancels a running job, whose result then goes nowhere', async () => {
      work.gate = new Promise(() => {})
      queue.start()
      const { job } = await queue.submitInstance(order(), Buffer.from('1.1'))
      await expect.poll(() => work.performed).toHaveLength(1)
      await queue.cancel(job.id)
      work.gate = Promise.resolve()
      const { job: next } = await queue.submitInstance(order(), Buffer.from('1.2'))
      await untilState(queue, next.id, 'done')
      expect(work.arrived('archive')).toEqual(['1.2.sc', '1.2.sr'])
      expect(await queue.find(job.id)).toMatchObject({ state: 'cancelled' })
    })

    it('tells the story of a job in its events, in order, and ends with the job', async () => {
      work.deliveryProblems.set('archive', [unreachable()])
      const { job } = await queue.submitInstance(order(), Buffer.from('1.1'))
      queue.start()
      const events: JobEvent[] = []
      for await (const event of queue.follow(job.id, 0, new AbortController().signal)) events.push(event)
      expect(events.map(({ state, problem, destination }) => [state, problem?.code ?? null, destination])).toEqual([
        ['queued', null, null],
        ['running', null, null],
        ['delivering', null, null],
        ['delivering', 'pacs-unreachable', 'archive'],
        ['done', null, 'archive'],
      ])
      const rest: JobEvent[] = []
      for await (const event of queue.follow(job.id, events[2]!.sequence, new AbortController().signal)) rest.push(event)
      expect(rest).toEqual(events.slice(3))
    })

    it('tells the end of a job that ends just after its events were read', async () => {
      const { job } = await queue.submitInstance(order(), Buffer.from('1.1'))
      let isStarted = false
      const slow: Database = Object.assign(Object.create(database), {
        executeSql: async (...query: Parameters<Database['executeSql']>) => {
          const answer = await database.executeSql(...query)
          if (isStarted || !query[0].includes('FROM attending.event') || answer.rows.length > 0) return answer
          isStarted = true
          queue.start()
          await untilState(queue, job.id, 'done')
          return answer
        },
      })
      await queue.close(0)
      queue = await openTestQueue(slow, join(folder, 'files'), work)
      const states: string[] = []
      for await (const { state } of queue.follow(job.id, 0, new AbortController().signal)) states.push(state)
      expect(isStarted).toBe(true)
      expect(states).toEqual(['queued', 'running', 'delivering', 'done'])
    })

    it('makes a job of each instance of a pull, once, and ends the pull with the last of them', async () => {
      work.instances = ['1.1', '1.2', 'skip', '1.1']
      queue.start()
      const { job } = await queue.submitPull(pull)
      expect(await untilState(queue, job.id, 'done')).toMatchObject({ kind: 'pull', progress: { done: 3, total: 3 } })
      expect(work.arrived('archive')).toEqual(['1.1.sc', '1.1.sr', '1.2.sc', '1.2.sr'])
      const children = (await queue.list({ limit: 10 })).filter(({ parentId }) => parentId === job.id)
      expect(children.map(({ state }) => state).sort()).toEqual(['done', 'done', 'skipped'])
    })

    it('ends a pull as dead where one of its orders is, and replays it with them', async () => {
      work.instances = ['1.1', '1.2']
      work.deliveryProblems.set('archive', [refused()])
      queue.start()
      const { job } = await queue.submitPull(pull)
      await untilState(queue, job.id, 'dead')
      await queue.replay(job.id)
      await untilState(queue, job.id, 'done')
      expect(work.arrived('archive')).toHaveLength(4)
      expect(work.performed).toHaveLength(2)
    })

    it('ends a pull that finds nothing as done', async () => {
      queue.start()
      const { job } = await queue.submitPull(pull)
      expect(await untilState(queue, job.id, 'done')).toMatchObject({ progress: { done: 0, total: 0 } })
    })

    it('goes on where a closed queue stopped', async () => {
      work.gate = new Promise(() => {})
      queue.start()
      const { job } = await queue.submitInstance(order(), Buffer.from('1.1'))
      await expect.poll(() => work.performed).toHaveLength(1)
      await queue.close(0)
      work.gate = Promise.resolve()
      queue = await openTestQueue(database, join(folder, 'files'), work)
      queue.start()
      await untilState(queue, job.id, 'done')
    })

    it('counts its jobs by state and tells how long the oldest has waited', async () => {
      const start = new Date('2026-01-01T00:00:00Z')
      await reopen({ now: () => start })
      await queue.submitInstance(order(), Buffer.from('1.1'))
      await reopen({ now: () => new Date(start.getTime() + 90_000) })
      expect(await queue.counts()).toEqual({ states: { queued: 1, running: 0, delivering: 0, done: 0, skipped: 0, failed: 0, dead: 0, cancelled: 0 }, oldestQueuedSeconds: 90 })
    })

    it('forgets finished jobs after the retention time and no others', async () => {
      work.performProblems = [new Problem('image-undecodable', 'damaged', {})]
      queue.start()
      const { job } = await queue.submitInstance(order(), Buffer.from('1.1'))
      await untilState(queue, job.id, 'failed')
      await reopen({ now: () => new Date(Date.now() + 3_700_000) })
      const { job: waiting } = await queue.submitInstance(order(), Buffer.from('1.2'))
      expect(files().sort()).toEqual([job.id, waiting.id].sort())
      expect(await queue.sweep()).toBe(1)
      await expect(queue.find(job.id)).rejects.toMatchObject({ code: 'job-unknown' })
      expect(files()).toEqual([waiting.id])
    })

    it('refuses a destination that there is not, and a priority out of range', async () => {
      await expect(queue.submitInstance(order({ destinations: ['elsewhere'] }), Buffer.from('1'))).rejects.toMatchObject({
        code: 'parameter-invalid',
        facts: { parameter: 'destination' },
      })
      await expect(queue.submitInstance(order(), Buffer.from('1'), { priority: 101 })).rejects.toMatchObject({ code: 'parameter-invalid', facts: { parameter: 'priority' } })
    })
  })
}
