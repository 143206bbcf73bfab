import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildChestPhantom } from '../../src/demo/chest-phantom.ts'
import type { JobAnswer } from '../../src/http/to-job-answer.ts'
import { UpsOriginServer } from '../pacs/support/ups-origin-server.ts'
import { hasDcmtk, hasPydicom, pydicomReads } from '../support/dicom-tools.ts'
import { freePort } from '../support/free-port.ts'
import { hasOrthanc, type Orthanc, startOrthanc } from '../support/orthanc.ts'
import { type RunningServer, startServer } from './support/start-server.ts'
import { TINY_DCMM, writeTinyBundles } from './support/write-tiny-bundle.ts'

const run = promisify(execFile)
const page = readFileSync(resolve(import.meta.dirname, '../../docs/integration.md'), 'utf8')
/** The texts of the page's fenced blocks with this word behind the fence. */
const blocks = (info: string): readonly string[] =>
  page
    .split(`\n\`\`\`${info}\n`)
    .slice(1)
    .map((text) => text.split('\n```')[0] ?? '')

const hasPeers = hasOrthanc && hasDcmtk && hasPydicom
const scheduled = buildChestPhantom({ rows: 80, columns: 96, seed: 4, opacity: 0.5 })
const WORKITEM = '1.2.826.0.1.3680043.77.17'
const image = buildChestPhantom({ rows: 96, columns: 80, seed: 3, opacity: 0.5 })
let folder: string
let orthanc: Orthanc
let pacs: ChildProcess
let dcm4chee: Orthanc
let worklist: UpsOriginServer
let server: RunningServer
let names: Readonly<Record<string, string>>
let namesAtDcm4chee: Readonly<Record<string, string>>

function startPacs(port: number): ChildProcess {
  mkdirSync(join(folder, 'pacs'))
  const lines = [`NetworkTCPPort = ${port}`, 'MaxPDUSize = 16384', 'MaxAssociations = 16', 'HostTable BEGIN', 'HostTable END', 'VendorTable BEGIN', 'VendorTable END']
  writeFileSync(join(folder, 'dcmqrscp.cfg'), `${[...lines, 'AETable BEGIN', `PACS ${join(folder, 'pacs')} RW (200, 1024mb) ANY`, 'AETable END'].join('\n')}\n`)
  return spawn('dcmqrscp', ['-c', join(folder, 'dcmqrscp.cfg')], { stdio: 'ignore' })
}

beforeAll(async () => {
  if (!hasPeers) return
  folder = mkdtempSync(join(tmpdir(), 'attending-guide-'))
  writeTinyBundles(join(folder, 'models'))
  writeFileSync(join(folder, 'image.dcm'), image)
  writeFileSync(join(folder, 'scheduled.dcm'), scheduled)
  const [receiverPort, pacsPort] = [await freePort(), await freePort()]
  const { DicomModalities } = JSON.parse(blocks('json orthanc')[0] ?? '') as { DicomModalities: Record<string, readonly [string, string, number]> }
  orthanc = await startOrthanc(Object.fromEntries(Object.entries(DicomModalities).map(([name, [aeTitle, host]]) => [name, [aeTitle, host, receiverPort]])))
  pacs = startPacs(pacsPort)
  const settings = JSON.parse(blocks('json dcm4chee')[0] ?? '') as { archives: { url: string }[]; worklists: object[] }
  const [archivePath = '', worklistPath = ''] = settings.archives.map(({ url }) => new URL(url).pathname)
  dcm4chee = await startOrthanc({}, `${archivePath}/`)
  worklist = new UpsOriginServer()
  worklist.root = worklistPath
  worklist.requesters = []
  const worklistUrl = await worklist.listen()
  const gateway = JSON.parse(blocks('json gateway')[0] ?? '') as { dimse: { port: number }; archives: { url: string }[] }
  gateway.dimse.port = receiverPort
  const archives = [
    { ...gateway.archives[0], url: `${orthanc.url}/dicom-web` },
    { ...settings.archives[0], url: dcm4chee.url + archivePath },
    { ...settings.archives[1], url: worklistUrl },
    { kind: 'dimse', name: 'pacs', host: '127.0.0.1', port: pacsPort, aeTitle: 'PACS', delivery: { retryLimit: 3, retryDelaySeconds: 1 } },
  ]
  writeFileSync(join(folder, 'gateway.json'), JSON.stringify({ ...gateway, archives, worklists: settings.worklists }))
  const action = { model: TINY_DCMM, destinations: ['orthanc', 'pacs'] }
  writeFileSync(join(folder, 'rules.json'), JSON.stringify({ version: 1, rules: [{ name: 'radiographs', when: { modality: ['CR', 'DX'] }, action }] }))
  server = await startServer({
    ATTENDING_MODELS_DIR: join(folder, 'models'),
    ATTENDING_DATA_DIR: join(folder, 'data'),
    ATTENDING_GATEWAY_FILE: join(folder, 'gateway.json'),
    ATTENDING_ENGINES: '1',
  })
  names = {
    ATTENDING_HOST: '127.0.0.1',
    ATTENDING_DIMSE_PORT: String(receiverPort),
    ATTENDING_URL: server.url,
    ORTHANC_URL: orthanc.url,
    PACS_AE: 'PACS',
    PACS_HOST: '127.0.0.1',
    PACS_PORT: String(pacsPort),
    IMAGE: join(folder, 'image.dcm'),
    STUDY: String(pydicomReads(image, 'ds.StudyInstanceUID')),
  }
  const [study, series] = pydicomReads(scheduled, '[ds.StudyInstanceUID, ds.SeriesInstanceUID]') as [string, string]
  namesAtDcm4chee = {
    ...names,
    IMAGE: join(folder, 'scheduled.dcm'),
    STUDY: study,
    SERIES: series,
    WORKITEM,
    DCM4CHEE_PORT: String(dcm4chee.dicomPort),
    DCM4CHEE_URL: new URL(worklistUrl).origin,
    ARCHIVE_URL: dcm4chee.url,
  }
}, 120_000)
afterAll(async () => {
  if (!hasPeers) return
  await server.stop()
  await orthanc.stop()
  await dcm4chee.stop()
  worklist.close()
  pacs.kill()
  rmSync(folder, { recursive: true, force: true })
})

