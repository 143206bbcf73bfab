/**
 * Keys and counters in, uniform numbers out: no state, so the same key and counter give the same bits whatever the batch size, the
 * order of heads or the number of threads. The exported graph computes the same function in wrapping uint32.
 *
 * Source: the finalizer "lowbias32" of C. Wellons' hash prospector (16, 0x7feb352d, 15, 0x846ca68b, 16); every multiply wraps.
 */

/** A bijection of the 32-bit integers with little bias between input and output bits. */
export function lowbias32(value: number): number {
  let x = value >>> 0
  x ^= x >>> 16
  x = Math.imul(x, 0x7feb352d)
  x ^= x >>> 15
  x = Math.imul(x, 0x846ca68b)
  x ^= x >>> 16
  return x >>> 0
}

/** 2^32 over the golden ratio, odd: moves small integers away from 0, the fixed point of the hash. */
const GOLDEN = 0x9e3779b9

/**
 * One key made of a key and one more integer (a layer, a step, an image): `lowbias32(key ^ lowbias32(part + 0x9e3779b9))`.
 *
 * The inner hash of a constant part is a constant, so that a graph pays one xor and one hash.
 */
export function mixKey(key: number, part: number): number {
  return lowbias32((key ^ lowbias32((part + GOLDEN) >>> 0)) >>> 0)
}

/** 32 random bits: `lowbias32(key ^ lowbias32(counter))`. Hashing the counter first keeps the streams of two near keys apart. */
export function randomBits(key: number, counter: number): number {
  return lowbias32((key ^ lowbias32(counter)) >>> 0)
}

/** A multiple of 2^-24 in [0, 1), exact in float32. */
export function uniformAt(key: number, counter: number): number {
  return (randomBits(key, counter) >>> 8) * 2 ** -24
}

/** A draw of the standard normal distribution, by Box and Muller from the counters 2n and 2n + 1; computed in float64. */
export function normalAt(key: number, counter: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - uniformAt(key, 2 * counter)))
  return radius * Math.cos(2 * Math.PI * uniformAt(key, 2 * counter + 1))
}

/** What a named thing adds to a key: FNV-1a over the UTF-16 units of the name. */
export function hashName(name: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/**
 * Uniforms of one layer's mask: the counter of entry (h, i, j) is `(h * tokens + i) * tokens + j`, the key is `mixKey(seed, layer)`.
 *
 * seeds    [image], one 32-bit seed for each image
 * returns  [image, head, token, token], values in [0, 1)
 */
export function maskUniforms(seeds: readonly number[], layer: number, heads: number, tokens: number): Float32Array {
  const size = heads * tokens * tokens
  const uniforms = new Float32Array(seeds.length * size)
  seeds.forEach((seed, image) => {
    const key = mixKey(seed, layer)
    for (let counter = 0; counter < size; counter++) uniforms[image * size + counter] = uniformAt(key, counter)
  })
  return uniforms
}

/** Seeds of one training step's images: every step, and every image of it, draws its own masks. */
export function trainingSeeds(runSeed: number, step: number, images: number): number[] {
  const stepKey = mixKey(runSeed, step)
  return Array.from({ length: images }, (_, image) => mixKey(stepKey, image))
}
