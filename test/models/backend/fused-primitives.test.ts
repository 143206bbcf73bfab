import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, it } from 'vitest'
import { type ChosenBackend, chooseBackend } from '../../../models/backend/choose-backend.ts'
import { plainPrimitives } from '../../../models/layers/plain-primitives.ts'
import type { Primitives } from '../../../models/layers/primitives.ts'
import { normalAt, uniformAt } from '../../../src/tensor/counter-random.ts'
import { plainSbmAttention } from '../support/plain-sbm-attention.ts'

/** float32 sums in another order (spec: training 6): absolute 1e-6 of values near 1, relative 1e-4. */
const ABSOLUTE = 2e-6
const RELATIVE = 1e-4

let backend: ChosenBackend
beforeAll(async () => {
  backend = await chooseBackend('wasm')
})

const size = (shape: readonly number[]): number => shape.reduce((product, axis) => product * axis, 1)
const normal = (shape: number[], key: number, deviation = 1): tf.Tensor =>
  tf.tensor(
    Float32Array.from({ length: size(shape) }, (_, i) => deviation * normalAt(key, i)),
    shape,
  )
const uniform = (shape: number[], key: number, low: number, high: number): tf.Tensor =>
  tf.tensor(
    Float32Array.from({ length: size(shape) }, (_, i) => low + (high - low) * uniformAt(key, i)),
    shape,
  )

type Operation = (primitives: Primitives, ...inputs: tf.Tensor[]) => tf.Tensor

/** The value and the gradient of every input, of the operation weighted with fixed numbers so that no direction is left out. */
async function valueAndGradients(primitives: Primitives, operation: Operation, inputs: tf.Tensor[]): Promise<Float32Array[]> {
  const value = operation(primitives, ...inputs)
  const weights = normal(value.shape, 99)
  const gradients = tf.grads((...args: tf.Tensor[]) => tf.sum(tf.mul(operation(primitives, ...args), weights)))(inputs)
  return Promise.all([value, ...gradients].map(async (tensor) => (await tensor.data()) as Float32Array))
}

async function expectTwins(operation: Operation, inputs: tf.Tensor[]): Promise<void> {
  const fused = await valueAndGradients(backend.primitives, operation, inputs)
  const plain = await valueAndGradients(plainPrimitives, operation, inputs)
  expect(fused.length).toBe(inputs.length + 1)
  fused.forEach((values, which) => {
    const reference = plain[which]!
    const scale = Math.max(1, ...reference.map(Math.abs))
    values.forEach((value, i) => {
      expect(Math.abs(value - reference[i]!), `${which === 0 ? 'value' : `gradient ${which - 1}`}[${i}]: ${value}, plain ${reference[i]}`).toBeLessThanOrEqual(
        ABSOLUTE * scale + RELATIVE * Math.abs(reference[i]!),
      )
    })
  })
}

