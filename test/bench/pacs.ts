/** The road from C-STORE to stored results beside the bare prediction in the same run, and what memory the server and its engine hold meanwhile. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs, promisify } from 'node:util'
import { buildChestPhantom } from '../../src/demo/chest-phantom.ts'
import { type RunningServer, startServer } from '../e2e/support/start-server.ts'
import { TINY_DCMM, writeTinyBundles } from '../e2e/support/write-tiny-bundle.ts'
import { hasDcmtk } from '../support/dicom-tools.ts'
import { hasOrthanc, type Orthanc, startOrthanc } from '../support/orthanc.ts'

const run = promisify(execFile)
/** Report, secondary capture, segmentation and key object selection. */
const OBJECTS = 4
const BATCHES_A_QUARTER = 5
const BARE_PREDICTIONS = 100
const MEBIBYTE = 2 ** 20

interface Quarter {
  readonly seconds: number
  /** Resident memory at the end of each batch, mean over the batches, in bytes. */
  readonly serverBytes: number
  readonly engineBytes: number
}

export async function bench(args: readonly string[]): Promise<string> {
  const { values } = parseArgs({ args: [...args], options: { instances: { type: 'string', default: '2000' } } })
  if (!hasOrthanc || !hasDcmtk) return "Needs Debian's orthanc, orthanc-dicomweb and dcmtk.\n"
  const folder = mkdtempSync(join(tmpdir(), 'attending-bench-'))
  const archive = await startOrthanc()
  try {
    const server = await startServer(prepare(folder, archive))
    try {
      return await measure(server, archive, folder, Number(values.instances))
    } finally {
      await server.stop()
    }
  } finally {
    await archive.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function prepare(folder: string, archive: Orthanc): Readonly<Record<string, string>> {
  writeTinyBundles(join(folder, 'models'))
  const action = { model: TINY_DCMM, frames: 'first', destinations: ['archive'] }
  writeFileSync(join(folder, 'rules.json'), JSON.stringify({ version: 1, rules: [{ name: 'all', when: {}, action }] }))
  const gateway = {
    version: 1,
    rulesFile: 'rules.json',
    dimse: { port: 0, peers: [{ aeTitle: 'STORESCU', addresses: ['127.0.0.1'] }] },
    archives: [{ kind: 'dicomweb', name: 'archive', url: `${archive.url}/dicom-web` }],
  }
  writeFileSync(join(folder, 'gateway.json'), JSON.stringify(gateway))
  return {
    ATTENDING_MODELS_DIR: join(folder, 'models'),
    ATTENDING_DATA_DIR: join(folder, 'data'),
    ATTENDING_GATEWAY_FILE: join(folder, 'gateway.json'),
    ATTENDING_ENGINES: '1',
  }
}

async function measure(server: RunningServer, archive: Orthanc, folder: string, instances: number): Promise<string> {
  const before = await barePredictionsPerSecond(server)
  const batch = Math.ceil(instances / (4 * BATCHES_A_QUARTER))
  const quarters: Quarter[] = []
  for (let quarter = 0; quarter < 4; quarter++) quarters.push(await runQuarter(server, archive, folder, quarter, batch))
  const after = await barePredictionsPerSecond(server)
  return table(quarters, batch * BATCHES_A_QUARTER, (before + after) / 2)
}

/** One request after another over HTTP, nothing kept. */
async function barePredictionsPerSecond({ url }: RunningServer): Promise<number> {
  const body = phantom(0)
  const startedAt = performance.now()
  for (let number = 0; number < BARE_PREDICTIONS; number++) {
    const response = await fetch(`${url}/v1/models/${TINY_DCMM}/predictions?store=false`, { method: 'POST', headers: { 'content-type': 'application/dicom' }, body })
    if (response.status !== 200) throw new Error(`a bare prediction was answered ${response.status}`)
    await response.arrayBuffer()
  }
  return (BARE_PREDICTIONS * 1000) / (performance.now() - startedAt)
}

async function runQuarter(server: RunningServer, archive: Orthanc, folder: string, quarter: number, batch: number): Promise<Quarter> {
  const memory: { server: number; engine: number }[] = []
  let milliseconds = 0
  for (let part = 0; part < BATCHES_A_QUARTER; part++) {
    const first = 1 + (quarter * BATCHES_A_QUARTER + part) * batch
    const place = writeInstances(join(folder, 'send'), first, batch)
    const startedAt = performance.now()
    const port = /C-STORE on port (\d+)/.exec(server.output())?.[1] ?? ''
    await run('storescu', ['-xe', '+sd', '-aec', 'ATTENDING', '127.0.0.1', port, place])
    await untilStored(archive, (first - 1 + batch) * OBJECTS)
    milliseconds += performance.now() - startedAt
    rmSync(place, { recursive: true })
    memory.push({ server: residentBytes(server.process.pid ?? 0), engine: server.enginePids().reduce((sum, pid) => sum + residentBytes(pid), 0) })
    process.stderr.write(`${first - 1 + batch} instances\n`)
  }
  return { seconds: milliseconds / 1000, serverBytes: mean(memory.map((each) => each.server)), engineBytes: mean(memory.map((each) => each.engine)) }
}

function writeInstances(place: string, first: number, count: number): string {
  mkdirSync(place)
  for (let number = first; number < first + count; number++) writeFileSync(join(place, `${number}.dcm`), phantom(number))
  return place
}

const phantom = (seed: number): Uint8Array<ArrayBuffer> => new Uint8Array(buildChestPhantom({ rows: 96, columns: 80, seed, opacity: 0.5 }))

async function untilStored({ url }: Orthanc, objects: number): Promise<void> {
  for (let stored = 0, last = performance.now(); ; await delay(100)) {
    const { CountInstances } = (await (await fetch(`${url}/statistics`)).json()) as { CountInstances: number }
    if (CountInstances > objects) throw new Error(`the archive holds ${CountInstances} objects, where ${objects} were to come`)
    if (CountInstances === objects) return
    if (CountInstances > stored) [stored, last] = [CountInstances, performance.now()]
    if (performance.now() - last > 120_000) throw new Error(`the archive holds ${CountInstances} of ${objects} objects, and nothing comes`)
  }
}

/** Linux: resident set of a process. */
const residentBytes = (pid: number): number => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

function table(quarters: readonly Quarter[], each: number, bare: number): string {
  const seconds = quarters.reduce((sum, quarter) => sum + quarter.seconds, 0)
  const rate = (each * 4) / seconds
  const [, second, , last] = quarters
  const growth = (of: (quarter: Quarter) => number): string => (second === undefined || last === undefined ? '' : `${((of(last) / of(second) - 1) * 100).toFixed(1)} %`)
  const rows = quarters.map(
    ({ seconds: taken, serverBytes, engineBytes }, index) =>
      `| ${index + 1} | ${(each / taken).toFixed(2)} | ${(serverBytes / MEBIBYTE).toFixed(0)} | ${(engineBytes / MEBIBYTE).toFixed(0)} |`,
  )
  return `${each * 4} instances from C-STORE to ${OBJECTS} stored results each: ${rate.toFixed(2)} a second; bare predictions over HTTP: ${bare.toFixed(2)} a second; ratio ${(rate / bare).toFixed(3)}.

| quarter | instances a second | server, MiB | engine, MiB |
|---|---|---|---|
${rows.join('\n')}

Last quarter over second: server ${growth((quarter) => quarter.serverBytes)}, engine ${growth((quarter) => quarter.engineBytes)}.
`
}
