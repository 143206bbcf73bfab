/**
 * `npm run fuzz -- TARGET [--cases N] [--from N] [--seconds S] [--least N] [--json]`: spoilt input into a reader or a door in a worker, a watchdog beside it.
 *
 * Prints how many cases were taken, refused and found. A find is a crash, an error that is no Problem, a case that no limit ends (4 s),
 * or memory that grows without bound; its number is printed, and makes the same case again.
 */
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { BASE_LIMIT_MS } from '../../src/imaging/codec-thread.ts'
import { FUZZ_TARGETS, type FuzzOutcome } from './fuzz-target.ts'

/** The decoder gives up a codestream by itself, after `limitOfFrame`; what lasts longer than that and a new codec's start, nothing stops. */
const HANG_MS = 2 * BASE_LIMIT_MS
/** The decoder's own allowance for one file is far below; what stays above it between cases is a leak. */
const MAX_RESIDENT_BYTES = 2 * 1024 ** 3

interface Find {
  readonly case: number
  readonly what: string
}

interface Report {
  readonly cases: number
  readonly taken: number
  readonly refused: Readonly<Record<string, number>>
  readonly finds: readonly Find[]
  readonly seconds: number
  readonly slowestMs: number
  readonly residentMiB: { readonly first: number; readonly last: number }
}

type Message = { readonly number: number; readonly outcome: FuzzOutcome; readonly ms: number }

interface Range {
  /** One of FUZZ_TARGETS. */
  readonly target: string
  readonly from: number
  readonly to: number
}

/** What worker and watchdog share: the number of the case under way, or -1; and whether no more are wanted. */
const [CURRENT, IS_ENOUGH] = [0, 1]

/** In the worker: case after case, its number told before it is run so that a hang has a name. */
async function work({ target, from, to }: Range, shared: Int32Array): Promise<void> {
  const fuzzed = await FUZZ_TARGETS[target]!.open()
  let number = from
  for (; number < to && Atomics.load(shared, IS_ENOUGH) === 0; number++) {
    Atomics.store(shared, CURRENT, number)
    const start = performance.now()
    const outcome = await fuzzed.run(number)
    parentPort?.postMessage({ number, outcome, ms: performance.now() - start } satisfies Message)
  }
  // closing is no case, and each target bounds it itself
  Atomics.store(shared, CURRENT, -1)
  const left = await fuzzed.close()
  if (left !== null) parentPort?.postMessage({ number: number - 1, outcome: { kind: 'find', what: left }, ms: 0 } satisfies Message)
}

/** One worker's life: to the end of the range, to where `onMessage` has had enough, or to the case that hangs or kills it, which is returned. */
function runWorker(range: Range, onMessage: (message: Message) => 'go on' | 'enough', limitMs = HANG_MS): Promise<Find | null> {
  const shared = new Int32Array(new SharedArrayBuffer(8))
  Atomics.store(shared, CURRENT, -1)
  return new Promise((resolve) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { range, shared } })
    let seen = { number: -1, since: performance.now() }
    // the first to finish says how: a worker that is terminated exits too
    const finish = (find: Find | null): void => {
      clearInterval(watchdog)
      resolve(find)
    }
    const watchdog = setInterval(() => {
      const number = Atomics.load(shared, CURRENT)
      if (number !== seen.number) seen = { number, since: performance.now() }
      if (number < 0 || performance.now() - seen.since <= limitMs) return
      finish({ case: number, what: `longer than ${limitMs} ms` })
      worker.terminate().catch(() => undefined)
    }, 100)
    worker.on('message', (message: Message) => {
      // it ends by itself, and clears away what it made
      if (onMessage(message) === 'enough') Atomics.store(shared, IS_ENOUGH, 1)
    })
    worker.on('error', (error) => finish({ case: Atomics.load(shared, CURRENT), what: String(error) }))
    worker.on('exit', (code) => finish(code === 0 ? null : { case: Atomics.load(shared, CURRENT), what: `exit code ${code}` }))
  })
}

/** Set by Ctrl-C, which ends the run with the report so far. */
let interrupted = false

/** The person who waits wants to see that it moves. */
const PROGRESS_MS = 5000

