/** Real images of two modalities through the whole server and back into a real archive: what came back against the source's header, the HTTP answer and the panel. */
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PredictionAnswer } from '../../src/domain/answer.ts'
import type { JobAnswer } from '../../src/http/to-job-answer.ts'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { buildMultipart } from '../../src/pacs/multipart.ts'
import { readFileMeta } from '../../src/pacs/read-file-meta.ts'
import { corpusFile, hasCorpus } from '../support/corpus.ts'
import { dciodvfyErrors, hasDciodvfy, hasDcmtk, hasPydicom, pydicomReads, pydicomReadsEach, runOn } from '../support/dicom-tools.ts'
import { hasOrthanc, type Orthanc, preview, retrieve, startOrthanc } from '../support/orthanc.ts'
import { storescu, untilOver } from './support/drive-gateway.ts'
import { type RunningServer, startServer } from './support/start-server.ts'
import { TINY_DCMM, writeTinyBundles } from './support/write-tiny-bundle.ts'

const canRun = hasOrthanc && hasDcmtk && hasDciodvfy && hasPydicom && hasCorpus
const NEEDS = canRun ? '' : ' (needs orthanc, orthanc-dicomweb, dcmtk, dicom3tools, python3-pydicom and the corpus)'

/** A file of the corpus, and how storescu must propose it. */
interface Source {
  readonly modality: 'CR' | 'DX' | 'CT'
  readonly bytes: Uint8Array
  readonly proposal: string
}

/** The network looks at 4 x 4 patches of the centered square. */
const CELLS = 4

/** Concept, class and value of every output of a class, as pydicom reads the report. */
const OUTPUTS = `sorted([n.ConceptNameCodeSequence[0].CodeValue, n.ContentSequence[0].ConceptCodeSequence[0].CodeMeaning, float(n.MeasuredValueSequence[0].FloatingPointValue)]
  for e in ds.iterall() if e.tag == 0x0040A730 for n in e.value if n.ValueType == 'NUM' and n.ContentSequence[0].ConceptNameCodeSequence[0].CodeValue == 'OUTPUT_CLASS')`

/** The same of the answer over HTTP; a class is called by its code's meaning where it has one. */
function outputsOf({ classes, counterfactual }: PredictionAnswer): readonly (readonly [string, string, number])[] {
  const meaning = (name: string): string => classes.find((one) => one.name === name)?.code?.meaning ?? name
  const outputs = classes.flatMap(({ name, probability, calibratedProbability, logit }) => [
    ['MODEL_OUTPUT', meaning(name), probability] as const,
    ['MODEL_OUTPUT_CAL', meaning(name), calibratedProbability ?? Number.NaN] as const,
    ['MODEL_LOGIT', meaning(name), logit] as const,
  ])
  const removed = (counterfactual?.classes ?? []).flatMap(({ name, probability, deltaLogit }) => [
    ['MODEL_OUTPUT_WOS', meaning(name), probability] as const,
    ['LOGIT_CHANGE', meaning(name), deltaLogit] as const,
  ])
  return [...outputs, ...removed].toSorted((a, b) => (`${a[0]} ${a[1]}` < `${b[0]} ${b[1]}` ? -1 : 1))
}

/** A segment worked out by hand: the pixels whose centers lie in a patch of the community; the view is the centered square of the short side. */
function segmentBy(grid: readonly (readonly number[])[], community: number, rows: number, columns: number): Uint8Array {
  const side = Math.min(rows, columns)
  const cellOf = (pixel: number, length: number): number => Math.floor(((pixel + 0.5 - Math.floor((length - side) / 2)) / side) * CELLS)
  return Uint8Array.from({ length: rows * columns }, (_, i) => (grid[cellOf(Math.floor(i / columns), rows)]?.[cellOf(i % columns, columns)] === community ? 1 : 0))
}
const digestOf = (frames: readonly Uint8Array[]): string => createHash('sha256').update(Buffer.concat(frames)).digest('hex')

