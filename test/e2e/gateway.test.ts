import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildChestPhantom } from '../../src/demo/chest-phantom.ts'
import type { PredictionAnswer } from '../../src/domain/answer.ts'
import type { JobAnswer } from '../../src/http/to-job-answer.ts'
import { buildMultipart } from '../../src/pacs/multipart.ts'
import { readFileMeta } from '../../src/pacs/read-file-meta.ts'
import { schemaErrors } from '../http/support/open-test-server.ts'
import { corpusFile, hasCorpus } from '../support/corpus.ts'
import { dciodvfyErrors, hasDciodvfy, hasDcmtk, hasPydicom, pydicomReads, pydicomReadsEach } from '../support/dicom-tools.ts'
import { hasOrthanc, type Orthanc, retrieve, startOrthanc, stow } from '../support/orthanc.ts'
import { listJobs, storescu, untilOver } from './support/drive-gateway.ts'
import { type RunningServer, startServer } from './support/start-server.ts'
import { TINY_DCMM, writeTinyBundles } from './support/write-tiny-bundle.ts'

const hasPeers = hasOrthanc && hasDcmtk && hasDciodvfy && hasPydicom
const phantom = (seed: number): Uint8Array => buildChestPhantom({ rows: 120, columns: 96, seed, opacity: 0.8 })
/** Every output score of a structured report, in ascending order. */
const SCORES = `sorted([float(n.MeasuredValueSequence[0].FloatingPointValue) for e in ds.iterall() if e.tag == 0x0040A730 for n in e.value
  if n.ValueType == 'NUM' and n.ConceptNameCodeSequence[0].CodeValue == 'MODEL_OUTPUT'])`
/** Every element behind the head, whatever the encoding of lengths: an archive that parsed what came by C-STORE writes it anew. */
const CONTENT = '__import__("hashlib").sha256(ds.to_json().encode()).hexdigest()'
const RULES = {
  version: 1,
  rules: [
    { name: 'radiographs', when: { modality: ['CR', 'DX'] }, action: { model: TINY_DCMM, destinations: ['web'] } },
    { name: 'slices', when: { modality: ['MR'] }, action: { model: TINY_DCMM, destinations: ['dimse'] } },
    { name: 'tomograms', when: { modality: ['CT'] }, action: { skip: 'no model was made for CT' } },
  ],
}

let folder: string
let orthanc: Orthanc
let server: RunningServer

beforeAll(async () => {
  if (!hasPeers) return
  folder = mkdtempSync(join(tmpdir(), 'attending-gateway-'))
  writeTinyBundles(join(folder, 'models'), ['CR', 'DX', 'MR'])
  orthanc = await startOrthanc()
  writeFileSync(join(folder, 'rules.json'), JSON.stringify(RULES))
  const gateway = {
    version: 1,
    rulesFile: 'rules.json',
    dimse: { port: 0, peers: [{ aeTitle: 'STORESCU', addresses: ['127.0.0.1'] }] },
    archives: [
      { kind: 'dicomweb', name: 'web', url: `${orthanc.url}/dicom-web` },
      { kind: 'dimse', name: 'dimse', host: '127.0.0.1', port: orthanc.dicomPort, aeTitle: 'ORTHANC' },
    ],
  }
  writeFileSync(join(folder, 'gateway.json'), JSON.stringify(gateway))
  server = await startServer(environment())
})
afterAll(async () => {
  if (!hasPeers) return
  await server.stop()
  await orthanc.stop()
  rmSync(folder, { recursive: true, force: true })
})

const environment = (): Record<string, string> => ({
  ATTENDING_MODELS_DIR: join(folder, 'models'),
  ATTENDING_DATA_DIR: join(folder, 'data'),
  ATTENDING_GATEWAY_FILE: join(folder, 'gateway.json'),
  ATTENDING_ENGINES: '1',
})

/** The jobs, once there are so many and all have come to their end. */
async function untilValid(count: number): Promise<readonly JobAnswer[]> {
  const jobs = await untilOver(server, count)
  expect(jobs.map((job) => schemaErrors('Job', job)).filter((errors) => errors !== '')).toEqual([])
  return jobs
}

const countInArchive = async (): Promise<number> => ((await (await fetch(`${orthanc.url}/statistics`)).json()) as { CountInstances: number }).CountInstances
const result = async (predictionId: string | null, name: string): Promise<Uint8Array | null> => {
  const response = await fetch(`${server.url}/v1/predictions/${predictionId}/results/${name}`)
  return response.status === 200 ? new Uint8Array(await response.arrayBuffer()) : null
}
/** What the archive holds of a job: each of its results, found by the UID that the same result has over HTTP. */
async function deliveredOf({ predictionId }: JobAnswer): Promise<Readonly<Record<string, Uint8Array>>> {
  const delivered: Record<string, Uint8Array> = {}
  for (const kind of ['sr', 'sc', 'seg', 'pm', 'ko']) {
    const made = await result(predictionId, `${kind}.dcm`)
    if (made === null) continue
    const kept = await retrieve(orthanc, readFileMeta(made).sopInstanceUid)
    const [keptContent, madeContent] = pydicomReadsEach([kept, made], CONTENT)
    expect([kind, keptContent]).toEqual([kind, madeContent])
    delivered[kind] = kept
  }
  return delivered
}

