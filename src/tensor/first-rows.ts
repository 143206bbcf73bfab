/** Matrices in, the first row of each out. */
import { type Tensor, tensorOf } from './tensor.ts'

/** [..., row, column] becomes [..., column], copied. */
export function firstRows({ shape, data }: Tensor): Tensor {
  const [rows = 0, columns = 0] = shape.slice(-2)
  const outer = shape.slice(0, -2)
  const matrices = outer.reduce((product, size) => product * size, 1)
  const first = new Float32Array(matrices * columns)
  for (let i = 0; i < matrices; i++) first.set(data.subarray(i * rows * columns, i * rows * columns + columns), i * columns)
  return tensorOf(first, [...outer, columns])
}
