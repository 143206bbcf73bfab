import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, openTestServer, type TestServer } from './support/open-test-server.ts'
import { dicomBytes, MODEL_ID, pngBytes } from './support/sample-prediction.ts'

const LIMIT_BYTES = 256 * 1024
let server: TestServer
beforeAll(async () => {
  server = await openTestServer({ maxBodyBytes: LIMIT_BYTES, maxBufferedBytes: 2 * LIMIT_BYTES })
})
afterAll(() => server.close())

const PATH = `/v1/models/${MODEL_ID}/predictions`
const post = (body: Uint8Array | string | FormData, headers: Record<string, string> = {}): Promise<Answer> =>
  server.ask(PATH, { method: 'POST', headers, body: body instanceof Uint8Array ? Buffer.from(body) : body })
const outcome = ({ status, json }: Answer): unknown => [status, json.code, json.parameter ?? json.limitBytes ?? null]
const imageOf = (length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  bytes.set(pngBytes)
  return bytes
}
const formOf = (parts: readonly (readonly [name: string, bytes: Uint8Array | string])[]): FormData => {
  const form = new FormData()
  for (const [name, value] of parts)
    form.append(name, typeof value === 'string' ? value : new Blob([Buffer.from(value)]), ...((typeof value === 'string' ? [] : ['a.png']) as [string]))
  return form
}

describe('the size of a body', () => {
  it('may be the limit, raw or as a form, and not a byte more', async () => {
    expect((await post(imageOf(LIMIT_BYTES), { 'content-type': 'image/png' })).status).toBe(200)
    expect(server.engines.predictions.at(-1)?.bytes.length).toBe(LIMIT_BYTES)
    expect((await post(formOf([['file', imageOf(LIMIT_BYTES)]]))).status).toBe(200)
    expect(outcome(await post(imageOf(LIMIT_BYTES + 1), { 'content-type': 'image/png' }))).toEqual([413, 'body-too-large', LIMIT_BYTES])
    expect(outcome(await post(formOf([['file', imageOf(LIMIT_BYTES + 1)]])))).toEqual([413, 'body-too-large', LIMIT_BYTES])
  })

  it('is refused by its declared length before a byte of it is read', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
      socket.write(`POST ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 9000000000\r\n\r\n`)
      socket.setEncoding('utf8').once('data', (text: string) => {
        socket.destroy()
        resolve(text)
      })
      socket.once('error', reject)
    })
    expect(answer).toMatch(/^HTTP\/1\.1 413 [\s\S]*"code":"body-too-large"/)
  })

  it('is held to the limit in chunks of one byte, at no cost beyond its bytes', async () => {
    const pieces = 2 * LIMIT_BYTES
    const before = process.memoryUsage().rss
    const answer = await sendInChunks(pieces)
    expect(answer).toEqual([413, 'body-too-large'])
    // A list of 512 Ki chunks would hold some 100 MB of objects.
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024)
    expect((await post(pngBytes, { 'content-type': 'image/png' })).status).toBe(200)
  })

  it('counts against the memory for all bodies until the engine has answered, and no longer', async () => {
    const predict = server.engines.predict
    let release: () => void = () => undefined
    const gate = new Promise<void>((open) => {
      release = open
    })
    let arrived = 0
    server.engines.predict = async (request) => {
      arrived++
      await gate
      return predict(request)
    }
    const held = [post(imageOf(LIMIT_BYTES), { 'content-type': 'image/png' }), post(imageOf(LIMIT_BYTES), { 'content-type': 'image/png' })]
    while (arrived < 2) await new Promise((done) => setTimeout(done, 5))
    const refused = await post(imageOf(LIMIT_BYTES), { 'content-type': 'image/png' })
    expect([refused.status, refused.json.code, refused.headers.get('retry-after')]).toEqual([429, 'overloaded', '2'])
    release()
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual([200, 200])
    server.engines.predict = predict
    expect((await post(imageOf(LIMIT_BYTES), { 'content-type': 'image/png' })).status).toBe(200)
  })
})

/** One-byte chunks in writes of 4096 of them, as they would come from a hostile client. */
async function sendInChunks(bytes: number): Promise<[number | undefined, string]> {
  const { port } = new URL(server.url)
  return await new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(`POST ${PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n`)
    const chunk = '1\r\n\0\r\n'.repeat(4096)
    let text = ''
    const writeFrom = (sent: number): void => {
      if (sent >= bytes) socket.write('0\r\n\r\n')
      else socket.write(chunk, () => writeFrom(sent + 4096))
    }
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
    socket.once('error', reject)
    socket.once('close', () => resolve([Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]), /"code":"([a-z-]+)"/.exec(text)?.[1] ?? '']))
    writeFrom(0)
  })
}