describe('the fused primitives against their plain twins, value and every gradient', () => {
  it.each([
    { rows: [5], inputs: 7, outputs: 3 },
    { rows: [2, 50], inputs: 64, outputs: 192 },
    { rows: [70, 5], inputs: 300, outputs: 41 },
  ])('agree on a linear layer, rows $rows, $inputs to $outputs', async ({ rows, inputs, outputs }) => {
    await expectTwins((p, x, w, b) => p.linear(x, w, b), [normal([...rows, inputs], 1), normal([outputs, inputs], 2, 0.2), normal([outputs], 3)])
  })

  it.each([[24], [64], [7], [1023]])('agree on layer norm over %i values', async (width) => {
    await expectTwins((p, x, w, b) => p.layerNorm(x, w, b, 1e-6), [normal([3, 5, width], 1, 3), normal([width], 2), normal([width], 3)])
  })

  it.each([[1], [4], [1003]])('agree on GELU over %i values, tails included', async (length) => {
    await expectTwins((p, x) => p.gelu(x), [normal([length], 4, 3)])
  })

  it.each([
    { tokens: 17, heads: 3, headWidth: 8 },
    { tokens: 50, heads: 4, headWidth: 16 },
    { tokens: 5, heads: 2, headWidth: 3 },
    { tokens: 65, heads: 1, headWidth: 33 },
  ])('agree on attention, $tokens tokens, $heads heads of $headWidth', async ({ tokens, heads, headWidth }) => {
    await expectTwins((p, qkv) => p.attention(qkv as tf.Tensor3D, heads), [normal([2, tokens, 3 * heads * headWidth], 5)])
  })

  it.each([
    { tokens: 17, heads: 3, headWidth: 8, communities: 5, bounded: 'tanh' },
    { tokens: 50, heads: 4, headWidth: 16, communities: 12, bounded: 'tanh' },
    { tokens: 6, heads: 2, headWidth: 3, communities: 1, bounded: 'none' },
    { tokens: 21, heads: 2, headWidth: 4, communities: 9, bounded: 'none' },
  ] as const)('agree on DCMM attention, $tokens tokens, $communities communities, bounded by $bounded', async ({ tokens, heads, headWidth, communities, bounded }) => {
    const batch = 3
    const membership = tf.softmax(normal([batch, heads, tokens, communities], 6, 2))
    const degree = tf.relu(normal([batch, heads, tokens], 7)) // zeros among them
    const operation: Operation = (p, qkv, membership, block, degree, biasScale) =>
      p.dcmmAttention(qkv as tf.Tensor3D, heads, {
        membership: membership as tf.Tensor4D,
        block: block as tf.Tensor3D,
        degree: degree as tf.Tensor3D,
        biasScale: biasScale as tf.Tensor1D,
        bounded,
      })
    await expectTwins(operation, [normal([batch, tokens, 3 * heads * headWidth], 8), membership, uniform([heads, communities, communities], 9, 0, 1), degree, tf.tensor1d([2.5])])
  })
})

describe('the fused SBM attention against its twin in plain operations, drawn from the same keys', () => {
  it.each([
    { tokens: 17, heads: 3, headWidth: 8, communities: 5, classTokenAlwaysOn: true, selfLoop: false, clip: 1 },
    { tokens: 50, heads: 4, headWidth: 16, communities: 16, classTokenAlwaysOn: true, selfLoop: true, clip: 1 },
    { tokens: 6, heads: 2, headWidth: 3, communities: 1, classTokenAlwaysOn: false, selfLoop: true, clip: 0.05 },
    { tokens: 21, heads: 2, headWidth: 4, communities: 9, classTokenAlwaysOn: false, selfLoop: false, clip: 0.05 },
  ])('agrees on value, density and every gradient: $tokens tokens, class token forced $classTokenAlwaysOn, self loops $selfLoop', async (settings) => {
    const { tokens, heads, headWidth, communities, classTokenAlwaysOn, selfLoop, clip } = settings
    const batch = 2
    // P near a quarter, as at the start of a training; the weights of the sum make some straight-through entries clip.
    const queryAffinity = uniform([batch, heads, tokens, communities], 11, 0, 1 / communities)
    const keyLoading = uniform([batch, heads, tokens, communities], 12, 0, 1)
    const core = { keys: [0xfedcba98, 7], delta: 0.01, clip, densityGradient: 0.003, classTokenAlwaysOn, selfLoop }
    const densities: tf.Scalar[] = []
    const operation: Operation = (primitives, qkv, queryAffinity, keyLoading) => {
      const attend = primitives.sbmAttention ?? plainSbmAttention
      const { attended, density } = attend(qkv as tf.Tensor3D, heads, { ...core, queryAffinity: queryAffinity as tf.Tensor4D, keyLoading: keyLoading as tf.Tensor4D })
      densities.push(tf.keep(density))
      return attended
    }
    await expectTwins(operation, [normal([batch, tokens, 3 * heads * headWidth], 13, 2), queryAffinity, keyLoading])
    const [fused = Number.NaN, , plain = Number.NaN] = await Promise.all(densities.map(async (density) => (await density.data())[0]))
    expect(fused).toBeGreaterThan(0.1)
    expect(fused).toBeCloseTo(plain, 6)
  })

  it('refuses fewer keys than images', () => {
    const core = { keys: [1], delta: 0, clip: 1, densityGradient: 0, classTokenAlwaysOn: true, selfLoop: false }
    const loading = normal([2, 1, 3, 2], 1) as tf.Tensor4D
    expect(() => backend.primitives.sbmAttention!(normal([2, 3, 6], 2) as tf.Tensor3D, 1, { ...core, queryAffinity: loading, keyLoading: loading })).toThrow('keys')
  })
})

