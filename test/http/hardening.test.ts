import { once } from 'node:events'
import { connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Problem } from '../../src/domain/problem.ts'
import { openApi, openTestServer, type TestServer } from './support/open-test-server.ts'
import { dicomBytes, MODEL_ID, pngBytes } from './support/sample-prediction.ts'

/** What the server writes on a bare connection until it closes it. */
const talk = (url: string, request: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(request, 'latin1'))
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(text))
  })

/** Ways to climb out of a folder, plain, encoded, doubly encoded and overlong. */
const CLIMBS = [
  '..',
  '../',
  '..\\',
  '..;/',
  '....//',
  '%2e%2e',
  '%2e%2e%2f',
  '%2E%2E/',
  '..%2f',
  '..%5c',
  '%252e%252e%252f',
  '%c0%ae%c0%ae/',
  '%c0%af',
  '%e0%80%ae',
  '%uff0e%uff0e/',
  '.%00./',
  '%00',
  '..%00',
  '..%0d%0a',
]
const TARGETS = ['', 'etc/passwd', 'etc%2fpasswd', 'live/x/answer.json', 'manifest.json', 'C:%5cWindows', 'proc/self/environ', 'a.png', '%00.png', 'communities.png']
const TRAVERSALS = CLIMBS.flatMap((climb) => TARGETS.map((target) => climb + target))

describe('a path that climbs', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await openTestServer()
  })
  afterAll(() => server.close())

  const templates = openApi.operations.filter(({ path }) => path.includes('{'))
  const spots = templates.flatMap(({ method, path }) => [...path.matchAll(/\{([a-z]+)\}/g)].map(([whole, name]) => ({ method, path, whole, name: name ?? '' })))
  const fill = (path: string): string =>
    path.replace('{model}', MODEL_ID).replace('{id}', '0'.repeat(32)).replace('{map}', 'communities').replace('{format}', 'png').replace('{code}', 'internal')

  it.each(spots)('reaches nothing through $name of $method $path', async ({ method, path, whole }) => {
    expect(TRAVERSALS.length).toBeGreaterThan(180)
    const head = `Host: x\r\nContent-Type: image/png\r\nContent-Length: 0\r\n`
    const requests = TRAVERSALS.map((text) => `${method.toUpperCase()} ${fill(path.replace(whole, '\u0001')).replace('\u0001', text)} HTTP/1.1\r\n${head}`)
    // One connection: the answers come in the order of the requests.
    const text = await talk(server.url, `${requests.join('\r\n')}Connection: close\r\n\r\n`)
    const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
    expect(statuses).toHaveLength(TRAVERSALS.length)
    expect(statuses.filter((status) => ![400, 404, 405].includes(status))).toEqual([])
    expect(text).not.toMatch(/root:|PATH=|"answer"|schemaVersion/)
  })
})

