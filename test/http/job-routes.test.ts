import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MAX_OBJECT_BYTES } from './support/fake-gateway.ts'
import { type Answer, openTestServer, schemaErrors, type TestServer } from './support/open-test-server.ts'
import { dicomBytes, MODEL_ID } from './support/sample-prediction.ts'

let server: TestServer
beforeEach(async () => {
  server = await openTestServer()
})
afterEach(() => server.close())

const pull = { archive: 'pacs', studyInstanceUid: '1.2.840.1' }
const order = (body: unknown, query = '', headers: Record<string, string> = {}): Promise<Answer> =>
  server.ask(`/v1/jobs${query}`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })
const orderImage = (query = '', body: Uint8Array = dicomBytes): Promise<Answer> =>
  server.ask(`/v1/jobs${query}`, { method: 'POST', headers: { 'content-type': 'application/dicom' }, body: Buffer.from(body) })

describe('POST /v1/jobs', () => {
  it('makes a pull of a study, and says where its job is', async () => {
    const { status, headers, json } = await order(pull, '?priority=7')
    expect([status, headers.get('location'), json.state, json.priority]).toEqual([202, `/v1/jobs/${json.id}`, 'queued', 7])
    expect(json.href).toEqual({ self: `/v1/jobs/${json.id}`, events: `/v1/jobs/${json.id}/events`, prediction: null })
    expect(server.gateway.jobs.orders).toEqual([
      {
        order: { kind: 'pull', archive: 'pacs', studyInstanceUid: '1.2.840.1', seriesInstanceUid: null, sopInstanceUid: null, modelId: null, destinations: null },
        bytes: null,
        options: { priority: 7 },
      },
    ])
  })

  it('makes an order of an image, for the model and the destinations that are asked for', async () => {
    expect((await orderImage(`?model=${MODEL_ID}&destinations=pacs,vna`)).status).toBe(202)
    expect(server.gateway.jobs.orders).toEqual([
      {
        order: { kind: 'instance', door: 'http', peer: null, modelId: MODEL_ID, destinations: ['pacs', 'vna'] },
        bytes: Uint8Array.from(dicomBytes),
        options: { priority: 0 },
      },
    ])
  })

  it('answers 200 with the first job where the idempotency key comes again', async () => {
    const first = await order(pull, '', { 'idempotency-key': 'a-1' })
    const again = await order(pull, '', { 'idempotency-key': 'a-1' })
    const other = await order(pull, '', { 'idempotency-key': 'a-2' })
    expect([first.status, again.status, other.status]).toEqual([202, 200, 202])
    expect([again.json.id === first.json.id, other.json.id === first.json.id]).toEqual([true, false])
    expect(server.gateway.jobs.orders.map(({ options }) => options.idempotencyKey)).toEqual(['http/a-1', 'http/a-2'])
  })

  it.each([
    ['an archive that there is not', { ...pull, archive: 'elsewhere' }, 'archive'],
    ['a UID that is none', { ...pull, studyInstanceUid: '../../1' }, 'studyInstanceUid'],
    ['a member that is not known', { ...pull, patientName: 'DOE' }, 'body'],
    ['nothing to fetch', { archive: 'pacs' }, 'studyInstanceUid'],
    ['an instance without its series', { ...pull, sopInstanceUid: '1.2' }, 'seriesInstanceUid'],
    ['no object', [1], 'body'],
  ])('refuses %s by its name, and repeats nothing of it', async (_name, body, parameter) => {
    const { status, json, text } = await order(body)
    expect([status, json.code, json.parameter]).toEqual([400, 'parameter-invalid', parameter])
    expect(text).not.toMatch(/DOE|\.\.|elsewhere|patientName/)
  })

  it.each(['', 'with space', 'x'.repeat(256)])('refuses the idempotency key "%s"', async (key) => {
    const { json } = await order(pull, '', { 'idempotency-key': key })
    expect([json.code, json.parameter]).toEqual(['parameter-invalid', 'Idempotency-Key'])
  })

  it('takes no image that the queue would not, and no JSON without end', async () => {
    expect((await orderImage('', Buffer.concat([dicomBytes, new Uint8Array(MAX_OBJECT_BYTES)]))).json).toMatchObject({ code: 'body-too-large', limitBytes: MAX_OBJECT_BYTES })
    expect((await order({ ...pull, archive: 'x'.repeat(70_000) })).json).toMatchObject({ code: 'body-too-large', limitBytes: 65_536 })
  })
})