/** What the commands write; rejects where one fails. */
async function execute(script: string, known = names): Promise<{ readonly stdout: string; readonly stderr: string }> {
  return await run('bash', ['-euo', 'pipefail', '-c', script], { env: { PATH: process.env['PATH'] ?? '', ...known } })
}

const jobs = async (): Promise<readonly JobAnswer[]> => ((await (await fetch(`${server.url}/v1/jobs?limit=100`)).json()) as { jobs: readonly JobAnswer[] }).jobs

describe.skipIf(!hasPeers)(`docs/integration.md${hasPeers ? '' : ' (needs orthanc, orthanc-dicomweb, dcmtk and python3-pydicom)'}`, () => {
  it('has commands that do what the page says: an image in by each way, and its results in both archives', { timeout: 240_000 }, async () => {
    const sending = blocks('sh test')
    expect(sending).toHaveLength(4)
    for (const script of sending) await execute(script)
    await expect.poll(async () => (await jobs()).every(({ finishedAt }) => finishedAt !== null), { timeout: 120_000, interval: 300 }).toBe(true)
    const ended = await jobs()
    expect(new Set(ended.map(({ door, state }) => `${door} ${state}`))).toEqual(new Set(['c-store done', 'pull done']))
    const [inOrthanc, inPacs, ...others] = await Promise.all(blocks('sh test after-results').map(async (script) => await execute(script)))
    expect(others).toEqual([])
    const modalities = (JSON.parse(inOrthanc?.stdout ?? '') as Record<string, { Value?: readonly unknown[] }>[]).map((instance) => instance['00080060']?.Value?.[0])
    expect(modalities.sort()).toEqual([String(pydicomReads(image, 'ds.Modality')), 'KO', 'OT', 'SEG', 'SR'].sort())
    for (const modality of ['SR', 'SEG', 'KO']) expect(`${inPacs?.stdout}${inPacs?.stderr}`).toContain(`[${modality}`)
  })

  it('has addresses and a worklist as at dcm4chee: what is scheduled there comes back, and the workitem tells what was made', { timeout: 240_000 }, async () => {
    for (const script of blocks('sh test dcm4chee')) await execute(script, namesAtDcm4chee)
    await expect.poll(() => worklist.workitems.get(WORKITEM)?.story, { timeout: 120_000, interval: 300 }).toEqual(['SCHEDULED', 'IN PROGRESS', 'COMPLETED'])
    expect(new Set(worklist.requesters)).toEqual(new Set(['ATTENDING']))
    const [answered, ...others] = await Promise.all(blocks('sh test dcm4chee-results').map(async (script) => await execute(script, namesAtDcm4chee)))
    expect(others).toEqual([])
    const instances = JSON.parse(answered?.stdout ?? '') as Record<string, { Value?: readonly string[] }>[]
    const image = String(pydicomReads(scheduled, 'ds.SOPInstanceUID'))
    const results = instances.flatMap((instance) => instance['00080018']?.Value ?? []).filter((uid) => uid !== image)
    expect(results).toHaveLength(4)
    const told = JSON.stringify(worklist.workitems.get(WORKITEM)?.dataset['00741216'])
    expect(results.filter((uid) => !told.includes(`"${uid}"`))).toEqual([])
  })
})
