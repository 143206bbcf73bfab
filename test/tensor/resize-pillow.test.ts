/** Resizing beside Pillow itself, whose filter the training sets of MedMNIST went through. */
import { expect, it } from 'vitest'
import { resizeBilinearAntialias, type SourceWindow, type TargetSize } from '../../src/tensor/resize.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'

const ROWS = 11
const COLUMNS = 17
const PICTURE = tensorOf(
  Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => {
    const [row, column] = [Math.floor(i / COLUMNS), i % COLUMNS]
    return ((row * 31 + column * 17 + row * column * 5) % 97) / 96
  }),
  [ROWS, COLUMNS, 1],
)

interface Golden {
  readonly case: string
  readonly input: { readonly window: SourceWindow; readonly size: TargetSize }
  readonly expected: readonly number[]
  readonly tolerance: number
  readonly because: string
  readonly computedBy: string
}

const made = {
  tolerance: 2e-6,
  because: 'Pillow keeps float32 between its two passes and prints 7 digits',
  computedBy: "Pillow 9.4.0: Image.fromarray(picture, mode='F').crop(window).resize(size, Image.BILINEAR)",
}

const GOLDEN: readonly Golden[] = [
  {
    ...made,
    case: 'a reduction on both axes',
    input: { window: { top: 0, left: 0, height: 11, width: 17 }, size: { height: 5, width: 7 } },
    // biome-ignore format: one row of the picture a line
    expected: [
      0.4083306, 0.429221, 0.4870536, 0.4521964, 0.6014633, 0.388133, 0.6593364,
      0.5707224, 0.5214327, 0.5207248, 0.5729873, 0.5441081, 0.5356316, 0.5145761,
      0.4548958, 0.5693948, 0.5375729, 0.4798256, 0.5554063, 0.4813393, 0.3875,
      0.521412, 0.5941014, 0.5759766, 0.5418686, 0.4258355, 0.4472553, 0.5600405,
      0.5438024, 0.5413951, 0.4424479, 0.5534214, 0.4968874, 0.4824854, 0.50299,
    ],
  },
  {
    ...made,
    case: 'the centered square, cut out before it is reduced',
    input: { window: { top: 0, left: 3, height: 11, width: 11 }, size: { height: 4, width: 4 } },
    // biome-ignore format: one row of the picture a line
    expected: [
      0.4489955, 0.4943319, 0.5317194, 0.4650992,
      0.5534111, 0.5473727, 0.5162934, 0.5666699,
      0.60308, 0.5524942, 0.4739207, 0.4547389,
      0.5624821, 0.4830375, 0.5135063, 0.4418581,
    ],
  },
  {
    ...made,
    case: 'an enlargement on both axes',
    input: { window: { top: 0, left: 0, height: 4, width: 5 }, size: { height: 6, width: 9 } },
    // biome-ignore format: one row of the picture a line
    expected: [
      0, 0.05902778, 0.1574074, 0.255787, 0.3541667, 0.4525463, 0.5509259, 0.6493055, 0.7083333,
      0.1614583, 0.2291667, 0.3420139, 0.4548611, 0.5677083, 0.3998843, 0.2881944, 0.4010417, 0.46875,
      0.3767361, 0.4560185, 0.5881558, 0.6454476, 0.6840278, 0.3483796, 0.1062886, 0.2384259, 0.3177083,
      0.5920139, 0.6828703, 0.8342978, 0.6114969, 0.2951389, 0.3530093, 0.4295911, 0.5810185, 0.671875,
      0.8072916, 0.7413194, 0.6313657, 0.521412, 0.4114583, 0.5821759, 0.6967592, 0.5868056, 0.5208334,
      0.96875, 0.7430555, 0.3668981, 0.4398148, 0.625, 0.8101852, 0.8831018, 0.5069444, 0.28125,
    ],
  },
  {
    ...made,
    case: 'an enlargement down and a reduction across',
    input: { window: { top: 0, left: 0, height: 11, width: 17 }, size: { height: 15, width: 3 } },
    // biome-ignore format: five rows of the picture a line
    expected: [
      0.3976935, 0.4895833, 0.5230655, 0.4209077, 0.4833333, 0.5212798, 0.4572999, 0.4895833, 0.5271164, 0.5081267, 0.5166667, 0.543378, 0.6070684, 0.5854167, 0.5676587,
      0.5263807, 0.5652778, 0.489294, 0.4489005, 0.5173611, 0.4333829, 0.4949157, 0.4791667, 0.484127, 0.6026785, 0.5326388, 0.4819444, 0.6150132, 0.5423611, 0.4797619,
      0.5680059, 0.5166667, 0.4847966, 0.508168, 0.4631945, 0.5090774, 0.4964451, 0.5416666, 0.5012814, 0.5184028, 0.5291666, 0.4950893, 0.5560516, 0.4479167, 0.4933036,
    ],
  },
]

it.each(GOLDEN)('resizeBilinearAntialias gives what Pillow gives for $case', ({ input, expected, tolerance }) => {
  const { data } = resizeBilinearAntialias(PICTURE, input.window, input.size)
  expect(data.length).toBe(expected.length)
  expected.forEach((value, i) => {
    expect(Math.abs(data[i]! - value)).toBeLessThanOrEqual(tolerance)
  })
})
