import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readSafetensors, writeSafetensors } from '../../models/safetensors.ts'
import { Problem } from '../../src/domain/problem.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'

/** A file put together by hand, from the format's description. */
function fileOf(header: unknown, data: readonly number[] | Uint8Array, declaredLength?: number): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(declaredLength ?? json.length))
  return new Uint8Array(Buffer.concat([length, json, Uint8Array.from(data)]))
}
const entry = (dtype: string, shape: readonly number[], begin: number, end: number) => ({ dtype, shape, data_offsets: [begin, end] })

describe('safetensors', () => {
  it('are read from bytes that were put together by hand: F32, F64, F16 and BF16', () => {
    const header = {
      half: entry('F16', [4], 0, 8),
      brain: entry('BF16', [2], 8, 12),
      single: entry('F32', [1, 1], 12, 16),
      double: entry('F64', [], 16, 24),
      __metadata__: { by: 'hand' },
    }
    // half: 1 = 3c00, -2 = c000, the smallest subnormal 2^-24 = 0001, -infinity = fc00; bfloat16: 1 = 3f80, -0.15625 = be20; single: 0.15625 = 3e200000; double: -2.
    const bytes = [0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00, 0x00, 0xfc, 0x80, 0x3f, 0x20, 0xbe, 0x00, 0x00, 0x20, 0x3e, 0, 0, 0, 0, 0, 0, 0, 0xc0]
    const { tensors, metadata } = readSafetensors(fileOf(header, bytes))
    expect([...tensors.get('half')!.data]).toEqual([1, -2, 2 ** -24, Number.NEGATIVE_INFINITY])
    expect([...tensors.get('brain')!.data]).toEqual([1, -0.15625])
    expect(tensors.get('single')).toEqual({ shape: [1, 1], data: Float32Array.of(0.15625) })
    expect(tensors.get('double')).toEqual({ shape: [], data: Float32Array.of(-2) })
    expect(metadata).toEqual({ by: 'hand' })
  })

  it('are written as the format describes: length, padded JSON header, then the data at its offsets', () => {
    const file = Buffer.from(
      writeSafetensors(
        new Map([
          ['b', tensorOf(Float32Array.of(1, 2), [2])],
          ['a', tensorOf(Float32Array.of(-1), [1])],
        ]),
        { k: 'v' },
      ),
    )
    const headerLength = Number(file.readBigUInt64LE(0))
    const header = JSON.parse(file.subarray(8, 8 + headerLength).toString())
    expect((8 + headerLength) % 8).toBe(0)
    expect(header).toEqual({ __metadata__: { k: 'v' }, a: entry('F32', [1], 0, 4), b: entry('F32', [2], 4, 12) })
    expect([0, 4, 8].map((offset) => file.readFloatLE(8 + headerLength + offset))).toEqual([-1, 1, 2])
    expect(file.length).toBe(8 + headerLength + 12)
  })

  it('come back as they were written, any names, shapes and values, and equal content gives equal bytes', () => {
    const tensor = fc.array(fc.float(), { maxLength: 12 }).map((values) => tensorOf(Float32Array.from(values), [values.length]))
    const name = fc.string({ unit: 'grapheme', maxLength: 8 }).filter((value) => value !== '__metadata__')
    fc.assert(
      fc.property(fc.array(fc.tuple(name, tensor), { maxLength: 6 }), fc.dictionary(name, fc.string({ unit: 'grapheme' }), { noNullPrototype: true }), (pairs, metadata) => {
        const tensors = new Map(pairs)
        const bytes = writeSafetensors(tensors, metadata)
        const found = readSafetensors(bytes)
        expect(new Map([...found.tensors].sort())).toEqual(new Map([...tensors].sort()))
        expect(found.metadata).toEqual(metadata)
        expect(writeSafetensors(new Map([...tensors].reverse()), metadata)).toEqual(bytes)
      }),
    )
  })

  it('meet a file that another program wrote, the PyTorch reference', () => {
    const { tensors, metadata } = readSafetensors(readFileSync(resolve(import.meta.dirname, '../golden/vit.safetensors')))
    expect(metadata['computedBy']).toContain('PyTorch')
    expect(tensors.get('weight.pos_embed')!.shape).toEqual([1, 17, 24])
    expect(tensors.get('weight.blocks.0.norm1.weight')!.data.every(Number.isFinite)).toBe(true)
  })

  it('are read from a view into the middle of a buffer', () => {
    const file = fileOf({ a: entry('F32', [1], 0, 4) }, [0, 0, 0x20, 0x3e])
    const padded = new Uint8Array(file.length + 3)
    padded.set(file, 3)
    expect(readSafetensors(padded.subarray(3)).tensors.get('a')!.data[0]).toBe(0.15625)
  })

  it.each<[string, Uint8Array]>([
    ['is empty', new Uint8Array(0)],
    ['ends inside the header length', new Uint8Array(7)],
    ['declares a header past its end', fileOf('{}', [], 100)],
    ['declares a header of 2^63 bytes', fileOf('{}', [], Number.MAX_SAFE_INTEGER)],
    ['has a header that is no JSON', fileOf('{', [])],
    ['has a header that is no UTF-8', fileOf('{}', Uint8Array.of(0xff), 3)],
    ['has a list for a header', fileOf([], [])],
    ['has an entry without offsets', fileOf({ a: { dtype: 'F32', shape: [1] } }, [0, 0, 0, 0])],
    ['has a negative axis', fileOf({ a: entry('F32', [-1], 0, 4) }, [0, 0, 0, 0])],
    ['has a broken axis', fileOf({ a: entry('F32', [0.5], 0, 2) }, [0, 0])],
    ['has numbers of an unknown kind', fileOf({ a: entry('I64', [1], 0, 8) }, [0, 0, 0, 0, 0, 0, 0, 0])],
    ['has numbers of a kind that every object knows', fileOf({ a: entry('toString', [1], 0, 4) }, [0, 0, 0, 0])],
    ['has a range longer than the shape', fileOf({ a: entry('F32', [1], 0, 8) }, [0, 0, 0, 0, 0, 0, 0, 0])],
    ['has a range past the end', fileOf({ a: entry('F32', [2], 0, 8) }, [0, 0, 0, 0])],
    ['has ranges that overlap', fileOf({ a: entry('F32', [1], 0, 4), b: entry('F32', [1], 0, 4) }, [0, 0, 0, 0])],
    ['has a hole between ranges', fileOf({ a: entry('F32', [1], 0, 4), b: entry('F32', [1], 8, 12) }, new Uint8Array(12))],
    ['has bytes that belong to no tensor', fileOf({ a: entry('F32', [1], 0, 4) }, [0, 0, 0, 0, 1])],
    ['has metadata that is no string', fileOf({ __metadata__: { a: 1 } }, [])],
    ['has metadata that is no object', fileOf({ __metadata__: [] }, [])],
  ])('are refused where the file %s', (_title, bytes) => {
    expect(() => readSafetensors(bytes)).toThrow(expect.objectContaining({ code: 'checkpoint-invalid' }))
  })

  it('give a Problem, never another failure, for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.json(), (bytes, json) => {
        for (const file of [bytes, fileOf(json, bytes)]) {
          try {
            readSafetensors(file)
          } catch (error) {
            expect(error).toBeInstanceOf(Problem)
          }
        }
      }),
      { numRuns: 300 },
    )
  })
})
