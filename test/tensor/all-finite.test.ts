import fc from 'fast-check'
import { expect, it } from 'vitest'
import { allFinite } from '../../src/tensor/all-finite.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'

const finite = fc.float({ noNaN: true, noDefaultInfinity: true })

it('is true of numbers, of any length, the largest and smallest of float32 among them', () => {
  fc.assert(fc.property(fc.array(finite, { maxLength: 11 }), (values) => allFinite(tensorOf(Float32Array.from(values), [values.length]))))
  expect(allFinite(tensorOf(Float32Array.of(3.4028234663852886e38, -3.4028234663852886e38, 1.401298464324817e-45, -0), [4]))).toBe(true)
})

it('is false with one NaN or infinity at any place', () => {
  const bad = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)
  const withOne = fc.tuple(fc.array(finite, { maxLength: 7 }), bad, fc.array(finite, { maxLength: 7 }))
  fc.assert(
    fc.property(withOne, ([before, value, after]) => {
      const values = Float32Array.of(...before, value, ...after)
      return !allFinite(tensorOf(values, [values.length]))
    }),
  )
})