describe('a request that HTTP cannot read', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await openTestServer({}, { headersTimeoutMs: 300, requestTimeoutMs: 600, checkIntervalMs: 50 })
  })
  afterAll(() => server.close())

  const isMalformed = (text: string): void => {
    expect(text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(text.slice(0, text.indexOf('\r\n\r\n'))).toMatch(/\r\nContent-Type: application\/problem\+json(;|\r\n)/)
    expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4))).toMatchObject({ status: 400, code: 'request-malformed', type: '/problems/request-malformed' })
  }

  it.each([
    ['no HTTP at all', 'DICOM HELLO\r\n\r\n'],
    ['a head above 16 KiB', `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(17_000)}\r\n\r\n`],
    ['a path above 16 KiB', `GET /${'a'.repeat(17_000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ['no host', 'POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'],
    ['two hosts', 'POST / HTTP/1.1\r\nHost: x\r\nHost: y\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'],
    ['an expectation of its own', 'POST / HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'],
    ['a length and chunks', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ])('(%s) is answered as a problem, and its connection ends', async (_what, request) => {
    isMalformed(await talk(server.url, request))
  })

  it('is answered as a problem when its head does not come to an end in time', async () => {
    isMalformed(await talk(server.url, 'GET / HTTP/1.1\r\nHost: x\r\nX-Slow: '))
  })

  it('is answered as a problem when its body does not come to an end in time', async () => {
    const text = await talk(server.url, `POST /v1/models/${MODEL_ID}/predictions HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 100\r\n\r\nabc`)
    expect(text).toContain('"code":"request-malformed"')
  })

  it('leaves a good client its answers meanwhile', async () => {
    const slow = Array.from({ length: 50 }, () => talk(server.url, 'GET / HTTP/1.1\r\nX-Slow: '))
    expect((await server.ask('/healthz')).status).toBe(200)
    expect((await Promise.all(slow)).every((text) => text.startsWith('HTTP/1.1 400'))).toBe(true)
  })

  it('has the whole request before it answered first', async () => {
    const length = pngBytes.length
    const head = `POST /v1/models/${MODEL_ID}/predictions HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: ${length}\r\n\r\n`
    const text = await talk(server.url, `${head}${Buffer.from(pngBytes).toString('latin1')}no request`)
    expect([...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status)).toEqual(['200', '400'])
  })

  it('gets no second answer where its first came before its body', async () => {
    const text = await talk(server.url, `POST /v1/models/${MODEL_ID}/predictions HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 9000000\r\n\r\nabc`)
    expect([...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status)).toEqual(['413'])
  })

  it('is read on after an early answer, so that no reset overtakes that', async () => {
    const head = `POST /v1/models/${MODEL_ID}/predictions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: multipart/mixed\r\nContent-Length: 1000\r\n\r\n`
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1', () => socket.write(head))
    const failure = new Promise((_, reject) => socket.once('error', reject))
    const [answer] = await Promise.race([once(socket, 'data'), failure.then(() => [])])
    expect(String(answer)).toMatch(/^HTTP\/1\.1 415 [\s\S]*"code":"media-type-unsupported"/)
    const closed = once(socket, 'close')
    for (let left = 10; left > 0; left--) {
      socket.write(Buffer.alloc(100))
      await new Promise((done) => setImmediate(done))
    }
    expect(await Promise.race([closed, failure])).toEqual([false])
    expect(socket.bytesWritten).toBe(head.length + 1000)
  })

  it('keeps no connection, even of a client that never closes its own side', async () => {
    const lone = await openTestServer()
    const socket = connect({ port: Number(new URL(lone.url).port), host: '127.0.0.1', allowHalfOpen: true }, () => socket.write('no request\r\n\r\n'))
    try {
      await new Promise((ended) => socket.resume().once('end', ended))
      await expect.poll(() => lone.connections(), { timeout: 20_000 }).toBe(0)
    } finally {
      socket.destroy()
      await lone.close()
    }
  }, 30_000)

  it('may be a path whose percent-encoding is broken', async () => {
    const { status, json } = await server.ask('/v1/models/%E0%A4%A')
    expect([status, json.code]).toEqual([400, 'request-malformed'])
  })
})

describe('names that a request brings along', () => {
  const SEEDS = ['DOE^JANE', 'MRN-0815', '19700101', 'St. Elsewhere', 'ACC-4711', '1.2.840.99999.1.2.3']

  it('appear in no answer, no log line and no figure', async () => {
    const server = await openTestServer()
    try {
      const texts: string[] = []
      const send = async (path: string, init?: RequestInit): Promise<void> => void texts.push((await server.ask(path, init)).text)
      for (const seed of SEEDS) {
        const text = encodeURIComponent(seed)
        const dicom = Buffer.concat([dicomBytes, Buffer.from(seed)])
        const form = new FormData()
        form.append('file', new Blob([Buffer.from(pngBytes)]), `${seed}.png`)
        const wrong = new FormData()
        wrong.append(seed, new Blob([Buffer.from(pngBytes)]), `${seed}.png`)
        const path = `/v1/models/${MODEL_ID}/predictions`
        await send(path, { method: 'POST', body: dicom, headers: { 'content-type': 'application/dicom', 'user-agent': seed, referer: seed, 'x-request-id': seed } })
        await send(path, { method: 'POST', body: form })
        await send(path, { method: 'POST', body: wrong })
        await send(path, { method: 'POST', body: seed, headers: { 'content-type': `image/png; name="${seed}"` } })
        await send(path, { method: 'POST', body: seed, headers: { 'content-type': `text/${seed.replace(/[^A-Za-z0-9]/g, '')}` } })
        for (const query of [`class=${text}`, `maps=${text}`, `frame=${text}`, `${text}=1`, `store=${text}`])
          await send(`${path}?${query}`, { method: 'POST', body: Buffer.from(pngBytes), headers: { 'content-type': 'image/png' } })
        for (const place of [`/${text}`, `/v1/models/${text}`, `/v1/predictions/${text}`, `/v1/predictions/${text}/maps/${text}.png`, `/problems/${text}`, `/docs/${text}`])
          await send(place)
        server.engines.predict = () => Promise.reject(new Error(`cannot decode ${seed}`, { cause: new Problem('internal', seed, {}, new TypeError(seed)) }))
        await send(path, { method: 'POST', body: dicom, headers: { 'content-type': 'application/dicom' } })
      }
      await send('/metrics')
      expect(server.logLines.length).toBeGreaterThan(SEEDS.length * 15)
      const all = [...texts, ...server.logLines].join('\n')
      for (const seed of SEEDS) expect([seed, all.includes(seed), all.includes(encodeURIComponent(seed))]).toEqual([seed, false, false])
    } finally {
      await server.close()
    }
  })

  it('leave a log line that says what happened by template, status, model and code', async () => {
    const server = await openTestServer()
    try {
      await server.predict(pngBytes, '?frame=0')
      await server.ask('/somewhere/else')
      const [first, second] = server.logLines.map((line) => JSON.parse(line))
      expect(first).toEqual({
        requestId: expect.stringMatching(/^[0-9a-f]{32}$/),
        method: 'POST',
        route: '/v1/models/{model}/predictions',
        status: 400,
        ms: expect.any(Number),
        model: null,
        code: 'parameter-invalid',
        message: 'request',
      })
      expect(second).toMatchObject({ method: 'GET', route: 'unmatched', status: 404, code: 'route-unknown' })
    } finally {
      await server.close()
    }
  })
})

describe('the routes under any verb and any bytes', () => {
  it('never fail as ours, whatever is asked', async () => {
    const server = await openTestServer()
    try {
      const bodies = ['', '{"__proto__":{"polluted":1}}', '\0'.repeat(300), 'http://169.254.169.254/latest/meta-data']
      for (const { path } of openApi.operations) {
        const plain = path.replace('{model}', MODEL_ID).replace('{id}', '0'.repeat(32)).replace('{map}', 'communities').replace('{format}', 'png').replace('{code}', 'internal')
        for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
          for (const body of bodies) {
            const { status } = await server.ask(plain, { method, body, headers: { 'content-type': 'application/json' } })
            expect({ method, plain, isOurs: status >= 500 }).toEqual({ method, plain, isOurs: false })
          }
        }
      }
      expect(({} as { polluted?: number }).polluted).toBeUndefined()
    } finally {
      await server.close()
    }
  })

  it('answer any body under any accepted type with one of their own statuses', async () => {
    const server = await openTestServer()
    try {
      const type = fc.constantFrom('application/dicom', 'image/png', 'image/jpeg', 'multipart/form-data; boundary=b', 'multipart/form-data')
      const start = fc.constantFrom('', '\x89PNG\r\n\x1a\n', '\xff\xd8\xff', '--b\r\n', '--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n', '--b--')
      await fc.assert(
        fc.asyncProperty(type, start, fc.uint8Array({ maxLength: 400 }), async (contentType, head, tail) => {
          const { status } = await server.predict(Buffer.concat([Buffer.from(head, 'latin1'), tail]), '', contentType)
          expect([200, 400, 415, 422]).toContain(status)
        }),
        { numRuns: 300 },
      )
    } finally {
      await server.close()
    }
  })

  it('answer any path and query that can be sent with one of their own statuses', async () => {
    const server = await openTestServer()
    try {
      const word = fc.stringMatching(/^[!-~]{1,12}$/).map((text) => text.replace(/[#?/]/g, ''))
      const path = fc.oneof(fc.array(word, { maxLength: 5 }), fc.constantFrom(...openApi.operations.map(({ path: template }) => template.replace(/[{}]/g, '').split('/').slice(1))))
      await fc.assert(
        fc.asyncProperty(path, fc.dictionary(word, word, { maxKeys: 3 }), async (parts, query) => {
          const search = Object.entries(query).map(([name, value]) => `${name}=${value}`)
          const text = await talk(server.url, `GET /${parts.join('/')}?${search.join('&')} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
          expect(text).toMatch(/^HTTP\/1\.1 (200|308|400|404|405) /)
        }),
        { numRuns: 300 },
      )
    } finally {
      await server.close()
    }
  })
})