describe('a job', () => {
  const submitted = async (): Promise<string> => (await orderImage()).json.id

  it('is listed with the others, the newest first, by state if asked', async () => {
    const ids = [await submitted(), await submitted()]
    server.gateway.jobs.change(ids[0]!, { state: 'dead', problem: { code: 'pacs-unreachable', detail: 'no answer', facts: {} } })
    expect((await server.ask('/v1/jobs')).json.jobs.map(({ id }: { id: string }) => id)).toEqual([ids[1], ids[0]])
    const dead = (await server.ask('/v1/jobs?state=dead&limit=1')).json.jobs
    expect(dead).toMatchObject([
      { id: ids[0], state: 'dead', problem: { type: '/problems/pacs-unreachable', title: 'PACS unreachable', code: 'pacs-unreachable', detail: 'no answer' } },
    ])
  })

  it('leads to its prediction, and shows a fault of ours as that and no more', async () => {
    const id = await submitted()
    server.gateway.jobs.change(id, { state: 'done', predictionId: 'f'.repeat(32) })
    expect((await server.ask(`/v1/jobs/${id}`)).json.href.prediction).toBe(`/v1/predictions/${'f'.repeat(32)}`)
    server.gateway.jobs.change(id, { problem: { code: 'engine-lost', detail: 'the engine ended 2 times during this request', facts: {} } })
    const { json } = await server.ask(`/v1/jobs/${id}`)
    expect(json.problem).toEqual({ type: '/problems/internal', title: 'Internal failure', code: 'internal', detail: 'an unexpected failure; the log of the server tells where' })
  })

  it('is cancelled once, and taken up again only after it failed', async () => {
    const id = await submitted()
    expect((await server.ask(`/v1/jobs/${id}`, { method: 'DELETE' })).json.state).toBe('cancelled')
    expect((await server.ask(`/v1/jobs/${id}`, { method: 'DELETE' })).json.code).toBe('job-finished')
    expect((await server.ask(`/v1/jobs/${id}/replay`, { method: 'POST' })).json.code).toBe('job-finished')
    server.gateway.jobs.change(id, { state: 'failed' })
    expect((await server.ask(`/v1/jobs/${id}/replay`, { method: 'POST' })).json.state).toBe('queued')
  })

  it('is counted by state in the metrics', async () => {
    await submitted()
    const { text } = await server.ask('/metrics')
    expect(text).toContain('attending_jobs{state="queued"} 1')
    expect(text).toContain('attending_jobs{state="dead"} 0')
    expect(text).toContain('attending_jobs_oldest_queued_seconds 12.5')
  })
})

describe('the events of a job', () => {
  interface SentEvent {
    readonly id: string
    readonly event: string
    readonly data: { readonly state: string; readonly sequence: number }
  }
  /** The blocks of a finished stream, by their fields. */
  const readEvents = (text: string): SentEvent[] =>
    text
      .split('\n\n')
      .filter((block) => block.startsWith('id:'))
      .map((block) => Object.fromEntries(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)])))
      .map((fields) => ({ id: fields['id']!, event: fields['event']!, data: JSON.parse(fields['data']!) }))

  it('come as they happen, each by the schema, and end with the job', async () => {
    const { id } = (await orderImage()).json
    const asked = server.ask(`/v1/jobs/${id}/events`)
    server.gateway.jobs.change(id, { state: 'running', progress: { step: 'predict', done: 0, total: 0 } })
    server.gateway.jobs.change(id, { state: 'done', progress: { step: 'end', done: 1, total: 1 } })
    const { headers, text } = await asked
    const events = readEvents(text)
    expect(headers.get('content-type')).toBe('text/event-stream')
    expect(events.map(({ event }) => event)).toEqual(['queued', 'running', 'done'])
    for (const { id: place, data } of events) expect([place, schemaErrors('JobEvent', data)]).toEqual([String(data.sequence), ''])
  })

  it('go on behind the last one that the client has', async () => {
    const { id } = (await orderImage()).json
    server.gateway.jobs.change(id, { state: 'running' })
    server.gateway.jobs.change(id, { state: 'done' })
    const ask = (place: string): Promise<Answer> => server.ask(`/v1/jobs/${id}/events`, { headers: { 'last-event-id': place } })
    expect(readEvents((await ask('2')).text).map(({ event }) => event)).toEqual(['done'])
    expect((await ask('two')).json).toMatchObject({ code: 'parameter-invalid', parameter: 'Last-Event-ID' })
  })

  it('end when the server stops', async () => {
    const { id } = (await orderImage()).json
    const response = await fetch(`${server.url}/v1/jobs/${id}/events`)
    const decoder = new TextDecoder()
    let text = ''
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk)
      server.stop()
    }
    expect(readEvents(text).map(({ event }) => event)).toEqual(['queued'])
  })
})
