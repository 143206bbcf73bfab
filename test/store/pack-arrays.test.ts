import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { packArrays, unpackArrays } from '../../src/store/pack-arrays.ts'

describe('packArrays', () => {
  it('lays arrays one after the other on multiples of four bytes', () => {
    const { json, bytes } = packArrays({ a: Uint8Array.of(1, 2, 3), b: Float32Array.of(1) })
    expect(JSON.parse(json)).toEqual({ a: { $array: 'Uint8Array', offset: 0, length: 3 }, b: { $array: 'Float32Array', offset: 4, length: 1 } })
    // 1.0 is 0x3f800000 in IEEE 754 binary32, little-endian here.
    expect([...bytes]).toEqual([1, 2, 3, 0, 0, 0, 0x80, 0x3f])
  })

  it('stores a Buffer and a view as the bytes that they show', () => {
    const whole = Uint8Array.of(9, 1, 2, 9)
    const { json, bytes } = packArrays([Buffer.from([7]), whole.subarray(1, 3)])
    expect(unpackArrays({ json, bytes })).toEqual([Uint8Array.of(7), Uint8Array.of(1, 2)])
  })

  it('gives back what was packed', () => {
    const leaf = fc.oneof(
      fc.float32Array({ maxLength: 9 }),
      fc.uint8Array({ maxLength: 9 }),
      fc.string(),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Object.is(value, -0) ? 0 : value)),
      fc.constant(null),
      fc.boolean(),
    )
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 3 }, leaf, fc.array(tie('value'), { maxLength: 4 }), fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), tie('value'), { maxKeys: 4 })),
    }))
    fc.assert(
      fc.property(value, (original) => {
        const plain = (part: unknown): unknown => part
        expect(plain(unpackArrays(packArrays({ original })))).toEqual({ original })
      }),
    )
  })

  it('refuses a reference that reaches outside its bytes', () => {
    expect(() => unpackArrays({ json: '{"$array":"Float32Array","offset":0,"length":2}', bytes: new Uint8Array(4) })).toThrow('outside its file')
  })
})
