import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PduGuard } from '../../src/pacs/pdu-guard.ts'

const limits = { maxPduBytes: 1000, maxControlBytes: 500, maxCommandBytes: 200, maxMessageBytes: 5000 }

function pdu(type: number, body: Uint8Array, length = body.length): Buffer {
  const header = Buffer.from([type, 0, 0, 0, 0, 0])
  header.writeUInt32BE(length, 2)
  return Buffer.concat([header, body])
}

function pdv(control: number, bytes: number, length = bytes + 2): Buffer {
  const pdv = Buffer.alloc(6 + bytes)
  pdv.writeUInt32BE(length, 0)
  pdv.writeUInt8(1, 4)
  pdv.writeUInt8(control, 5)
  return pdv
}

const inspect = (bytes: Uint8Array, size = bytes.length): boolean => {
  const guard = new PduGuard(limits)
  for (let at = 0; at < bytes.length; at += size) if (!guard.inspect(bytes.subarray(at, at + size))) return false
  return true
}

describe('the guard of an association', () => {
  it('passes PDUs within the limits, several PDVs in one among them', () => {
    expect(inspect(Buffer.concat([pdu(1, Buffer.alloc(200)), pdu(4, Buffer.concat([pdv(3, 100), pdv(2, 600)])), pdu(5, Buffer.alloc(4))]))).toBe(true)
  })

  it.each([
    ['a PDU that claims four gigabytes', pdu(4, Buffer.alloc(0), 0xffffffff)],
    ['a PDU one byte above the limit', pdu(4, Buffer.alloc(0), 1001)],
    ['a PDU without data one byte above its limit', pdu(1, Buffer.alloc(0), 501)],
    ['a PDV longer than its PDU', pdu(4, pdv(2, 10, 500))],
    ['a PDV of length 0', pdu(4, pdv(2, 10, 0))],
    ['a P-DATA too short for a PDV', pdu(4, Buffer.alloc(3))],
    ['a rest behind the last PDV that is no PDV', pdu(4, Buffer.concat([pdv(2, 10), Buffer.alloc(3)]))],
    ['a command set above the limit', pdu(4, pdv(1, 201))],
    ['a command set above the limit in pieces', Buffer.concat([pdu(4, pdv(1, 150)), pdu(4, pdv(1, 150))])],
    ['a message above the limit', Buffer.concat(Array.from({ length: 8 }, () => pdu(4, pdv(0, 800))))],
  ])('breaks at %s, however the bytes are cut', (_name, bytes) => {
    for (const size of [1, 2, 5, 7, bytes.length]) expect(inspect(bytes, size)).toBe(false)
  })

  it('counts a message anew after a reset', () => {
    const guard = new PduGuard(limits)
    for (let i = 0; i < 20; i++) {
      expect(guard.inspect(Buffer.concat([pdu(4, pdv(3, 150)), pdu(4, pdv(2, 900))]))).toBe(true)
      guard.reset()
    }
  })

  it('comes to the same verdict however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.tuple(fc.constantFrom(1, 4, 5), fc.nat(1100)), fc.constant<[number, number]>([4, 6])), { maxLength: 8 }),
        fc.integer({ min: 1, max: 40 }),
        (heads, size) => {
          const bytes = Buffer.concat(heads.map(([type, length]) => pdu(type, length >= 6 ? pdv(2, length - 6) : Buffer.alloc(length))))
          expect(inspect(bytes, size)).toBe(inspect(bytes))
        },
      ),
    )
  })

  it('stays broken', () => {
    const guard = new PduGuard(limits)
    expect(guard.inspect(pdu(1, Buffer.alloc(0), 5000))).toBe(false)
    expect(guard.inspect(Buffer.from([1]))).toBe(false)
  })
})
