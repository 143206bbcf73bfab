/** The contract of CounterUniform: seeds and places, and the bits that wide-integer arithmetic gives for them. */

export interface UniformCase {
  readonly case: string
  readonly because: string
  readonly seeds: readonly number[]
  readonly layer: number
  readonly heads: number
  readonly tokens: number
}

export const UNIFORM_CASES: readonly UniformCase[] = [
  { case: 'seed 0, layer 0', because: 'the fixed point of the hash must be left', seeds: [0], layer: 0, heads: 1, tokens: 3 },
  { case: 'the largest seed', because: 'sums and products wrap at 2^32', seeds: [0xffffffff], layer: 11, heads: 2, tokens: 5 },
  { case: 'several images', because: 'each has its own key', seeds: [1, 2, 0x80000000], layer: 5, heads: 3, tokens: 7 },
  { case: 'a layer of ViT-S', because: '465,708 numbers: the size that is served', seeds: [20261125], layer: 11, heads: 12, tokens: 197 },
]

/**
 * The uniform of one entry in exact integers: no wrapping multiply, no typed array, nothing of the code under test.
 *
 * Source: docs/custom-ops.md, CounterUniform.
 */
export function exactUniform(seed: number, layer: number, counter: number): number {
  const mask = (1n << 32n) - 1n
  const hash = (value: bigint): bigint => {
    let x = value & mask
    x ^= x >> 16n
    x = (x * 0x7feb352dn) & mask
    x ^= x >> 15n
    x = (x * 0x846ca68bn) & mask
    return x ^ (x >> 16n)
  }
  const key = hash(BigInt(seed) ^ hash(BigInt(layer) + 0x9e3779b9n))
  return Number(hash(key ^ hash(BigInt(counter))) >> 8n) * 2 ** -24
}