describe('the transposition that replaces the backend', () => {
  it.each([
    { shape: [2, 3, 4, 5], perm: [1, 0, 2, 3] },
    { shape: [2, 3, 4, 5], perm: [0, 2, 1, 3] },
    { shape: [2, 5, 3, 2, 7], perm: [2, 0, 3, 1, 4] },
    { shape: [2, 1, 3, 4, 3, 4], perm: [0, 2, 4, 1, 3, 5] },
    { shape: [3, 1, 6], perm: [1, 0, 2] },
    { shape: [4, 6], perm: [1, 0] },
    { shape: [2, 3, 4], perm: [2, 1, 0] },
    { shape: [2, 3, 4], perm: [0, 1, 2] },
  ])('puts every value of $shape where the order $perm says', async ({ shape, perm }) => {
    const x = tf.tensor(
      Float32Array.from({ length: size(shape) }, (_, i) => i),
      shape,
    )
    const y = tf.transpose(x, perm)
    expect(y.shape).toEqual(perm.map((axis) => shape[axis]))
    const values = await y.data()
    const stepsOf = (of: readonly number[]): number[] => of.map((_, axis) => size(of.slice(axis + 1)))
    const inSteps = stepsOf(shape)
    const outSteps = stepsOf(y.shape)
    values.forEach((value, i) => {
      const index = outSteps.map((step, axis) => Math.floor(i / step) % y.shape[axis]!)
      expect(value).toBe(index.reduce((sum, at, axis) => sum + at * inSteps[perm[axis]!]!, 0))
    })
  })
})

describe('the matrix product that replaces the backend', () => {
  /** Worked in float64, straight from the definition. */
  const byDefinition = (a: Float32Array, b: Float32Array, m: number, n: number, k: number, transposeA: boolean, transposeB: boolean): number[] =>
    Array.from({ length: m * n }, (_, index) => {
      const i = Math.floor(index / n)
      const j = index % n
      let sum = 0
      for (let d = 0; d < k; d++) sum += a[transposeA ? d * m + i : i * k + d]! * b[transposeB ? j * k + d : d * n + j]!
      return sum
    })

  const sizes = [
    [1, 1, 1],
    [3, 5, 2],
    [4, 8, 256],
    [65, 33, 257],
    [130, 31, 3],
    [2, 1030, 5],
    [67, 100, 300],
  ] as const
  const cases = sizes.flatMap(([m, n, k]) => [false, true].flatMap((transposeA) => [false, true].map((transposeB) => ({ m, n, k, transposeA, transposeB }))))

  it.each(cases)('is the sum of products: $m x $k times $k x $n, transposed $transposeA, $transposeB', async ({ m, n, k, transposeA, transposeB }) => {
    const a = normal(transposeA ? [k, m] : [m, k], 1)
    const b = normal(transposeB ? [n, k] : [k, n], 2)
    const product = await tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D, transposeA, transposeB).data()
    const expected = byDefinition((await a.data()) as Float32Array, (await b.data()) as Float32Array, m, n, k, transposeA, transposeB)
    expected.forEach((value, i) => {
      expect(Math.abs(product[i]! - value)).toBeLessThanOrEqual(1e-6 * k + 1e-5 * Math.abs(value))
    })
  })

  it('repeats a single matrix over the batch of the other, on either side', async () => {
    const many = normal([3, 2, 4, 5], 3)
    const single = normal([1, 1, 5, 6], 4)
    const right = (await tf.matMul(many, single).data()) as Float32Array
    const one = (await tf.matMul(tf.reshape(many, [24, 5]) as tf.Tensor2D, tf.reshape(single, [5, 6]) as tf.Tensor2D).data()) as Float32Array
    expect([...right]).toEqual([...one])
    const left = tf.matMul(tf.reshape(single, [1, 5, 6]), normal([4, 6, 2], 5))
    expect(left.shape).toEqual([4, 5, 2])
  })

  it('refuses batches that broadcast axis by axis rather than give a wrong product', () => {
    expect(() => tf.matMul(normal([2, 1, 3, 3], 1), normal([1, 2, 3, 3], 2))).toThrow('broadcast')
  })
})
