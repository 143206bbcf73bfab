import * as tf from '@tensorflow/tfjs'
import { describe, expect, it } from 'vitest'
import { chooseBackend } from '../../../models/backend/choose-backend.ts'
import { checkProducts, type Multiply, type NativeBlas, openNativeBlas } from '../../../models/backend/native-blas.ts'
import { plainPrimitives } from '../../../models/layers/plain-primitives.ts'
import type { Primitives } from '../../../models/layers/primitives.ts'
import { normalAt } from '../../../src/tensor/counter-random.ts'

const opened: NativeBlas | Error = await openNativeBlas().catch((error: Error) => error)
const isHere = !(opened instanceof Error)
/** A machine of the gate has the library: its absence there is a fault of the gate. */
const mustBeHere = process.env['CI'] !== undefined

const plain: Multiply = ({ m, n, k, a, transposeA, b, transposeB, out }) => {
  for (let row = 0; row < m; row++)
    for (let column = 0; column < n; column++)
      out[row * n + column] = Array.from({ length: k }, (_, l) => a[transposeA ? l * m + row : row * k + l]! * b[transposeB ? column * k + l : l * n + column]!).reduce(
        (sum, product) => sum + product,
        0,
      )
}

describe('checkProducts', () => {
  it('lets a right product pass', () => {
    expect(() => checkProducts(plain)).not.toThrow()
  })

  it.each<[string, Multiply]>([
    ['forgets to turn a over', (product) => plain({ ...product, transposeA: false })],
    ['forgets to turn b over', (product) => plain({ ...product, transposeB: false })],
    [
      'is off by a hundred-thousandth in one place',
      (product) => {
        plain(product)
        product.out[product.out.length - 1]! += 1e-3
      },
    ],
    [
      'leaves a value out',
      (product) => {
        plain(product)
        product.out[0] = Number.NaN
      },
    ],
  ])('refuses one that %s', (_fault, multiply) => {
    expect(() => checkProducts(multiply)).toThrow('wrong on this processor')
  })
})

describe('the native BLAS', () => {
  it.runIf(mustBeHere)('is installed where the gate runs', () => {
    expect(opened).not.toBeInstanceOf(Error)
  })

  it.skipIf(!isHere)('says what it is (needs OpenBLAS)', () => {
    expect((opened as NativeBlas).description).toMatch(/^OpenBLAS \d/)
  })

  it('is never chosen unasked, and says why', async () => {
    const { name, refused } = await chooseBackend(null)
    expect(name).not.toBe('wasm-blas')
    expect(refused).toContainEqual({ backend: 'wasm-blas', reason: expect.stringContaining('by name') })
  })

  it.skipIf(!isHere)('gives a linear layer and its gradients as the plain operations do, in products large enough to be its own (needs OpenBLAS)', async () => {
    const { primitives, description } = await chooseBackend('wasm-blas')
    expect(description).toContain('OpenBLAS')
    const normal = (shape: [number, number] | [number], key: number): tf.Tensor =>
      tf.tensor(
        Float32Array.from({ length: shape.reduce<number>((product, axis) => product * axis, 1) }, (_, i) => normalAt(key, i)),
        shape,
      )
    const inputs = [normal([90, 70], 1), normal([50, 70], 2), normal([50], 3)]
    const weights = normal([90, 50], 4)
    const results = async (of: Primitives): Promise<Float32Array[]> => {
      const layer = (x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor): tf.Tensor => of.linear(x as tf.Tensor2D, weight as tf.Tensor2D, bias as tf.Tensor1D)
      const [x, weight, bias] = inputs as [tf.Tensor, tf.Tensor, tf.Tensor]
      const gradients = tf.grads((a: tf.Tensor, b: tf.Tensor, c: tf.Tensor) => tf.sum(tf.mul(layer(a, b, c), weights)))(inputs)
      return Promise.all([layer(x, weight, bias), ...gradients].map(async (tensor) => (await tensor.data()) as Float32Array))
    }
    const found = await results(primitives)
    await tf.setBackend('cpu')
    const expected = await results(plainPrimitives)
    found.forEach((values, i) => {
      const largest = expected[i]!.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      values.forEach((value, j) => {
        expect(Math.abs(value - expected[i]![j]!)).toBeLessThanOrEqual(1e-5 * largest)
      })
    })
  })
})
