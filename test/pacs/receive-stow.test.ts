import { describe, expect, it } from 'vitest'
import { Problem } from '../../src/domain/problem.ts'
import { buildMultipart } from '../../src/pacs/multipart.ts'
import { receiveStow, type StowAnswer } from '../../src/pacs/receive-stow.ts'
import { syntheticFile } from './support/synthetic-files.ts'

const CR = '1.2.840.10008.5.1.4.1.1.1'
const COMPREHENSIVE_SR = '1.2.840.10008.5.1.4.1.1.88.33'

async function send(files: readonly Uint8Array[], accept: (bytes: Uint8Array) => Promise<void> = async () => {}, contentType?: string): Promise<StowAnswer> {
  const built = buildMultipart(files, 'b-0123456789')
  async function* body(): AsyncGenerator<Uint8Array> {
    yield built.body
  }
  return receiveStow({ contentType: contentType ?? built.contentType, body: body() }, accept, { maxPartBytes: 1 << 20, maxParts: 4 })
}

describe('receiveStow', () => {
  it('accepts each instance byte for byte and lists it as stored', async () => {
    const files = [syntheticFile(CR, '1.2.3'), syntheticFile(CR, '1.2.4')]
    const accepted: Uint8Array[] = []
    const answer = await send(files, async (bytes) => void accepted.push(bytes))
    expect(accepted.map((bytes) => Buffer.from(bytes))).toEqual(files.map((bytes) => Buffer.from(bytes)))
    expect(answer).toEqual({
      status: 200,
      body: {
        '00081199': {
          vr: 'SQ',
          Value: ['1.2.3', '1.2.4'].map((uid) => ({ '00081150': { vr: 'UI', Value: [CR] }, '00081155': { vr: 'UI', Value: [uid] } })),
        },
      },
    })
  })

  it('gives each refused instance its reason and answers 202 where others were accepted', async () => {
    const answer = await send([syntheticFile(CR, '1.2.3'), syntheticFile(COMPREHENSIVE_SR, '1.2.4'), Buffer.from('no DICOM')])
    expect(answer.status).toBe(202)
    expect(answer.body['00081198']).toEqual({
      vr: 'SQ',
      Value: [
        { '00081150': { vr: 'UI', Value: [COMPREHENSIVE_SR] }, '00081155': { vr: 'UI', Value: ['1.2.4'] }, '00081197': { vr: 'US', Value: [0x0122] } },
        { '00081150': { vr: 'UI' }, '00081155': { vr: 'UI' }, '00081197': { vr: 'US', Value: [0xc000] } },
      ],
    })
  })

  it('answers 409 with A700 where the queue is full, and with 0110 where it failed', async () => {
    const full = await send([syntheticFile(CR, '1.2.3')], async () => {
      throw new Problem('overloaded', 'full', { retryAfterSeconds: 1 })
    })
    expect(full).toMatchObject({ status: 409, body: { '00081198': { Value: [{ '00081197': { Value: [0xa700] } }] } } })
    const broken = await send([syntheticFile(CR, '1.2.3')], async () => {
      throw new Error('disk')
    })
    expect(broken).toMatchObject({ status: 409, body: { '00081198': { Value: [{ '00081197': { Value: [0x0110] } }] } } })
  })

  it.each([
    ['another media type', 'application/json', 'media-type-unsupported'],
    ['parts of another type', 'multipart/related; type="application/dicom+xml"; boundary=b-0123456789', 'media-type-unsupported'],
    ['another boundary', 'multipart/related; type="application/dicom"; boundary=other', 'request-malformed'],
  ])('refuses %s', async (_name, contentType, code) => {
    await expect(send([syntheticFile(CR, '1.2.3')], undefined, contentType)).rejects.toMatchObject({ code })
  })

  it.each([
    ['breaks off', Buffer.from('--b-0123456789\r\n\r\nno end'), 0xc000],
    ['has a part above the limit', Buffer.from(`--b-0123456789\r\n\r\n${'x'.repeat((1 << 20) + 1)}\r\n--b-0123456789--`), 0xa700],
    ['has too many parts', Buffer.concat([...Array.from({ length: 4 }, () => Buffer.from('--b-0123456789\r\n\r\nx\r\n')), Buffer.from('--b-0123456789--')]), 0xc000],
  ])('acknowledges what it accepted of a body that %s behind it, for 400 would say that nothing was stored', async (_name, rest, reason) => {
    const { contentType, body } = buildMultipart([syntheticFile(CR, '1.2.3')], 'b-0123456789')
    const accepted: Uint8Array[] = []
    async function* source(): AsyncGenerator<Uint8Array> {
      yield body.subarray(0, -'--b-0123456789--\r\n'.length)
      yield rest
    }
    const answer = await receiveStow({ contentType, body: source() }, async (bytes) => void accepted.push(bytes), { maxPartBytes: 1 << 20, maxParts: 4 })
    expect(accepted.length).toBe(1)
    expect(answer.status).toBe(202)
    expect(answer.body['00081199']).toMatchObject({ Value: [{ '00081155': { Value: ['1.2.3'] } }] })
    expect((answer.body['00081198'] as { Value: unknown[] }).Value.at(-1)).toEqual({
      '00081150': { vr: 'UI' },
      '00081155': { vr: 'UI' },
      '00081197': { vr: 'US', Value: [reason] },
    })
  })

  it('lets a fault of the source be one, whatever was accepted before it', async () => {
    const { contentType, body } = buildMultipart([syntheticFile(CR, '1.2.3')], 'b-0123456789')
    async function* source(): AsyncGenerator<Uint8Array> {
      yield body.subarray(0, -4)
      throw new RangeError('a fault')
    }
    await expect(receiveStow({ contentType, body: source() }, async () => {}, { maxPartBytes: 1 << 20, maxParts: 4 })).rejects.toThrow(RangeError)
  })

  it('refuses an instance above the limit and a body without parts', async () => {
    await expect(send([Buffer.alloc((1 << 20) + 1)])).rejects.toMatchObject({ code: 'body-too-large', facts: { limitBytes: 1 << 20 } })
    await expect(send([])).rejects.toMatchObject({ code: 'request-malformed' })
  })
})
