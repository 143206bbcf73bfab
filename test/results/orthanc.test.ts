/** Results in a real archive: stored, kept byte for byte, stored again without a double, shown. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { buildResults } from '../../src/results/build-results.ts'
import { corpusFile, hasCorpus } from '../support/corpus.ts'
import { hasOrthanc, type Orthanc, preview, retrieve, startOrthanc, stow } from '../support/orthanc.ts'
import { environment, panel, predictionFor, predictionOf, sliceSource } from '../support/result-fixtures.ts'

describe.skipIf(!hasOrthanc)('results in Orthanc (needs orthanc and orthanc-dicomweb)', () => {
  let orthanc: Orthanc
  const { objects } = buildResults(predictionOf({ rows: 23, columns: 38, modality: 'CT' }), sliceSource, panel, environment)
  const uids = objects.map(({ sopInstanceUid }) => sopInstanceUid)

  beforeAll(async () => {
    orthanc = await startOrthanc()
  })
  afterAll(async () => {
    await orthanc?.stop()
  })

  it('are stored by STOW-RS, every kind, and kept byte for byte', async () => {
    const answer = await stow(
      orthanc,
      objects.map(({ bytes }) => bytes),
    )
    expect(answer).toEqual({ status: 200, stored: uids, failed: [] })
    for (const { sopInstanceUid, bytes } of objects) expect(Buffer.from(await retrieve(orthanc, sopInstanceUid)).equals(bytes)).toBe(true)
  })

  it('are found by QIDO-RS in the source study, each kind in a series of its own', async () => {
    const response = await fetch(`${orthanc.url}/dicom-web/studies/${sliceSource.studyInstanceUid}/series?includefield=0008103E`, { headers: { accept: 'application/dicom+json' } })
    const series = (await response.json()) as Record<string, { Value?: string[] }>[]
    expect(series.map((one) => `${one['00080060']?.Value?.[0]}: ${one['0008103E']?.Value?.[0]}`).sort()).toEqual([
      'KO: AI key images (research use only)',
      'OT: AI explanation maps (research use only)',
      'OT: AI explanation panel (research use only)',
      'SEG: AI patch communities (research use only)',
      'SR: AI report (research use only)',
    ])
  })

  it('are not doubled when they are made and sent again', async () => {
    const again = buildResults(predictionOf({ rows: 23, columns: 38, modality: 'CT' }), sliceSource, panel, { ...environment, createdAt: '2026-06-06T00:00:00.000Z' })
    const answer = await stow(
      orthanc,
      again.objects.map(({ bytes }) => bytes),
    )
    expect(answer.status).toBe(200)
    const statistics = (await (await fetch(`${orthanc.url}/statistics`)).json()) as { CountInstances: number }
    expect(statistics.CountInstances).toBe(objects.length)
  })

  it('are shown: the preview of the Secondary Capture is the panel, pixel for pixel', async () => {
    const { image } = await decodeImage(await preview(orthanc, uids[0]!), { frame: 1 })
    expect([image.facts.rows, image.facts.columns]).toEqual([panel.rows, panel.columns])
    expect(Array.from(image.pixels.data, (value) => Math.round(value * 255))).toEqual([...panel.pixels])
  })

  it.skipIf(!hasCorpus)('of a CR and an MR of the corpus are stored too (needs the corpus)', async () => {
    for (const file of ['cr_mono1_j2kr_u10.dcm', 'mr_small_evle.dcm']) {
      const { image, source } = await decodeImage(new Uint8Array(readFileSync(corpusFile(file))), { frame: 1 })
      const results = buildResults(predictionFor(image), source!, panel, environment)
      const answer = await stow(
        orthanc,
        results.objects.map(({ bytes }) => bytes),
      )
      expect(answer.stored).toEqual(results.objects.map(({ sopInstanceUid }) => sopInstanceUid))
    }
  })
})
