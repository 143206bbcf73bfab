import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildMultipart } from '../../src/pacs/multipart.ts'
import { syntheticFile } from '../pacs/support/synthetic-files.ts'
import { type Answer, openTestServer, type TestServer } from './support/open-test-server.ts'

const CR = '1.2.840.10008.5.1.4.1.1.1'
const SR = '1.2.840.10008.5.1.4.1.1.88.33'
let server: TestServer
beforeEach(async () => {
  server = await openTestServer()
})
afterEach(() => server.close())

const store = (files: readonly Uint8Array[], headers: Record<string, string> = {}): Promise<Answer> => {
  const { contentType, body } = buildMultipart(files, 'b-0123456789')
  return server.ask('/dicom-web/studies', { method: 'POST', headers: { 'content-type': contentType, ...headers }, body: Buffer.from(body) })
}

describe('POST /dicom-web/studies', () => {
  it('takes every instance and says so in DICOM JSON', async () => {
    const files = [syntheticFile(CR, '1.2.3'), syntheticFile(CR, '1.2.4')]
    const { status, headers, json } = await store(files)
    expect([status, headers.get('content-type')]).toEqual([200, 'application/dicom+json'])
    expect(json['00081199'].Value.map((item: Record<string, { Value: string[] }>) => item['00081155']?.Value[0])).toEqual(['1.2.3', '1.2.4'])
    expect(server.gateway.received.map((bytes) => Buffer.from(bytes))).toEqual(files)
  })

  it.each([
    ['some', [syntheticFile(CR, '1.2.3'), syntheticFile(SR, '1.2.4')], 202],
    ['all', [syntheticFile(SR, '1.2.4')], 409],
  ])('answers as the standard has it where %s are refused', async (_name, files, status) => {
    const answer = await store(files)
    expect(answer.status).toBe(status)
    expect(answer.json['00081198'].Value[0]).toMatchObject({ '00081155': { Value: ['1.2.4'] }, '00081197': { Value: [0x0122] } })
  })

  it('reads on behind the closing boundary, so that the next request on the connection is met', async () => {
    const { contentType, body } = buildMultipart([syntheticFile(CR, '1.2.3')], 'b-0123456789')
    const epilogue = Buffer.alloc(1_000_000)
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    let text = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk
    })
    socket.write(`POST /dicom-web/studies HTTP/1.1\r\nHost: a\r\nContent-Type: ${contentType}\r\nContent-Length: ${body.length + epilogue.length}\r\n\r\n`)
    socket.write(body)
    socket.write(epilogue)
    socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    await once(socket, 'close')
    expect([...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status)).toEqual(['200', '200'])
  })

  it('gives the memory of each request back, whatever became of it', async () => {
    // A mebibyte for all bodies, 64 KiB for each request: the twentieth would not fit.
    for (let i = 0; i < 12; i++) {
      await store([syntheticFile(CR, `1.2.${i}`)])
      await server.ask('/dicom-web/studies', { method: 'POST', headers: { 'content-type': 'multipart/related; type="application/dicom"; boundary=x' }, body: Buffer.alloc(70_000) })
    }
    expect((await store([syntheticFile(CR, '1.2.99')])).status).toBe(200)
  })

  it('keeps what it accepted when the client goes in the middle of the next instance', async () => {
    const { contentType, body } = buildMultipart([syntheticFile(CR, '1.2.3'), syntheticFile(CR, '1.2.4')], 'b-0123456789')
    const { port } = new URL(server.url)
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(`POST /dicom-web/studies HTTP/1.1\r\nHost: a\r\nContent-Type: ${contentType}\r\nContent-Length: ${body.length}\r\n\r\n`)
    socket.write(body.subarray(0, body.length - 100))
    await expect.poll(() => server.gateway.received.length).toBe(1)
    socket.destroy()
    await expect.poll(() => server.logLines.length).toBe(1)
    expect(server.gateway.received.length).toBe(1)
    expect((await store([syntheticFile(CR, '1.2.5')])).status).toBe(200)
  })
})