describe('the kind of a body', () => {
  it.each([
    ['GIF', 'GIF89a......'],
    ['TIFF', 'II*\0........'],
    ['SVG', '<svg xmlns="http://www.w3.org/2000/svg"/>'],
    ['VIPS', '\x08\xf2\xa6\xb6....'],
    ['WebP', 'RIFF....WEBPVP8 '],
    ['PDF', '%PDF-1.7'],
    ['nothing', ''],
    ['a web address', 'http://192.0.2.1/image.png'],
  ])('%s is refused by its bytes under every accepted type', async (_kind, text) => {
    const bytes = Buffer.from(text, 'latin1')
    for (const type of ['image/png', 'image/jpeg']) expect(outcome(await post(bytes, { 'content-type': type }))).toEqual([415, 'media-type-unsupported', null])
    expect(outcome(await post(bytes, { 'content-type': 'application/dicom' }))).toEqual([422, 'dicom-not-part10', null])
    expect(outcome(await post(formOf([['file', bytes]])))).toEqual([415, 'media-type-unsupported', null])
  })

  it.each(['text/plain', 'application/json', 'application/x-www-form-urlencoded', 'application/octet-stream', 'image/gif', 'IMAGE', ''])(
    'is told by the bytes though %s is declared',
    async (type) => {
      expect((await post(pngBytes, { 'content-type': type })).status).toBe(200)
    },
  )

  it('is not found in a multipart body that is no form', async () => {
    const answer = await post(pngBytes, { 'content-type': 'multipart/mixed; boundary=x' })
    expect(outcome(answer)).toEqual([415, 'media-type-unsupported', null])
    expect(answer.json.accepted).toEqual(['application/dicom', 'image/png', 'image/jpeg', 'multipart/form-data'])
  })

  it('may be written in any case and with parameters', async () => {
    expect((await post(dicomBytes, { 'content-type': 'Application/DICOM; transfer-syntax=1.2.840.10008.1.2.1' })).status).toBe(200)
  })

  it('is not taken compressed', async () => {
    expect(outcome(await post(pngBytes, { 'content-type': 'image/png', 'content-encoding': 'gzip' }))).toEqual([415, 'media-type-unsupported', null])
  })
})

describe('a form', () => {
  it.each([
    ['no part', formOf([])],
    [
      'a field beside the file',
      formOf([
        ['file', pngBytes],
        ['patient', 'DOE^JANE'],
      ]),
    ],
    [
      'a field before the file',
      formOf([
        ['patient', 'DOE^JANE'],
        ['file', pngBytes],
      ]),
    ],
    [
      'two files',
      formOf([
        ['file', pngBytes],
        ['file', pngBytes],
      ]),
    ],
    ['a file of another name', formOf([['image', pngBytes]])],
    ['a field named file', formOf([['file', 'text']])],
    ['a name that walks', formOf([['file[__proto__][x]', pngBytes]])],
  ])('with %s is refused, with no word of it in the answer', async (_what, form) => {
    const answer = await post(form)
    expect([outcome(answer), answer.text.includes('DOE')]).toEqual([[400, 'parameter-invalid', 'file'], false])
  })

  it('of ten thousand parts is given up at the second', async () => {
    const part = (i: number): string => `--b\r\nContent-Disposition: form-data; name="f${i}"\r\n\r\nx\r\n`
    const body = `${Array.from({ length: 10_000 }, (_, i) => part(i)).join('')}--b--\r\n`
    const small = body.slice(0, LIMIT_BYTES)
    expect(outcome(await post(small, { 'content-type': 'multipart/form-data; boundary=b' }))).toEqual([400, 'parameter-invalid', 'file'])
    expect(outcome(await post(body, { 'content-type': 'multipart/form-data; boundary=b' }))).toEqual([413, 'body-too-large', LIMIT_BYTES])
  })

  it.each([
    ['no boundary', 'multipart/form-data'],
    ['an empty boundary', 'multipart/form-data; boundary='],
    ['a boundary of 71 characters', `multipart/form-data; boundary=${'b'.repeat(71)}`],
    ['a quoted boundary of 8000 characters', `multipart/form-data; boundary="${'b'.repeat(8000)}"`],
  ])('with %s is malformed', async (_what, type) => {
    expect(outcome(await post('--b--\r\n', { 'content-type': type }))).toEqual([400, 'request-malformed', null])
  })

  it('that ends inside its file is malformed', async () => {
    const body = '--b\r\nContent-Disposition: form-data; name="file"; filename="DOE.png"\r\n\r\nabc'
    const answer = await post(body, { 'content-type': 'multipart/form-data; boundary=b' })
    expect([outcome(answer), answer.text.includes('DOE')]).toEqual([[400, 'request-malformed', null], false])
  })
})

describe('a client that leaves in the middle', () => {
  it('costs its request and nothing else', async () => {
    const { port } = new URL(server.url)
    const left = new Promise((resolve) => {
      const request = httpRequest({ port, host: '127.0.0.1', method: 'POST', path: PATH, headers: { 'content-type': 'image/png', 'content-length': '1000' } })
      request.on('error', resolve).on('close', resolve)
      request.write(Buffer.from(pngBytes), () => request.destroy())
    })
    await left
    const seen = server.logLines.length
    while (!server.logLines.slice(seen - 2).some((line) => line.includes('"status":499'))) await new Promise((done) => setTimeout(done, 5))
    expect((await post(pngBytes, { 'content-type': 'image/png' })).status).toBe(200)
  })
})
