import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { gram } from '../../src/tensor/gram.ts'

/** Every product by a plain loop. */
const plainGram = (x: Float64Array, rows: number): number[] => {
  const columns = x.length / rows
  return Array.from({ length: rows * rows }, (_, i) => {
    let sum = 0
    for (let k = 0; k < columns; k++) sum += x[Math.floor(i / rows) * columns + k]! * x[(i % rows) * columns + k]!
    return sum
  })
}

describe('the inner products of all pairs of rows', () => {
  it('are those of a plain loop to the bit, for every number of rows and columns', () => {
    const matrix = fc
      .tuple(fc.integer({ min: 1, max: 23 }), fc.integer({ min: 0, max: 40 }))
      .chain(([rows, columns]) => fc.tuple(fc.constant(rows), fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: rows * columns, maxLength: rows * columns })))
    fc.assert(
      fc.property(matrix, ([rows, values]) => {
        const x = Float64Array.from(values)
        expect([...gram(x, rows)]).toEqual(plainGram(x, rows))
      }),
    )
  })

  it('are right for more rows than the kernel has room for at first, and for few again after many', () => {
    for (const rows of [3, 301, 5]) {
      const x = Float64Array.from({ length: rows * 7 }, (_, i) => Math.sin(i * i))
      expect([...gram(x, rows)]).toEqual(plainGram(x, rows))
    }
  })

  it('are none for no rows', () => {
    expect(gram(new Float64Array(0), 0)).toEqual(new Float64Array(0))
  })
})
