import { describe, expect, it } from 'vitest'
import { firstRows } from '../../src/tensor/first-rows.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'

const counted = (shape: readonly number[]) =>
  tensorOf(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
    shape,
  )

describe('firstRows', () => {
  it('takes the first row of each matrix, whatever stands before', () => {
    expect(firstRows(counted([2, 3]))).toEqual(tensorOf(Float32Array.of(0, 1, 2), [3]))
    expect(firstRows(counted([2, 2, 3]))).toEqual(tensorOf(Float32Array.of(0, 1, 2, 6, 7, 8), [2, 3]))
    expect(firstRows(counted([1, 2, 1, 2]))).toEqual(tensorOf(Float32Array.of(0, 1, 2, 3), [1, 2, 2]))
  })

  it('copies: a change of one leaves the other as it is', () => {
    const matrix = counted([1, 2, 2])
    firstRows(matrix).data[0] = 9
    expect([...matrix.data]).toEqual([0, 1, 2, 3])
  })
})
