import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildMultipart, parseMultipartType, readParts } from '../../src/pacs/multipart.ts'

const limits = { maxPartBytes: 1 << 20, maxParts: 10 }

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function read(body: Uint8Array | string, boundary = 'B', size = 7, within = limits): Promise<{ headers: Record<string, string>; text: string }[]> {
  const parts: { headers: Record<string, string>; text: string }[] = []
  for await (const { headers, bytes } of readParts(inChunks(Buffer.from(body), size), boundary, within)) parts.push({ headers, text: bytes.toString('latin1') })
  return parts
}

describe('parseMultipartType', () => {
  it.each([
    ['multipart/related; type="application/dicom"; boundary=abc', { boundary: 'abc', type: 'application/dicom' }],
    ['Multipart/Related;boundary="a b=c";type=application/DICOM', { boundary: 'a b=c', type: 'application/dicom' }],
    ['multipart/related; boundary=x', { boundary: 'x', type: null }],
  ])('reads %s', (text, expected) => {
    expect(parseMultipartType(text)).toEqual(expected)
  })

  it.each([
    ['application/dicom', 'media-type-unsupported'],
    ['', 'media-type-unsupported'],
    ['multipart/related', 'request-malformed'],
    ['multipart/related; boundary=""', 'request-malformed'],
    ['multipart/related; boundary="a;b"', 'request-malformed'],
    [`multipart/related; boundary=${'x'.repeat(71)}`, 'request-malformed'],
    [`multipart/related; boundary=${'x'.repeat(1 << 20)}`, 'request-malformed'],
  ])('refuses %.60s', (text, code) => {
    expect(() => parseMultipartType(text)).toThrow(expect.objectContaining({ code }))
  })
})

describe('readParts', () => {
  it('reads the worked example of RFC 2046 section 5.1.1, preamble and epilogue left out', async () => {
    const body = [
      'This is the preamble.  It is to be ignored, though it',
      'is a handy place for composition agents to include an',
      'explanatory note to non-MIME conformant readers.',
      '',
      '--simple boundary',
      '',
      'This is implicitly typed plain US-ASCII text.',
      'It does NOT end with a linebreak.',
      '--simple boundary',
      'Content-type: text/plain; charset=us-ascii',
      '',
      'This is explicitly typed plain US-ASCII text.',
      'It DOES end with a linebreak.',
      '',
      '--simple boundary--',
      '',
      'This is the epilogue.  It is also to be ignored.',
    ].join('\r\n')
    expect(await read(body, 'simple boundary')).toEqual([
      { headers: {}, text: 'This is implicitly typed plain US-ASCII text.\r\nIt does NOT end with a linebreak.' },
      { headers: { 'content-type': 'text/plain; charset=us-ascii' }, text: 'This is explicitly typed plain US-ASCII text.\r\nIt DOES end with a linebreak.\r\n' },
    ])
  })

  it('gives back what was built, whatever the bytes and wherever the chunks are cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 50 }), async (files, size) => {
        const { body } = buildMultipart(files, 'no-such-text-0123456789')
        const parts = await read(body, 'no-such-text-0123456789', size)
        expect(parts.map(({ text }) => text)).toEqual(files.map((bytes) => Buffer.from(bytes).toString('latin1')))
      }),
    )
  })

  it.each([
    ['no boundary at all', 'x'.repeat(100), 'request-malformed'],
    ['an endless preamble', 'x'.repeat(10_000), 'request-malformed'],
    ['no closing boundary', '--B\r\n\r\ndata', 'request-malformed'],
    ['an endless header', `--B\r\n${'h'.repeat(9000)}`, 'request-malformed'],
    ['text behind the boundary', '--Boo\r\n\r\ndata\r\n--B--', 'request-malformed'],
    ['more parts than allowed', `${'--B\r\n\r\nx\r\n'.repeat(11)}--B--`, 'request-malformed'],
    ['a part above the limit', `--B\r\n\r\n${'x'.repeat((1 << 20) + 1)}\r\n--B--`, 'body-too-large'],
  ])('refuses a body with %s', async (_name, body, code) => {
    await expect(read(body, 'B', 4096)).rejects.toMatchObject({ code })
  })

  it('meets arbitrary bytes with parts or a Problem, never with anything else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom('--B', '\r\n', '--', 'a: b', '\r', '\n', 'x', ' '), { maxLength: 30 }), async (pieces) => {
        const parts = await read(pieces.join(''), 'B', 3).catch((error: { code?: string }) => error.code)
        expect(Array.isArray(parts) || parts === 'request-malformed').toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  it.each([
    ['the last part', '--B\r\n\r\nx\r\n--B--\r\nepilogue', 1],
    ['a part that breaks the body', `--B\r\n\r\nx\r\n--Boo\r\n`, null],
  ])('lets its source go behind %s', async (_name, body, count) => {
    let isLetGo = false
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield Buffer.from(body)
        yield Buffer.from('more')
      } finally {
        isLetGo = true
      }
    }
    const parts = async (): Promise<number> => {
      let seen = 0
      for await (const _part of readParts(source(), 'B', limits)) seen++
      return seen
    }
    expect(await parts().catch(() => null)).toBe(count)
    expect(isLetGo).toBe(true)
  })

  it('holds a part that comes in chunks of one byte at no cost beyond its bytes', async () => {
    const bytes = 1 << 20
    const before = process.memoryUsage().heapUsed
    let grown = 0
    async function* source(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('--B\r\n\r\n')
      const chunk = Buffer.from('x')
      for (let left = bytes; left > 0; left--) yield chunk
      grown = process.memoryUsage().heapUsed - before
      yield Buffer.from('\r\n--B--')
    }
    for await (const part of readParts(source(), 'B', limits)) expect(part.bytes.length).toBe(bytes)
    // A list of a million chunks would hold some 90 MB of objects.
    expect(grown).toBeLessThan(48 * 1024 * 1024)
  }, 60_000)

  it('never holds more than the next part: the second is not read before it is asked for', async () => {
    let isSecondRead = false
    async function* source(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('--B\r\n\r\nfirst\r\n--B\r\n')
      isSecondRead = true
      yield Buffer.from('\r\nsecond\r\n--B--')
    }
    for await (const { bytes } of readParts(source(), 'B', limits)) {
      if (bytes.toString() === 'first') expect(isSecondRead).toBe(false)
    }
    expect(isSecondRead).toBe(true)
  })
})
