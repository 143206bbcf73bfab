import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeLengths, codesOf } from '../../src/render/huffman-codes.ts'

const text = (code: number, length: number): string => [...code.toString(2).padStart(length, '0')].reverse().join('')
const kraftSum = (lengths: Uint8Array): number => lengths.reduce((sum, length) => sum + (length === 0 ? 0 : 2 ** -length), 0)

describe('the lengths of a code', () => {
  it('are those of the tree drawn by hand', () => {
    // 1 + 1 = 2, 2 + 2 = 4, 4 + 4 = 8: depths 3, 3, 2, 1.
    expect([...codeLengths(Uint32Array.of(4, 1, 0, 2, 1), 14)]).toEqual([1, 3, 0, 2, 3])
  })

  it('fill the code without a gap, rarer symbols never shorter, whatever the counts', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 2 ** 22 })), { minLength: 2, maxLength: 257 }), (values) => {
        fc.pre(values.filter((value) => value > 0).length > 1)
        const counts = Uint32Array.from(values)
        const lengths = codeLengths(counts, 14)
        expect(kraftSum(lengths)).toBe(1)
        expect(Math.max(...lengths)).toBeLessThanOrEqual(14)
        counts.forEach((count, symbol) => {
          expect((lengths[symbol] ?? 0) > 0).toBe(count > 0)
          counts.forEach((other, another) => {
            if (count > other && other > 0) expect(lengths[symbol]).toBeLessThanOrEqual(lengths[another]!)
          })
        })
      }),
      { numRuns: 40 },
    )
  })

  it('stay within the limit where the best code would not', () => {
    const fibonacci = [1, 1]
    while (fibonacci.length < 30) fibonacci.push(fibonacci.at(-1)! + fibonacci.at(-2)!)
    expect(Math.max(...codeLengths(Uint32Array.from(fibonacci), 31))).toBe(29)
    const lengths = codeLengths(Uint32Array.from(fibonacci), 14)
    expect(Math.max(...lengths)).toBe(14)
    expect(kraftSum(lengths)).toBe(1)
  })

  it('is 1 for a symbol that is alone', () => {
    expect([...codeLengths(Uint32Array.of(0, 5), 14)]).toEqual([0, 1])
  })
})

describe('the codes of given lengths', () => {
  it('are those of the example in RFC 1951, 3.2.2', () => {
    const lengths = Uint8Array.of(3, 3, 3, 3, 3, 2, 4, 4)
    expect(Array.from(codesOf(lengths), (code, symbol) => text(code, lengths[symbol]!))).toEqual(['010', '011', '100', '101', '110', '00', '1110', '1111'])
  })
})