describe.skipIf(!hasPeers)(`the server before a real archive${hasPeers ? '' : ' (needs orthanc, orthanc-dicomweb, dcmtk, dicom3tools and python3-pydicom)'}`, () => {
  it('brings what storescu sends back to the archive as valid objects, whose numbers are those of the HTTP answer', async () => {
    await storescu(server, [phantom(1)], '-xe')
    const [job] = await untilValid(1)
    expect(job).toMatchObject({ door: 'c-store', state: 'done', modelId: TINY_DCMM, deliveries: [{ destination: 'web', state: 'done' }] })
    const delivered = await deliveredOf(job!)
    expect(Object.keys(delivered)).toEqual(['sr', 'sc', 'seg', 'ko'])
    expect(await countInArchive()).toBe(4)
    for (const [kind, bytes] of Object.entries(delivered)) expect([kind, dciodvfyErrors(bytes)]).toEqual([kind, []])
    const url = `${server.url}/v1/models/${TINY_DCMM}/predictions?store=false`
    const answer = (await (await fetch(url, { method: 'POST', headers: { 'content-type': 'application/dicom' }, body: Buffer.from(phantom(1)) })).json()) as PredictionAnswer
    expect(pydicomReads(delivered['sr']!, SCORES)).toEqual(answer.classes.map(({ probability }) => probability).toSorted((a, b) => a - b))
  })

  it('doubles nothing when the same instance comes again, by the same door or by STOW-RS', async () => {
    const before = await countInArchive()
    await storescu(server, [phantom(1)], '-xe')
    const { contentType, body } = buildMultipart([phantom(1)], 'b-0123456789')
    for (let time = 0; time < 2; time++) {
      const response = await fetch(`${server.url}/dicom-web/studies`, { method: 'POST', headers: { 'content-type': contentType }, body: Buffer.from(body) })
      expect(response.status).toBe(200)
    }
    const jobs = await untilValid(2)
    expect(jobs.map(({ door, state }) => `${door} ${state}`).sort()).toEqual(['c-store done', 'stow done'])
    expect(await countInArchive()).toBe(before)
  })

  it('fetches a study that it is told to, and says how far it is', async () => {
    await stow(orthanc, [phantom(2)])
    const before = await countInArchive()
    const studyInstanceUid = String(pydicomReads(phantom(2), 'ds.StudyInstanceUID'))
    const headers = { 'content-type': 'application/json', 'idempotency-key': 'study-2' }
    const order = (): Promise<Response> => fetch(`${server.url}/v1/jobs`, { method: 'POST', headers, body: JSON.stringify({ archive: 'web', studyInstanceUid }) })
    const [first, again] = [await order(), await order()]
    expect([first.status, again.status]).toEqual([202, 200])
    const { id } = (await first.json()) as JobAnswer
    const jobs = await untilValid(4)
    expect(jobs.find((job) => job.parentId === id)).toMatchObject({ door: 'pull', state: 'done' })
    const events = await (await fetch(`${server.url}/v1/jobs/${id}/events`)).text()
    expect(events.match(/^event: .*$/gm)?.at(-1)).toBe('event: done')
    expect(await countInArchive()).toBe(before + 4)
  })

  it('loses nothing and doubles nothing when it is killed with the work in hand', async () => {
    const before = await countInArchive()
    await storescu(server, [11, 12, 13, 14, 15].map(phantom), '-xe')
    await server.stop('SIGKILL')
    server = await startServer(environment())
    const jobs = await untilValid(9)
    expect(jobs.filter(({ state }) => state !== 'done')).toEqual([])
    expect(await countInArchive()).toBe(before + 5 * 4)
  }, 180_000)

  it.skipIf(!hasCorpus)(
    'takes a radiograph and a slice of the corpus, skips a tomogram for the reason that the rule gives, and fails for UIDs that are none (needs the corpus)',
    async () => {
      const before = await countInArchive()
      const known = (await listJobs(server)).map(({ id }) => id)
      await storescu(server, [readFileSync(corpusFile('cr_mono1_j2kr_u10.dcm'))], '-xv')
      await storescu(server, [readFileSync(corpusFile('cr_mono1_mlut_jpll.dcm'))], '-xs')
      await storescu(
        server,
        ['mr_small_evle.dcm', 'ct_small_evle.dcm'].map((name) => readFileSync(corpusFile(name))),
        '-xe',
      )
      const jobs = (await untilValid(known.length + 4)).filter(({ id }) => !known.includes(id))
      expect(jobs.map(({ state, reason, problem }) => `${state} ${reason ?? problem?.code ?? ''}`).sort()).toEqual([
        'done ',
        'done ',
        'failed uid-invalid',
        'skipped no model was made for CT',
      ])
      const kinds: string[] = []
      for (const job of jobs.filter(({ state }) => state === 'done')) {
        const delivered = await deliveredOf(job)
        for (const [kind, bytes] of Object.entries(delivered)) expect([kind, dciodvfyErrors(bytes)]).toEqual([kind, []])
        kinds.push(`${job.deliveries[0]?.destination}: ${Object.keys(delivered)}`)
      }
      // The slice has a place in the patient, so that its maps have one too.
      expect(kinds.sort()).toEqual(['dimse: sr,sc,seg,pm,ko', 'web: sr,sc,seg,ko'])
      expect((await countInArchive()) - before).toBeGreaterThan(9)
    },
    180_000,
  )

  it('lets no patient attribute into its log or its jobs', async () => {
    const all = server.output() + JSON.stringify(await listJobs(server))
    expect(['Phantom', 'PHANTOM', 'CompressedSamples', '2.25.', '1.2.840'].filter((name) => all.includes(name))).toEqual([])
  })
})
