import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasPostgres, startPostgres, type TestPostgres } from '../support/postgres.ts'

/** `KILLS=30 ORDERS=200` is the long run that docs/reliability.md reports. */
const KILLS = Number(process.env['KILLS'] ?? 3)
const ORDERS = Number(process.env['ORDERS'] ?? 30)
const TIME_LIMIT_MS = 60_000 + KILLS * 20_000

class QueueProcess {
  readonly accepted = new Set<number>()
  readonly #child: ChildProcess
  #last: string[] = []

  constructor(folder: string, url: string, first: number, count: number) {
    this.#child = fork(join(import.meta.dirname, 'support/queue-process.ts'), [folder, url, String(first), String(count)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: ['--disable-warning=ExperimentalWarning'],
    })
    this.#child.on('message', (message: string) => {
      this.#last = message.split(' ')
      if (this.#last[0] === 'accepted') this.accepted.add(Number(this.#last[1]))
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Until at least this many were accepted by this process, or `ready` for 0. */
  async until(accepted: number): Promise<void> {
    while (this.accepted.size < accepted || this.#last.length === 0) await once(this.#child, 'message')
  }

  /** The queue's counts of done, dead and failed jobs once nothing is left to do. */
  async untilIdle(): Promise<number[]> {
    for (;;) {
      if (this.#last[0] === 'idle') return this.#last.slice(1).map(Number)
      await once(this.#child, 'message')
    }
  }

  async kill(): Promise<void> {
    const exit = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exit
  }
}

/** Pseudo-random numbers in [0, 1) from a seed that is printed with a failure. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const stored = (folder: string): string[] => readdirSync(join(folder, 'archive')).sort()
/** Processes that stored each object; a second storing of one object is the archive's "already there". */
const storedBy = (folder: string): number[] =>
  stored(folder).flatMap((name) => [
    ...new Set(
      readFileSync(join(folder, 'archive', name), 'utf8')
        .trim()
        .split('\n')
        .map(Number),
    ),
  ])

let postgres: TestPostgres | null = null
beforeAll(async () => {
  if (hasPostgres) postgres = await startPostgres()
})
afterAll(() => postgres?.stop())

const databases = [
  { name: 'PGlite', isThere: true },
  { name: `PostgreSQL${hasPostgres ? '' : " (needs Debian's postgresql)"}`, isThere: hasPostgres },
]

describe('a server killed at random moments', () => {
  for (const { name, isThere } of databases) {
    it.skipIf(!isThere)(`loses no accepted order and stores each result once, on ${name}`, { timeout: TIME_LIMIT_MS }, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'attending-kill-'))
      const url = name === 'PGlite' ? '' : ((await postgres?.createDatabase('killed')) ?? '')
      const random = randomFrom(20_261_125)
      let next = 0
      for (let kill = 0; kill < KILLS; kill++) {
        const server = new QueueProcess(folder, url, next, ORDERS - next)
        // Now in the midst of accepting, now a little later, in the midst of work.
        await server.until(Math.min(ORDERS - next, Math.ceil(random() * (ORDERS / KILLS))))
        await new Promise((resolve) => setTimeout(resolve, random() * 60))
        await server.kill()
        // What was acknowledged is not sent again: only the server can still know it.
        next = Math.max(next, ...[...server.accepted].map((number) => number + 1))
      }
      const last = new QueueProcess(folder, url, next, ORDERS - next)
      await last.until(ORDERS - next)
      expect(await last.untilIdle()).toEqual([ORDERS, 0, 0])
      await last.kill()
      expect(stored(folder)).toHaveLength(ORDERS)
      rmSync(folder, { recursive: true, force: true })
    })
  }
})

describe('two servers on one PostgreSQL', () => {
  it.skipIf(!hasPostgres)(
    `share the queue, and one finishes what the other was killed over${hasPostgres ? '' : " (needs Debian's postgresql)"}`,
    { timeout: 120_000 },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'attending-two-'))
      const url = (await postgres?.createDatabase('two')) ?? ''
      const [first, second] = [new QueueProcess(folder, url, 0, 60), new QueueProcess(folder, url, 60, 60)]
      await Promise.all([first.until(40), second.until(60)])
      const accepted = first.accepted.size
      await first.kill()
      const [done = 0, dead, failed] = await second.untilIdle()
      expect([dead, failed]).toEqual([0, 0])
      expect(done).toBeGreaterThanOrEqual(60 + accepted)
      expect(stored(folder)).toHaveLength(done)
      expect(new Set(storedBy(folder))).toEqual(new Set([first.pid, second.pid]))
      await second.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  )
})
