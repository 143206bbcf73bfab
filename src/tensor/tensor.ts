/** A float array that knows its shape; row-major, outermost axis first. */

export interface Tensor {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** Values of one row of shapes, a shape's product. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, axis) => product * axis, 1)
}

/**
 * A tensor over `data`, which is not copied.
 *
 * Throws: RangeError where the shape's product is not the length: a programming fault, never a caller's.
 */
export function tensorOf(data: Float32Array, shape: readonly number[]): Tensor {
  if (sizeOf(shape) !== data.length) throw new RangeError(`${data.length} values for [${shape.join(', ')}]`)
  return { shape, data }
}

/** The sub-tensor at `index` of the outermost axis, a view: [a, b, ...] becomes [b, ...]. */
export function at(tensor: Tensor, index: number): Tensor {
  const [axis = 0, ...inner] = tensor.shape
  if (index < 0 || index >= axis) throw new RangeError(`index ${index} outside an axis of ${axis}`)
  const size = sizeOf(inner)
  return tensorOf(tensor.data.subarray(index * size, (index + 1) * size), inner)
}

/** The mean over the outermost axis: [a, b, ...] becomes [b, ...]. Summed in float64. */
export function meanOverFirstAxis(tensor: Tensor): Tensor {
  const [axis = 0, ...inner] = tensor.shape
  const size = sizeOf(inner)
  const mean = new Float64Array(size)
  for (let i = 0; i < axis; i++) for (let j = 0; j < size; j++) mean[j]! += tensor.data[i * size + j]! / axis
  return tensorOf(Float32Array.from(mean), inner)
}
