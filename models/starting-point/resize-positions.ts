/** Position embeddings of one grid of patches in, those of another grid out; the class token's stays. */
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'

/** Keys' cubic convolution with this parameter, as in Pillow and in PyTorch's antialiased bicubic. */
const CUBIC = -0.5
/** Of the kernel, to either side, in its own pixels. */
const SUPPORT = 2

/**
 * The positions on another square grid, by bicubic interpolation with the kernel as wide as the reduction.
 *
 * positions  [1, 1 + side x side, width], the class token first
 * returns    [1, 1 + to x to, width]
 *
 * Source: Keys, IEEE Trans. ASSP 29 (1981) 1153, equation 4; Pillow src/libImaging/Resample.c for the widening and the border, where the weights
 * that are left are normalized. timm's resample_abs_pos_embed does the same.
 */
export function resizePositions(positions: Tensor, side: number, to: number): Tensor {
  const [, , width = 0] = positions.shape
  const weights = resizingWeights(side, to) // [to, side]
  const { data } = positions
  const resized = new Float32Array((1 + to * to) * width)
  resized.set(data.subarray(0, width))
  for (let y = 0; y < to; y++) {
    for (let x = 0; x < to; x++) {
      for (let channel = 0; channel < width; channel++) {
        let sum = 0
        for (let row = 0; row < side; row++) {
          const ofRow = weights[y * side + row] ?? 0
          if (ofRow === 0) continue
          for (let column = 0; column < side; column++) sum += ofRow * (weights[x * side + column] ?? 0) * (data[(1 + row * side + column) * width + channel] ?? 0)
        }
        resized[(1 + y * to + x) * width + channel] = sum
      }
    }
  }
  return tensorOf(resized, [1, 1 + to * to, width])
}

/** What each of `to` places takes of each of `side`: [to, side], rows sum to 1. */
function resizingWeights(side: number, to: number): Float64Array {
  const scale = side / to
  const widening = Math.max(scale, 1)
  const weights = new Float64Array(to * side)
  for (let place = 0; place < to; place++) {
    const row = weights.subarray(place * side, (place + 1) * side)
    const center = (place + 0.5) * scale
    for (let i = 0; i < side; i++) row[i] = cubic((i + 0.5 - center) / widening)
    const sum = row.reduce((total, weight) => total + weight, 0)
    for (let i = 0; i < side; i++) row[i] = (row[i] ?? 0) / sum
  }
  return weights
}

function cubic(distance: number): number {
  const x = Math.abs(distance)
  if (x < 1) return ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1
  if (x < SUPPORT) return (((x - 5) * x + 8) * x - 4) * CUBIC
  return 0
}