/** Concept, class and value of every output of a class, as dsrdump prints the report: ten significant digits. */
function printedOutputs(report: Uint8Array): readonly string[] {
  const printed = runOn(report, 'dsrdump', '+Pc').stdout.matchAll(/NUM:\((\w+),99ATTENDING,[^=]*="([^"]+)".*\n.*OUTPUT_CLASS,.*"([^"]+)"\)>/g)
  return [...printed].map(([, concept, value, name]) => `${concept} ${name} ${Number(value)}`).sort()
}

interface Header {
  readonly size: readonly [number, number]
  readonly instance: string
  readonly frameOfReference: string | null
  readonly spacing: readonly number[] | null
  readonly orientation: readonly number[] | null
  readonly position: readonly number[] | null
}
const NUMBERS = '(lambda v: v if v is None else list(map(float, v)))'
/** A radiograph's PixelSpacing is that of its detector or of a calibration, not of a plane in the patient. */
const HEADER = `dict(size=[ds.Rows, ds.Columns], instance=ds.SOPInstanceUID, frameOfReference=ds.get("FrameOfReferenceUID"), spacing=${NUMBERS}(ds.get("PixelSpacing")),
  orientation=${NUMBERS}(ds.get("ImageOrientationPatient")), position=${NUMBERS}(ds.get("ImagePositionPatient")))`

interface Segmentation {
  readonly size: readonly [number, number]
  readonly communities: readonly number[]
  /** Of its frames, a byte a pixel. */
  readonly sha256: string
  readonly frameOfReference: string | null
  readonly plane: readonly (readonly number[])[] | null
  readonly positions: readonly (readonly number[] | null)[]
}
const SEGMENTATION = `[dict(size=[ds.Rows, ds.Columns], communities=[int(segment.SegmentLabel.split()[-1]) - 1 for segment in ds.SegmentSequence],
  sha256=__import__("hashlib").sha256(ds.pixel_array.astype("u1").tobytes()).hexdigest(), frameOfReference=ds.get("FrameOfReferenceUID"),
  plane=[${NUMBERS}(s.PixelMeasuresSequence[0].PixelSpacing), ${NUMBERS}(s.PlaneOrientationSequence[0].ImageOrientationPatient)] if "PixelMeasuresSequence" in s else None,
  positions=[${NUMBERS}(f.PlanePositionSequence[0].ImagePositionPatient) if "PlanePositionSequence" in f else None for f in ds.PerFrameFunctionalGroupsSequence])
  for s in ds.SharedFunctionalGroupsSequence][0]`

interface ParametricMap {
  readonly values: readonly (readonly number[])[]
  /** PixelSpacing, then ImagePositionPatient. */
  readonly plane: readonly number[]
  readonly references: readonly unknown[]
}
const PARAMETRIC_MAP = `[dict(values=np.frombuffer(ds.FloatPixelData, "<f4").reshape(ds.Rows, ds.Columns).astype(float).tolist(),
  plane=${NUMBERS}([*s.PixelMeasuresSequence[0].PixelSpacing, *f.PlanePositionSequence[0].ImagePositionPatient]),
  references=[ds.FrameOfReferenceUID, f.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID, ${NUMBERS}(s.PlaneOrientationSequence[0].ImageOrientationPatient)])
  for s in ds.SharedFunctionalGroupsSequence for f in ds.PerFrameFunctionalGroupsSequence][0]`

let folder: string
let orthanc: Orthanc
let server: RunningServer
let sources: readonly Source[]
/** By modality of the source: its job, and what the archive holds of it, by kind; Parametric Maps by their map's name. */
const jobs = new Map<string, JobAnswer>()
const delivered = new Map<string, Readonly<Record<string, Uint8Array>>>()
const answers = new Map<string, PredictionAnswer>()

