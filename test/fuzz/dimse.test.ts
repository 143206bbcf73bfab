/** As many spoilt conversations as ten seconds allow in the gate, three elsewhere: the receiver outlives each, closes it, and answers an echo behind it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildDimseSeeds, type DimseSeed, writeUnit } from './dimse-seeds.ts'
import { buildDimseCaseOf, FuzzedReceiver } from './fuzz-dimse.ts'
import type { DimseCase } from './mutate-dimse.ts'
import { readDimseAnswer } from './read-dimse-answer.ts'
import { runFuzz } from './run-fuzz.ts'

const SECONDS = process.env['CI'] === undefined ? 3 : 10

const whole = ({ pdus }: DimseSeed): DimseCase => ({ pdus: pdus.map(writeUnit), pieceBytes: [], turns: 1, ending: 'end', accept: 'at once' })

/** What becomes of a seed that is not simply answered with success. */
const OTHER_OUTCOMES: Readonly<Record<string, string>> = {
  find: 'status 0110',
  'answer to nothing': 'closed within the association',
  'unknown peer': 'association rejected',
  'abort within a store': 'closed within the association',
}

describe('the DIMSE receiver under spoilt conversations', () => {
  let receiver: FuzzedReceiver
  beforeAll(async () => {
    receiver = await FuzzedReceiver.open()
  })
  afterAll(async () => expect(await receiver.close()).toBeNull())

  it.each(buildDimseSeeds().map((seed): [string, DimseSeed] => [seed.name, seed]))('understands the seed "%s", so that what is spoilt was whole', async (name, seed) => {
    const code = OTHER_OUTCOMES[name]
    expect(await receiver.run(whole(seed))).toEqual(code === undefined ? { kind: 'taken' } : { kind: 'refused', code })
    // byte after byte it comes to the same
    expect(await receiver.run({ ...whole(seed), pieceBytes: [1, 2, 3] })).toEqual(code === undefined ? { kind: 'taken' } : { kind: 'refused', code })
  })

  it.each(['full', 'broken'] as const)('acknowledges nothing where the queue is %s', async (accept) => {
    const store = buildDimseSeeds().find(({ name }) => name === 'store')!
    expect(await receiver.run({ ...whole(store), accept })).toEqual({ kind: 'refused', code: accept === 'full' ? 'status a700' : 'status 0110' })
  })

  it(`outlives each of the spoilt conversations that ${SECONDS} s allow, and prints nothing`, async () => {
    const { cases, taken, refused, finds } = await runFuzz('dimse', SECONDS)
    expect(finds).toEqual([])
    expect(cases).toBeGreaterThan(100)
    expect(taken).toBeGreaterThan(cases / 20)
    expect(Object.keys(refused).length).toBeGreaterThan(6)
  }, 120_000)

  it('makes the same case of the same number', () => {
    expect(buildDimseCaseOf(41)).toEqual(buildDimseCaseOf(41))
    expect(buildDimseCaseOf(41)).not.toEqual(buildDimseCaseOf(42))
  })
})

describe('readDimseAnswer', () => {
  it('reads a C-ECHO-RSP written by hand', () => {
    const hex = '0400000000 1c 00000018 01 03 0000 0001 02000000 3080 0000 0009 02000000 0000'.replaceAll(' ', '')
    const echo = Buffer.from(hex, 'hex')
    echo.writeUInt32BE(echo.length - 6, 2)
    echo.writeUInt32BE(echo.length - 10, 6)
    expect(readDimseAnswer(echo)).toEqual({ pduTypes: [4], responses: [{ commandField: 0x8030, status: 0 }], isWhole: true })
    expect(readDimseAnswer(echo.subarray(0, -1))).toEqual({ pduTypes: [], responses: [], isWhole: false })
  })

  it.each([
    ['a request', '0100000000 04 00000000'],
    ['a PDV longer than its PDU', '0400000000 06 000000ff 0103'],
    ['a command set that is cut off', '0400000000 0b 00000007 0103 0000000102'],
  ])('refuses %s', (_name, hex) => {
    expect(() => readDimseAnswer(Buffer.from(hex.replaceAll(' ', ''), 'hex'))).toThrow(Error)
  })
})