async function fuzz({ target, from, to }: Range, limitMs: number, least: number): Promise<Report> {
  const refused: Record<string, number> = {}
  const finds: Find[] = []
  const start = performance.now()
  let [taken, slowestMs, done] = [0, 0, from]
  // the first case's end: a thread's start is no fuzzing, and on a busy machine it takes seconds
  let begun: number | null = null
  const residentBytes: number[] = []
  let told = start
  const tellProgress = (number: number): void => {
    const now = performance.now()
    if (now - told < PROGRESS_MS) return
    told = now
    const count = number + 1 - from
    process.stderr.write(`${count} of ${to - from} cases, ${((1000 * count) / (now - start)).toFixed(0)} a second, ${finds.length} finds\n`)
  }
  let isOver = false
  const onMessage = ({ number, outcome, ms }: Message): 'go on' | 'enough' => {
    if (isOver && outcome.kind !== 'find') return 'enough'
    begun ??= performance.now()
    done = number + 1
    tellProgress(number)
    if (outcome.kind === 'taken') taken++
    else if (outcome.kind === 'refused') refused[outcome.code] = (refused[outcome.code] ?? 0) + 1
    else finds.push({ case: number, what: outcome.what })
    slowestMs = Math.max(slowestMs, ms)
    if ((number - from) % 1000 === 999) {
      const last = process.memoryUsage.rss()
      residentBytes.push(last)
      if (last > MAX_RESIDENT_BYTES) finds.push({ case: number, what: `${last} bytes resident` })
    }
    isOver = interrupted || (performance.now() - begun > limitMs && done - from >= least)
    return isOver ? 'enough' : 'go on'
  }
  while (done < to && !isOver) {
    const suspect = await runWorker({ target, from: done, to }, onMessage)
    if (suspect !== null && suspect.case < done) throw new Error(`the worker did not start: ${suspect.what}`)
    if (suspect !== null) done = suspect.case + 1
    // on a busy machine a case may wait longer than it works: it is a find only if it fails again, alone and with more time
    const find = suspect === null ? null : await runWorker({ target, from: suspect.case, to: done }, onMessage, 10 * HANG_MS)
    if (find !== null) finds.push(find)
  }
  const inMiB = (bytes = process.memoryUsage.rss()): number => Math.round(bytes / 2 ** 20)
  const residentMiB = { first: inMiB(residentBytes[0]), last: inMiB(residentBytes.at(-1)) }
  return { cases: done - from, taken, refused, finds, seconds: (performance.now() - start) / 1000, slowestMs, residentMiB }
}

function print(target: string, report: Report): void {
  const lines = [
    `${report.cases} cases in ${report.seconds.toFixed(1)} s, slowest ${report.slowestMs.toFixed(0)} ms, resident ${report.residentMiB.first} MiB at first, ${report.residentMiB.last} MiB at last`,
    `  ${report.taken} ${FUZZ_TARGETS[target]!.taken}`,
    ...Object.entries(report.refused)
      .sort(([, a], [, b]) => b - a)
      .map(([code, count]) => `  ${count} refused: ${code}`),
    `  ${report.finds.length} finds`,
    ...report.finds.map((find) => `    case ${find.case}: ${find.what}`),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

const HELP = `npm run fuzz -- TARGET [--cases N] [--from N] [--seconds S] [--least N] [--json]

Runs N spoilt cases and tells every crash, hang and unbounded growth. A case is its number: --from N repeats it.
Ctrl-C ends it with the report so far.

${Object.entries(FUZZ_TARGETS)
  .map(([name, { cases }]) => `  ${name.padEnd(11)} ${cases}`)
  .join('\n')}

  --cases N   how many (default 20000)
  --from N    the number of the first (default 0)
  --seconds S stop after that time, with what was done by then
  --least N   but not before so many cases (default 0)
  --json      print one JSON document and nothing else
`

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      cases: { type: 'string', default: '20000' },
      from: { type: 'string', default: '0' },
      seconds: { type: 'string', default: 'Infinity' },
      least: { type: 'string', default: '0' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
    allowPositionals: true,
  })
  if (values.help) {
    process.stdout.write(HELP)
    return
  }
  const target = positionals.join()
  const [cases, from, seconds, least] = [Number(values.cases), Number(values.from), Number(values.seconds), Number(values.least)]
  if (!Object.hasOwn(FUZZ_TARGETS, target) || !Number.isInteger(cases) || !Number.isInteger(from) || !Number.isInteger(least) || !(seconds > 0)) {
    process.stderr.write(HELP)
    process.exitCode = 2
    return
  }
  process.on('SIGINT', () => {
    interrupted = true
  })
  const report = await fuzz({ target, from, to: from + cases }, 1000 * seconds, least)
  if (values.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  else print(target, report)
  process.exitCode = report.finds.length === 0 ? 0 : 1
}

if (isMainThread) await main()
else {
  const { range, shared } = workerData as { range: Range; shared: Int32Array }
  await work(range, shared)
}