beforeAll(async () => {
  if (!canRun) return
  sources = [
    { modality: 'CR', bytes: readFileSync(corpusFile('cr_mono1_j2kr_u10.dcm')), proposal: '-xv' },
    { modality: 'DX', bytes: readFileSync(corpusFile('dx_mono1_vet.dcm')), proposal: '-xe' },
    { modality: 'CT', bytes: readFileSync(corpusFile('ct_small_evle.dcm')), proposal: '-xe' },
  ]
  folder = mkdtempSync(join(tmpdir(), 'attending-round-trip-'))
  writeTinyBundles(join(folder, 'models'), ['CR', 'DX', 'CT'])
  orthanc = await startOrthanc()
  const rule = { name: 'what the model was made for', when: { modality: ['CR', 'DX', 'CT'] }, action: { model: TINY_DCMM, destinations: ['archive'] } }
  writeFileSync(join(folder, 'rules.json'), JSON.stringify({ version: 1, rules: [rule] }))
  const gateway = {
    version: 1,
    rulesFile: 'rules.json',
    dimse: { port: 0, peers: [{ aeTitle: 'STORESCU', addresses: ['127.0.0.1'] }] },
    archives: [{ kind: 'dicomweb', name: 'archive', url: `${orthanc.url}/dicom-web` }],
  }
  writeFileSync(join(folder, 'gateway.json'), JSON.stringify(gateway))
  server = await startServer({
    ATTENDING_MODELS_DIR: join(folder, 'models'),
    ATTENDING_DATA_DIR: join(folder, 'data'),
    ATTENDING_GATEWAY_FILE: join(folder, 'gateway.json'),
    ATTENDING_ENGINES: '1',
  })
  for (const { bytes, proposal } of sources) await storescu(server, [bytes], proposal)
  const inOrder = (await untilOver(server, sources.length)).toSorted((a, b) => (a.createdAt < b.createdAt ? -1 : 1))
  for (const source of sources) answers.set(source.modality, await predict(source))
  for (const [i, { modality }] of sources.entries()) {
    jobs.set(modality, inOrder[i]!)
    delivered.set(modality, await archivedOf(inOrder[i]!))
  }
}, 240_000)
afterAll(async () => {
  if (!canRun) return
  await server.stop()
  await orthanc.stop()
  rmSync(folder, { recursive: true, force: true })
})

const countInArchive = async (): Promise<number> => ((await (await fetch(`${orthanc.url}/statistics`)).json()) as { CountInstances: number }).CountInstances
const ask = async (path: string): Promise<Response> => await fetch(server.url + path)

/** The archive's own list of the study, less what is no result: found by QIDO-RS, fetched by lookup. */
async function archivedOf({ predictionId }: JobAnswer): Promise<Readonly<Record<string, Uint8Array>>> {
  const report = new Uint8Array(await (await ask(`/v1/predictions/${predictionId}/results/sr.dcm`)).arrayBuffer())
  const study = String(pydicomReads(report, 'ds.StudyInstanceUID'))
  const response = await fetch(`${orthanc.url}/dicom-web/studies/${study}/instances?includefield=00080016`, { headers: { accept: 'application/dicom+json' } })
  const found = (await response.json()) as Readonly<Record<string, { readonly Value?: readonly string[] }>>[]
  const objects = await Promise.all(found.map(async (instance) => await retrieve(orthanc, instance['00080018']?.Value?.[0] ?? '')))
  const names = pydicomReadsEach(objects, "ds.ContentLabel.lower() if 'FloatPixelData' in ds else {'OT': 'sc'}.get(ds.Modality, ds.Modality.lower())") as string[]
  expect(new Set(names).size).toBe(names.length)
  return Object.fromEntries(names.map((name, i) => [name, objects[i] ?? new Uint8Array()]))
}

/** The answer to the same file over HTTP, nothing kept. */
async function predict({ bytes }: Source): Promise<PredictionAnswer> {
  const url = `${server.url}/v1/models/${TINY_DCMM}/predictions?store=false`
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/dicom' }, body: Buffer.from(bytes) })
  expect(response.status).toBe(200)
  return (await response.json()) as PredictionAnswer
}
const answerOf = (modality: string): PredictionAnswer => answers.get(modality) ?? expect.fail(`no answer to the ${modality}`)

