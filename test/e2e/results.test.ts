import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildChestPhantom } from '../../src/demo/chest-phantom.ts'
import type { PredictionAnswer } from '../../src/domain/answer.ts'
import { schemaErrors } from '../http/support/open-test-server.ts'
import { dciodvfyErrors, hasDciodvfy, hasPydicom, pydicomReads } from '../support/dicom-tools.ts'
import { type RunningServer, startServer } from './support/start-server.ts'
import { TINY_DCMM, writeTinyBundles } from './support/write-tiny-bundle.ts'

const dicom = buildChestPhantom({ rows: 120, columns: 96, seed: 3, opacity: 0.8 })
/** Class and value of every output score of a structured report, the class by its coded meaning. */
const SCORES = `sorted([float(n.MeasuredValueSequence[0].FloatingPointValue) for e in ds.iterall() if e.tag == 0x0040A730 for n in e.value
  if n.ValueType == 'NUM' and n.ConceptNameCodeSequence[0].CodeValue == 'MODEL_OUTPUT'])`

let folder: string
let server: RunningServer
const environment = (): Record<string, string> => ({
  ATTENDING_MODELS_DIR: join(folder, 'models'),
  ATTENDING_DATA_DIR: join(folder, 'data'),
  ATTENDING_ENGINES: '1',
  ATTENDING_DEVICE_SERIAL: 'site-7',
  TZ: 'Asia/Kolkata',
})
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'attending-results-'))
  writeTinyBundles(join(folder, 'models'))
  server = await startServer(environment())
})
afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true })
})

const predict = async (body: Uint8Array, type: string): Promise<PredictionAnswer> => {
  const response = await fetch(`${server.url}/v1/models/${TINY_DCMM}/predictions`, { method: 'POST', headers: { 'content-type': type }, body: Buffer.from(body) })
  return (await response.json()) as PredictionAnswer
}
const result = async (id: string, name: string): Promise<{ status: number; bytes: Buffer }> => {
  const response = await fetch(`${server.url}/v1/predictions/${id}/results/${name}`)
  return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) }
}

describe('the results of a kept prediction', () => {
  it('are DICOM files of each kind that a radiograph without geometry allows, and a reason for the one that it does not', async () => {
    const { id } = await predict(dicom, 'application/dicom')
    for (const name of ['sr.dcm', 'seg.dcm', 'sc.dcm', 'ko.dcm']) {
      const { status, bytes } = await result(id, name)
      expect([name, status, bytes.toString('latin1', 128, 132)]).toEqual([name, 200, 'DICM'])
    }
    const { status, bytes } = await result(id, 'pm.dcm')
    const problem = JSON.parse(bytes.toString('utf8')) as object
    expect(schemaErrors('Problem', problem)).toBe('')
    expect({ status, ...problem }).toMatchObject({ status: 404, code: 'result-unavailable', kind: 'pm', detail: expect.stringContaining('the Secondary Capture shows the map') })
  })

  it('are the same bytes after a restart', async () => {
    const { id } = await predict(dicom, 'application/dicom')
    const before = await Promise.all(['sr.dcm', 'sc.dcm'].map((name) => result(id, name)))
    await server.stop()
    server = await startServer(environment())
    const after = await Promise.all(['sr.dcm', 'sc.dcm'].map((name) => result(id, name)))
    expect(after.map(({ bytes }, i) => bytes.equals(before[i]?.bytes ?? Buffer.of()))).toEqual([true, true])
  })

  it.skipIf(!hasDciodvfy)('are called right by dciodvfy (needs dicom3tools)', async () => {
    const { id } = await predict(dicom, 'application/dicom')
    for (const name of ['sr.dcm', 'seg.dcm', 'sc.dcm', 'ko.dcm']) expect([name, dciodvfyErrors((await result(id, name)).bytes)]).toEqual([name, []])
  })

  it.skipIf(!hasPydicom)("hold the answer's own numbers, the installation's name and its time zone, as pydicom reads them (needs python3-pydicom)", async () => {
    const { id, classes, createdAt } = await predict(dicom, 'application/dicom')
    const { bytes } = await result(id, 'sr.dcm')
    expect(pydicomReads(bytes, SCORES)).toEqual(classes.map(({ probability }) => probability).toSorted((a, b) => a - b))
    // India is five and a half hours ahead of UTC.
    const local = new Date(Date.parse(createdAt) + 5.5 * 3_600_000).toISOString().replace(/[-:T]/g, '').slice(0, 14)
    expect(pydicomReads(bytes, '[ds.DeviceSerialNumber, ds.ContentDate + ds.ContentTime[:6], ds.VerificationFlag, ds.PreliminaryFlag]')).toEqual([
      'site-7',
      local,
      'UNVERIFIED',
      'PRELIMINARY',
    ])
  })
})
