/** Numbers of the op cases: sine waves, so that every language can make them, and float64 arrays with axes to compute references in. */
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'

/** gen(shape, s, a)[i] = a sin(0.37 i + s), row-major: the generator of test/golden/golden_dcmm_sbm.json. */
export function gen(shape: readonly number[], s: number, a: number): Tensor {
  const size = shape.reduce((product, axis) => product * axis, 1)
  return tensorOf(
    Float32Array.from({ length: size }, (_, i) => a * Math.sin(0.37 * i + s)),
    shape,
  )
}

/** Values in float64 with their shape; `at` takes one index an axis. */
export class Values {
  readonly shape: readonly number[]
  readonly data: Float64Array

  constructor(shape: readonly number[], of: (...index: number[]) => number) {
    this.shape = shape
    const size = shape.reduce((product, axis) => product * axis, 1)
    this.data = Float64Array.from({ length: size }, (_, flat) => {
      const index: number[] = []
      let rest = flat
      for (const axis of [...shape].reverse()) {
        index.unshift(rest % axis)
        rest = Math.floor(rest / axis)
      }
      return of(...index)
    })
  }

  static from({ shape, data }: Tensor): Values {
    let next = 0
    return new Values(shape, () => data[next++]!)
  }

  at(...index: number[]): number {
    return this.data[index.reduce((flat, i, axis) => flat * this.shape[axis]! + i, 0)]!
  }

  tensor(): Tensor {
    return tensorOf(Float32Array.from(this.data), this.shape)
  }
}

export const sum = (count: number, of: (i: number) => number): number => {
  let total = 0
  for (let i = 0; i < count; i++) total += of(i)
  return total
}
