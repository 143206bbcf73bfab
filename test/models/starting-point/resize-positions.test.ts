import { describe, expect, it } from 'vitest'
import { resizePositions } from '../../../models/starting-point/resize-positions.ts'
import { tensorOf } from '../../../src/tensor/tensor.ts'

/** [1, 1 + side x side, 2]: the class token's are 9 and -9. */
const positions = (side: number) => {
  const ofPatches = Array.from({ length: side * side }, (_, i) => [0, 1].map((c) => ((i * 7 + c * 3) % 11) / 4 - 1)).flat()
  return tensorOf(Float32Array.from([9, -9, ...ofPatches]), [1, 1 + side * side, 2])
}

describe('resizePositions', () => {
  // computedBy: torch 1.13 F.interpolate(mode='bicubic', antialias=True, align_corners=False) in float64; six decimals are printed.
  it.each([
    [
      3,
      5,
      [
        -1.336419, -0.363208, -0.457301, 0.42745, 0.768868, 1.518868, 0.207266, 0.947972, -0.306604, 0.443396, -0.171219, -0.458568, 0.208329, 0.33209, 0.673507, 1.423507,
        0.059423, 0.852612, -0.401964, 0.348036, 1.575472, -0.632075, 1.19403, 0.158582, 0.5, 1.25, -0.19403, 0.679104, -0.575472, 0.174528, 1.534392, -0.805583, 1.100468,
        -0.014925, 0.326493, 1.076493, -0.373051, 0.505597, -0.748979, 0.001021, 1.306604, -0.900943, 0.925162, -0.110286, 0.231132, 0.981132, -0.462898, 0.410237, -0.84434,
        -0.09434,
      ],
    ],
    [
      5,
      3,
      [
        -0.046331, 0.20574, 0.340948, 0.48703, 0.652604, 0.005799, -0.178515, 0.325707, 0.269665, 0.564554, 0.396297, -0.118211, 0.346864, 0.194734, 0.045081, 0.159284, -0.035325,
        0.761538,
      ],
    ],
    [4, 2, [-0.023807, 0.483048, 0.531602, 0.131903, 0.273056, 0.250047, 0.298601, 0.214641]],
  ])('brings a grid of %i to one of %i as PyTorch does, and leaves the class token', (side, to, expected) => {
    const resized = resizePositions(positions(side), side, to)
    expect(resized.shape).toEqual([1, 1 + to * to, 2])
    expect([...resized.data.subarray(0, 2)]).toEqual([9, -9])
    expected.forEach((value, i) => {
      expect(resized.data[2 + i]).toBeCloseTo(value, 5)
    })
  })

  it('gives a grid of the same side back', () => {
    expect(resizePositions(positions(4), 4, 4).data).toEqual(positions(4).data)
  })
})