/** A map of that answer as data; its link holds it. */
async function gridOf(modality: string, name: string): Promise<readonly (readonly number[])[]> {
  const link = answerOf(modality).maps.find((map) => map.name === name)?.href.json ?? ''
  return ((await (await fetch(link)).json()) as { readonly grid: readonly (readonly number[])[] }).grid
}

const objectOf = (modality: string, name: string): Uint8Array => delivered.get(modality)?.[name] ?? expect.fail(`no ${name} of the ${modality}`)
const pixelsOf = async (png: Uint8Array): Promise<{ readonly rows: number; readonly columns: number; readonly values: Uint8Array }> => {
  const { image } = await decodeImage(png, { frame: 1 })
  return { rows: image.facts.rows, columns: image.facts.columns, values: Uint8Array.from(image.pixels.data, (value) => Math.round(value * 255)) }
}
const contentLabel = (map: string): string => map.replaceAll('-', '_').slice(0, 16)

describe.skipIf(!canRun)(`images of the corpus that storescu sends${NEEDS}`, { timeout: 180_000 }, () => {
  it('come back from the archive as report, panel, segmentation and key object, and, where they have a place in the patient, as Parametric Maps', async () => {
    expect([...jobs.values()].map(({ door, state }) => `${door} ${state}`)).toEqual(['c-store done', 'c-store done', 'c-store done'])
    const maps = answerOf('CT')
      .maps.filter(({ kind }) => kind !== 'categorical')
      .map(({ name }) => contentLabel(name))
    expect(maps).toEqual(expect.arrayContaining(['attention', 'delta', 'evidence', 'structure_attrib']))
    const always = ['sr', 'sc', 'seg', 'ko']
    expect([...delivered].map(([modality, objects]) => [modality, Object.keys(objects).sort()])).toEqual([
      ['CR', [...always].sort()],
      ['DX', [...always].sort()],
      ['CT', [...always, ...maps].sort()],
    ])
    // A projection has no place in the patient, and none is made up: the answer says so, and the panel shows its maps.
    for (const modality of ['CR', 'DX']) {
      const refusal = await ask(`/v1/predictions/${jobs.get(modality)?.predictionId}/results/pm.dcm`)
      expect([modality, refusal.status, await refusal.json()]).toEqual([
        modality,
        404,
        expect.objectContaining({ code: 'result-unavailable', detail: expect.stringContaining('Secondary Capture') }),
      ])
    }
  })

  it('come back without an error by dciodvfy', () => {
    for (const [modality, objects] of delivered) for (const [name, bytes] of Object.entries(objects)) expect([modality, name, dciodvfyErrors(bytes)]).toEqual([modality, name, []])
  })

  it('have in their report, class by class, the very numbers of the HTTP answer, as pydicom and dsrdump read them', async () => {
    const reports = sources.map(({ modality }) => objectOf(modality, 'sr'))
    const read = pydicomReadsEach(reports, OUTPUTS)
    for (const [i, source] of sources.entries()) {
      const expected = outputsOf(answerOf(source.modality))
      expect(expected).toHaveLength(10)
      expect(read[i]).toEqual(expected)
      expect(printedOutputs(reports[i]!)).toEqual(expected.map(([concept, name, value]) => `${concept} ${name} ${Number(value.toPrecision(10))}`).sort())
    }
  })

  it("have the communities of the HTTP answer as segments in the source's own pixels, and in its own plane", async () => {
    const segmentations = pydicomReadsEach(
      sources.map(({ modality }) => objectOf(modality, 'seg')),
      SEGMENTATION,
    ) as Segmentation[]
    const headers = pydicomReadsEach(
      sources.map(({ bytes }) => bytes),
      HEADER,
    ) as Header[]
    for (const [i, source] of sources.entries()) {
      const { size, communities, sha256, plane, positions, frameOfReference } = segmentations[i]!
      const header = headers[i]!
      const grid = await gridOf(source.modality, 'communities')
      const isInPatient = source.modality === 'CT'
      expect([source.modality, size, plane]).toEqual([source.modality, header.size, isInPatient ? [header.spacing, header.orientation] : null])
      expect([frameOfReference, positions]).toEqual([header.frameOfReference, communities.map(() => header.position)])
      const [rows, columns] = header.size
      expect([source.modality, sha256]).toEqual([source.modality, digestOf(communities.map((community) => segmentBy(grid, community, rows, columns)))])
    }
  })

  it('have the float32 values of the HTTP answer as Parametric Maps, each patch where the half-pixel rule puts it', async () => {
    const { size, spacing, orientation, position, frameOfReference, instance } = pydicomReads(sources[2]!.bytes, HEADER) as Header
    const maps = answerOf('CT').maps.filter(({ kind }) => kind !== 'categorical')
    const read = pydicomReadsEach(
      maps.map(({ name }) => objectOf('CT', contentLabel(name))),
      PARAMETRIC_MAP,
    ) as ParametricMap[]
    // 32 pixels a patch, so that the first patch's center lies 15.5 pixels from the center of the first pixel, along both directions.
    const patch = 32
    expect(size).toEqual([patch * CELLS, patch * CELLS])
    const center = position!.map((start, axis) => start + 15.5 * (spacing![1]! * orientation![axis]! + spacing![0]! * orientation![axis + 3]!))
    for (const [i, { name }] of maps.entries()) {
      const { values, plane, references } = read[i]!
      expect([name, values]).toEqual([name, await gridOf('CT', name)])
      expect([name, references]).toEqual([name, [frameOfReference, instance, orientation]])
      // Ten significant digits are written.
      ;[patch * spacing![0]!, patch * spacing![1]!, ...center].forEach((expected, at) => void expect(Math.abs(plane[at]! - expected)).toBeLessThan(1e-7))
    }
  })

  it('are shown by the archive as the panel that the API draws, pixel for pixel, and not blank', async () => {
    for (const { modality } of sources) {
      const shown = await pixelsOf(await preview(orthanc, readFileMeta(objectOf(modality, 'sc')).sopInstanceUid))
      const [map] = answerOf(modality).maps
      const panel = await ask(`/v1/predictions/${jobs.get(modality)?.predictionId}/maps/${map?.name}.png?style=panel&alpha=0.4`)
      const drawn = await pixelsOf(new Uint8Array(await panel.arrayBuffer()))
      expect([modality, shown.rows, shown.columns]).toEqual([modality, drawn.rows, drawn.columns])
      expect([modality, Buffer.compare(shown.values, drawn.values)]).toEqual([modality, 0])
      const colors = new Set<number>()
      for (let i = 0; i < shown.values.length; i += 3) colors.add((shown.values[i]! << 16) | (shown.values[i + 1]! << 8) | shown.values[i + 2]!)
      expect(colors.size).toBeGreaterThan(1000)
    }
  })

  it('add nothing to the archive when they are sent again, by STOW-RS and by C-STORE', async () => {
    const before = await countInArchive()
    expect(before).toBe([...delivered.values()].reduce((count, objects) => count + Object.keys(objects).length, 0))
    const { contentType, body } = buildMultipart(
      sources.map(({ bytes }) => bytes),
      'b-0123456789',
    )
    const response = await fetch(`${server.url}/dicom-web/studies`, { method: 'POST', headers: { 'content-type': contentType }, body: Buffer.from(body) })
    expect(response.status).toBe(200)
    for (const { bytes, proposal } of sources) await storescu(server, [bytes], proposal)
    const ended = await untilOver(server, 2 * sources.length)
    expect(ended.map(({ door, state }) => `${door} ${state}`).sort()).toEqual([...Array(3).fill('c-store done'), ...Array(3).fill('stow done')])
    expect(await countInArchive()).toBe(before)
  })
})
