/** As many spoilt requests as ten seconds allow in the gate, three elsewhere: the server outlives each, answers it as promised or closes, and serves the request behind it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildMultipartCaseOf, FuzzedDoors } from './fuzz-multipart.ts'
import type { FuzzOutcome } from './fuzz-target.ts'
import { buildMultipartSeeds, type MultipartSeed, writeMessage } from './multipart-seeds.ts'
import type { MultipartCase } from './mutate-multipart.ts'
import { readHttpAnswers } from './read-http-answer.ts'
import { runFuzz } from './run-fuzz.ts'

const SECONDS = process.env['CI'] === undefined ? 3 : 10

const whole = ({ message }: MultipartSeed): MultipartCase => ({ bytes: writeMessage(message), pieceBytes: [], turns: 1, ending: 'wait', accept: 'at once' })
const seedOf = (name: string): MultipartSeed => buildMultipartSeeds().find((seed) => seed.name === name)!

/** What becomes of a seed that is not simply answered with success. */
const OTHER_OUTCOMES: Readonly<Record<string, string>> = {
  'store of an image and a report': 'status 202',
  'store of no DICOM': 'status 409',
  'store of nothing': 'request-malformed',
  'store of JSON metadata': 'media-type-unsupported',
  'store of XML metadata': 'media-type-unsupported',
  'metadata said to be DICOM': 'status 202',
  'form with two files': 'parameter-invalid',
  'form with a field': 'parameter-invalid',
  'form with another file': 'parameter-invalid',
  'form with nothing': 'parameter-invalid',
}

describe('the doors for multipart bodies under spoilt requests', () => {
  let doors: FuzzedDoors
  beforeAll(async () => {
    doors = await FuzzedDoors.open(5000)
  })
  afterAll(async () => expect(await doors.close()).toBeNull())

  it.each(buildMultipartSeeds().map((seed): [string, MultipartSeed] => [seed.name, seed]))('understand the seed "%s", so that what is spoilt was whole', async (name, seed) => {
    const code = OTHER_OUTCOMES[name]
    const expected: FuzzOutcome = code === undefined ? { kind: 'taken' } : { kind: 'refused', code }
    expect(await doors.run(whole(seed))).toEqual(expected)
    // in small pieces it comes to the same
    expect(await doors.run({ ...whole(seed), pieceBytes: [1, 2, 30] })).toEqual(expected)
  })

  it.each([
    ['store', 'full', 'status 409'],
    ['store', 'broken', 'status 409'],
    ['form with a PNG', 'full', 'overloaded'],
    ['form with a PNG', 'broken', 'internal'],
  ] as const)('acknowledge nothing (%s) where what takes it is %s', async (name, accept, code) => {
    expect(await doors.run({ ...whole(seedOf(name)), accept })).toEqual({ kind: 'refused', code })
  })

  it(`outlive each of the spoilt requests that ${SECONDS} s allow, and print nothing`, async () => {
    const { cases, taken, refused, finds } = await runFuzz('multipart', SECONDS)
    expect(finds).toEqual([])
    expect(cases).toBeGreaterThan(100)
    expect(taken).toBeGreaterThan(cases / 40)
    expect(Object.keys(refused).length).toBeGreaterThan(5)
  }, 120_000)

  it('are met with the same case by the same number', () => {
    expect(buildMultipartCaseOf(41)).toEqual(buildMultipartCaseOf(41))
    expect(buildMultipartCaseOf(41)).not.toEqual(buildMultipartCaseOf(42))
  })
})

describe('readHttpAnswers', () => {
  const read = (text: string): ReturnType<typeof readHttpAnswers> => readHttpAnswers(Buffer.from(text.replaceAll('|', '\r\n'), 'latin1'))

  it('reads answers written by hand, one of a length and one in chunks, behind one that only announces them', () => {
    const { answers, isWhole } = read('HTTP/1.1 100 Continue||HTTP/1.1 200 OK|Content-Length: 2||okHTTP/1.1 404 Not Found|Transfer-Encoding: chunked||3|abc|1|d|0||')
    expect(isWhole).toBe(true)
    expect(answers.map(({ status, body }) => [status, body.toString()])).toEqual([
      [200, 'ok'],
      [404, 'abcd'],
    ])
  })

  it.each(['HTTP/1.1 200 OK|Content-Length: 3||ok', 'HTTP/1.1 200 OK|Content-Le', 'HTT', 'HTTP/1.1 200 OK|Transfer-Encoding: chunked||3|abc|'])(
    'tells that %s is cut off',
    (text) => {
      expect(read(text)).toEqual({ answers: [], isWhole: false })
    },
  )

  it.each(['<html>', 'HTTP/1.1 999 No||', 'HTTP/1.1 200 OK|A: b|A: c|Content-Length: 0||', 'HTTP/1.1 200 OK||no length', 'HTTP/1.1 200 OK|Transfer-Encoding: chunked||g|'])(
    'refuses %s',
    (text) => {
      expect(() => read(text)).toThrow(Error)
    },
  )
})
