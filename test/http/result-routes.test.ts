import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SEALED } from './support/fake-engines.ts'
import { openTestServer, type TestServer } from './support/open-test-server.ts'
import { dicomBytes, MODEL_ID, pngBytes, samplePrediction } from './support/sample-prediction.ts'

let server: TestServer
beforeEach(async () => {
  server = await openTestServer()
})
afterEach(() => server.close())

const idOf = async (bytes: Uint8Array, type: string): Promise<string> => (await server.predict(bytes, '', type)).json.id
const dicomId = (): Promise<string> => idOf(dicomBytes, 'application/dicom')

describe('GET /v1/predictions/{id}/results/{kind}.dcm', () => {
  it('hands an engine the prediction as it was made and its sealed origin, and sends the object as a file', async () => {
    const id = await dicomId()
    const { status, headers, text } = await server.ask(`/v1/predictions/${id}/results/sr.dcm`)
    expect([status, headers.get('content-type'), headers.get('content-disposition'), text]).toEqual([200, 'application/dicom', 'attachment; filename="sr.dcm"', 'sr of null'])
    const [request] = server.engines.resultRequests
    const { networkInput: _, ...asMade } = samplePrediction // results are made without what the network saw
    expect(request?.prediction).toEqual(asMade)
    expect(Uint8Array.from(request?.origin ?? [])).toEqual(SEALED)
    expect(request).toMatchObject({
      resultKind: 'sr',
      requestId: id,
      environment: { createdAt: '2026-01-02T03:04:05.678Z', utcOffsetMinutes: 60, deviceSerialNumber: 'test' },
    })
  })

  it('asks with the time of the prediction, so that a later request gives equal bytes', async () => {
    const id = await dicomId()
    await server.ask(`/v1/predictions/${id}/results/sc.dcm`)
    server.clock.now = new Date(server.clock.now.getTime() + 60_000)
    await server.ask(`/v1/predictions/${id}/results/sc.dcm`)
    expect(server.engines.resultRequests[1]?.environment).toEqual(server.engines.resultRequests[0]?.environment)
  })

  it.each([
    ['', 'pm of attention'],
    ['?map=delta', 'pm of delta'],
  ])('gives the map that is asked for, else the first: pm.dcm%s', async (query, text) => {
    expect((await server.ask(`/v1/predictions/${await dicomId()}/results/pm.dcm${query}`)).text).toBe(text)
  })

  it.each([
    ['seg.dcm', 'the map names no communities'],
    ['pm.dcm?map=none', 'objects of this kind hold attention, delta'],
    ['sr.dcm?map=attention', 'no object of this kind holds a single map'],
  ])('says why there is no %s', async (path, detail) => {
    const { status, json } = await server.ask(`/v1/predictions/${await dicomId()}/results/${path}`)
    expect([status, json.code, json.kind, json.detail]).toEqual([404, 'result-unavailable', path.slice(0, path.indexOf('.')), detail])
  })

  it('makes none of a picture without a patient, and asks no engine', async () => {
    const { json } = await server.ask(`/v1/predictions/${await idOf(pngBytes, 'image/png')}/results/sr.dcm`)
    expect([json.code, json.detail]).toEqual(['result-unavailable', expect.stringContaining('no DICOM instance')])
    expect(server.engines.resultRequests).toEqual([])
  })

  it('shows the sealed origin in no answer and no line of the log', async () => {
    const id = await dicomId()
    const answers = [await server.ask(`/v1/predictions/${id}`), await server.ask(`/v1/predictions/${id}/results/sr.dcm`)]
    const all = Buffer.concat([...answers.map(({ bytes }) => bytes), Buffer.from(server.logLines.join())])
    expect(all.includes(Buffer.from(SEALED))).toBe(false)
    expect(server.logLines.join()).toContain(`"model":"${MODEL_ID}"`)
  })
})
