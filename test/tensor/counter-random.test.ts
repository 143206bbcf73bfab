import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hashName, lowbias32, maskUniforms, mixKey, normalAt, randomBits, trainingSeeds, uniformAt } from '../../src/tensor/counter-random.ts'

/** The hash in exact integers, reduced modulo 2^32 by hand: no Math.imul, no shift of a signed number. */
function lowbias32InBigInt(value: number): number {
  const mask = 0xffffffffn
  let x = BigInt(value) & mask
  x ^= x >> 16n
  x = (x * 0x7feb352dn) & mask
  x ^= x >> 15n
  x = (x * 0x846ca68bn) & mask
  x ^= x >> 16n
  return Number(x)
}

const uint32 = fc.integer({ min: 0, max: 0xffffffff })
const numbered = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

describe('the counter random numbers', () => {
  it('hash as exact integer arithmetic does', () => {
    fc.assert(
      fc.property(uint32, (value) => {
        expect(lowbias32(value)).toBe(lowbias32InBigInt(value))
      }),
      { numRuns: 2000 },
    )
  })

  it('leave 0 where it is, the fixed point that mixKey steps around', () => {
    expect(lowbias32(0)).toBe(0)
    expect(mixKey(0, 0)).not.toBe(0)
  })

  it('mix keys and draw bits by the written formulas', () => {
    fc.assert(
      fc.property(uint32, uint32, (key, part) => {
        const inner = lowbias32InBigInt(Number((BigInt(part) + 0x9e3779b9n) & 0xffffffffn))
        expect(mixKey(key, part)).toBe(lowbias32InBigInt(Number(BigInt(key) ^ BigInt(inner))))
        expect(randomBits(key, part)).toBe(lowbias32InBigInt(Number(BigInt(key) ^ BigInt(lowbias32InBigInt(part)))))
      }),
    )
  })

  it('are multiples of 2^-24 in [0, 1), exact in float32', () => {
    fc.assert(
      fc.property(uint32, uint32, (key, counter) => {
        const u = uniformAt(key, counter)
        expect(u).toBeGreaterThanOrEqual(0)
        expect(u).toBeLessThan(1)
        expect(Math.fround(u)).toBe(u)
        expect(Number.isInteger(u * 2 ** 24)).toBe(true)
      }),
    )
  })

  it('fill sixteen bins evenly, for neighboring keys alike and for their joint draws', () => {
    const draws = 16_000
    for (const key of [0, 1, 2, 0xdeadbeef]) {
      const bins = new Float64Array(16)
      const joint = new Float64Array(16)
      for (const n of numbered(draws)) {
        bins[Math.floor(uniformAt(key, n) * 16)]! += 1
        joint[Math.floor(uniformAt(key, n) * 4) * 4 + Math.floor(uniformAt(key + 1, n) * 4)]! += 1
      }
      const chiSquare = (counts: Float64Array): number => counts.reduce((sum, count) => sum + (count - draws / 16) ** 2 / (draws / 16), 0)
      // 15 degrees of freedom: 37.7 is passed by chance once in a thousand, 60 not once in a million.
      expect(chiSquare(bins)).toBeLessThan(60)
      expect(chiSquare(joint)).toBeLessThan(60)
    }
  })

  it('share no draw between the keys of two layers or two images beyond chance', () => {
    const bits = new Set<number>()
    const keys = [mixKey(7, 0), mixKey(7, 1), mixKey(8, 0), ...trainingSeeds(7, 0, 2), ...trainingSeeds(7, 1, 2)]
    for (const key of keys) for (const n of numbered(1000)) bits.add(randomBits(key, n))
    // 7,000 draws of 2^32: .006 collisions are expected.
    expect(bits.size).toBeGreaterThan(6998)
  })

  it('have mean 0, variance 1 and the right share beyond two deviations where they are normal', () => {
    const draws = numbered(20_000).map((n) => normalAt(99, n))
    const mean = draws.reduce((sum, value) => sum + value, 0) / draws.length
    const variance = draws.reduce((sum, value) => sum + (value - mean) ** 2, 0) / draws.length
    const beyondTwo = draws.filter((value) => Math.abs(value) > 2).length / draws.length
    expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(20_000))
    expect(Math.abs(variance - 1)).toBeLessThan(4 * Math.sqrt(2 / 20_000))
    expect(Math.abs(beyondTwo - 0.0455)).toBeLessThan(4 * Math.sqrt((0.0455 * 0.9545) / 20_000))
  })

  it('give an entry of a mask the counter (h * tokens + i) * tokens + j under the key of seed and layer', () => {
    const uniforms = maskUniforms([11, 12], 3, 2, 5)
    expect(uniforms.length).toBe(100)
    expect(uniforms[50 + (1 * 5 + 4) * 5 + 2]).toBe(uniformAt(mixKey(12, 3), (1 * 5 + 4) * 5 + 2))
  })

  it('tell names apart as FNV-1a does', () => {
    expect(hashName('')).toBe(0x811c9dc5)
    expect(hashName('a')).toBe(0xe40c292c) // the published test vectors of FNV-1a, 32 bit
    expect(hashName('foobar')).toBe(0xbf9cf968)
  })
})
