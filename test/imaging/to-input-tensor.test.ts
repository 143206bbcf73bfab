/** From a decoded image to the network's input and back: which pixels it sees, what becomes of them, and the way home. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DecodedImage } from '../../src/domain/image.ts'
import type { ManifestInput } from '../../src/domain/manifest.ts'
import { toInputPoint, toSourcePoint } from '../../src/domain/placement.ts'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { cutOut, placeInput, preprocessingSha256, roundHalfEven, toGray, toInputTensor } from '../../src/imaging/to-input-tensor.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'
import { buildGray16 } from '../support/synthetic-dicom.ts'
import { buildGray16Png } from '../support/synthetic-png.ts'

const INPUT: ManifestInput = {
  name: 'pixels',
  layout: 'nchw',
  channels: 1,
  height: 2,
  width: 2,
  fit: 'stretch',
  resize: 'bilinear-antialias',
  mean: [0],
  deviation: [1],
  modalities: [],
}

function imageOf(values: readonly number[], rows: number, columns: number, channels: 1 | 3 = 1): DecodedImage {
  return {
    pixels: tensorOf(Float32Array.from(values), [rows, columns, channels]),
    facts: {
      format: 'png',
      rows,
      columns,
      frame: 1,
      frames: 1,
      modality: null,
      transferSyntaxUid: null,
      photometricInterpretation: 'MONOCHROME2',
      bitsStored: 8,
      window: { center: 127.5, width: 255, function: 'NONE' },
      warnings: [],
    },
  }
}

describe('toInputTensor', () => {
  it('normalizes each channel by its mean and deviation', () => {
    const gray = toInputTensor(imageOf([0, 0.25, 0.5, 1], 2, 2), { ...INPUT, mean: [0.5], deviation: [0.25] })
    expect(gray.pixels.shape).toEqual([1, 2, 2])
    expect(Array.from(gray.pixels.data)).toEqual([-2, -1, 0, 2])
  })

  it('feeds gray to all three channels of a color model', () => {
    const { pixels } = toInputTensor(imageOf([0, 0.25, 0.5, 1], 2, 2), { ...INPUT, channels: 3, mean: [0, 0.5, 1], deviation: [1, 0.5, 0.25] })
    expect(pixels.shape).toEqual([3, 2, 2])
    expect(Array.from(pixels.data)).toEqual([0, 0.25, 0.5, 1, -1, -0.5, 0, 1, -4, -3, -2, 0])
  })

  it('lays color out plane by plane', () => {
    const { pixels } = toInputTensor(imageOf([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 1, 2, 3), { ...INPUT, channels: 3, height: 1 })
    expect(Array.from(pixels.data)).toEqual([0.1, 0.4, 0.2, 0.5, 0.3, 0.6].map(Math.fround))
  })

  it("makes gray of color with Pillow's weights", () => {
    expect(Array.from(toGray(tensorOf(Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1, 0.5, 0.5, 0.5), [1, 4, 3])).data)).toEqual(
      [19_595 / 65_536, 38_470 / 65_536, 7_471 / 65_536, 0.5].map(Math.fround),
    )
  })

  it('pads with black, which is normalized as black is', () => {
    // 1 x 2 into a square of 2: the row lies at the top, half of (2 - 1) / 2 rounds to the even 0
    const { pixels, placement } = toInputTensor(imageOf([0.5, 1], 1, 2), { ...INPUT, fit: 'pad', mean: [0.5], deviation: [0.5] })
    expect(placement).toMatchObject({ top: 0, left: 0, height: 2, width: 2 })
    expect(Array.from(pixels.data)).toEqual([0, 1, -1, -1])
  })

  it('crops before it resizes: what lies outside the square takes no part', () => {
    // columns 0 and 3 are outside the centered square of 2
    const { pixels } = toInputTensor(imageOf([9, 0.2, 0.4, 9, 9, 0.6, 0.8, 9], 2, 4), { ...INPUT, height: 1, width: 1, fit: 'crop' })
    expect(pixels.data[0]).toBeCloseTo(0.5, 6)
  })

  it('gives the DICOM of stored values without a window and the 16-bit PNG of them one tensor', async () => {
    const values = Array.from({ length: 30 * 20 }, (_, i) => 17 + ((i * 7919) % 4000))
    const input: ManifestInput = { ...INPUT, height: 14, width: 14, fit: 'crop', mean: [0.5], deviation: [0.25] }
    const [dicom, png] = await Promise.all([decodeImage(buildGray16(values, 30), { frame: 1 }), decodeImage(buildGray16Png(values, 30), { frame: 1 })])
    expect(toInputTensor(png.image, input).pixels.data).toEqual(toInputTensor(dicom.image, input).pixels.data)
  })

  it('gives a DICOM with a window and the 16-bit PNG of what it shows one tensor, to half a step of 16 bits', async () => {
    const values = Array.from({ length: 30 * 20 }, (_, i) => (i * 7919) % 4096)
    const dicom = await decodeImage(buildGray16(values, 30, { WindowCenter: '2048', WindowWidth: '3000' }), { frame: 1 })
    const shown = Array.from(dicom.image.pixels.data, (value) => Math.round(value * 65_535))
    const png = await decodeImage(buildGray16Png(shown, 30), { frame: 1 })
    const input: ManifestInput = { ...INPUT, height: 14, width: 14, fit: 'pad' }
    const [a, b] = [toInputTensor(dicom.image, input).pixels.data, toInputTensor(png.image, input).pixels.data]
    a.forEach((value, i) => {
      expect(Math.abs(value - b[i]!)).toBeLessThanOrEqual(0.51 / 65_535)
    })
  })
})

describe('placeInput', () => {
  it.each([
    // MedMNIST's crop: round((long - short) / 2), halves to even
    ['crop', 100, 103, { top: 0, left: 2, height: 100, width: 100 }],
    ['crop', 100, 101, { top: 0, left: 0, height: 100, width: 100 }],
    ['crop', 107, 100, { top: 4, left: 0, height: 100, width: 100 }],
    ['pad', 100, 103, { top: -2, left: 0, height: 103, width: 103 }],
    ['pad', 101, 100, { top: 0, left: 0, height: 101, width: 101 }],
    ['stretch', 3, 7, { top: 0, left: 0, height: 3, width: 7 }],
  ] as const)('%s of %i x %i covers %j', (fit, rows, columns, covered) => {
    expect(placeInput(rows, columns, { fit, height: 28, width: 28 })).toMatchObject({
      ...covered,
      sourceRows: rows,
      sourceColumns: columns,
      quarterTurns: 0,
      inputHeight: 28,
      inputWidth: 28,
    })
  })

  it('keeps the shape of an input that is no square', () => {
    expect(placeInput(100, 100, { fit: 'crop', height: 10, width: 20 })).toMatchObject({ top: 25, left: 0, height: 50, width: 100 })
    expect(placeInput(100, 100, { fit: 'pad', height: 10, width: 20 })).toMatchObject({ top: 0, left: -50, height: 100, width: 200 })
  })
})

it.each([
  [0.5, 0],
  [1.5, 2],
  [2.5, 2],
  [-0.5, 0],
  [-1.5, -2],
  [2.4, 2],
  [2.6, 3],
])('roundHalfEven(%d) is %d, as in Python', (value, rounded) => {
  expect(roundHalfEven(value)).toBe(rounded)
})

describe('preprocessingSha256', () => {
  it('changes with everything that changes the tensor, and with nothing else', () => {
    const hash = preprocessingSha256(INPUT)
    expect(hash).toMatch(/^[0-9a-f]{64}$/)
    const changes: Partial<ManifestInput>[] = [{ channels: 3 }, { height: 3 }, { width: 3 }, { fit: 'pad' }, { resize: 'bilinear' }, { mean: [0.1] }, { deviation: [2] }]
    expect(new Set([hash, ...changes.map((change) => preprocessingSha256({ ...INPUT, ...change }))]).size).toBe(changes.length + 1)
    expect(preprocessingSha256({ ...INPUT, name: 'image', modalities: ['CR'] })).toBe(hash)
  })
})

/** The generators of the geometry laws: sizes with primes among them, every fit, every turn. */
const side = fc.oneof(fc.integer({ min: 1, max: 4096 }), fc.constantFrom(1, 2, 3, 7, 127, 427, 488, 2011, 3001, 4093))
const fit = fc.constantFrom('stretch', 'pad', 'crop')
const inputSide = fc.constantFrom(7, 8, 14, 16, 24).chain((grid) => fc.constantFrom(1, 2, 14, 16).map((patch) => grid * patch))

describe('the way from an image to the input and back', () => {
  it('is the identity for every size, fit and turn', () => {
    const turns = fc.constantFrom(0, 1, 2, 3)
    fc.assert(
      fc.property(
        side,
        side,
        fit,
        inputSide,
        inputSide,
        turns,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (rows, columns, how, height, width, quarterTurns, v, u) => {
          const placement = { ...placeInput(rows, columns, { fit: how, height, width }), quarterTurns }
          const point = { y: v * rows, x: u * columns }
          const back = toSourcePoint(placement, toInputPoint(placement, point))
          expect(Math.abs(back.y - point.y)).toBeLessThan(0.5)
          expect(Math.abs(back.x - point.x)).toBeLessThan(0.5)
        },
      ),
      { numRuns: 1000 },
    )
  })

  it('keeps the whole image inside with pad and stretch, and all of the input on the image with crop', () => {
    fc.assert(
      fc.property(side, side, fit, (rows, columns, how) => {
        const { top, left, height, width } = placeInput(rows, columns, { fit: how, height: 224, width: 224 })
        const [outer, inner] =
          how === 'crop'
            ? [
                { rows, columns, top: 0, left: 0 },
                { rows: height, columns: width, top, left },
              ]
            : [
                { rows: height, columns: width, top, left },
                { rows, columns, top: 0, left: 0 },
              ]
        expect(inner.top).toBeGreaterThanOrEqual(outer.top)
        expect(inner.left).toBeGreaterThanOrEqual(outer.left)
        expect(inner.top + inner.rows).toBeLessThanOrEqual(outer.top + outer.rows)
        expect(inner.left + inner.columns).toBeLessThanOrEqual(outer.left + outer.columns)
      }),
    )
  })

  it('puts a bright pixel where the placement says, on images that are no squares, for every fit', () => {
    const small = fc.integer({ min: 4, max: 60 })
    fc.assert(
      fc.property(small, small, fit, fc.double({ min: 0, max: 0.999, noNaN: true }), fc.double({ min: 0, max: 0.999, noNaN: true }), (rows, columns, how, v, u) => {
        const row = Math.floor(v * rows)
        const column = Math.floor(u * columns)
        const values = new Array<number>(rows * columns).fill(0)
        values[row * columns + column] = 1
        const input: ManifestInput = { ...INPUT, fit: how, height: 64, width: 64 }
        const { pixels, placement } = toInputTensor(imageOf(values, rows, columns), input)
        const expected = toInputPoint(placement, { y: row + 0.5, x: column + 0.5 })
        const margin = 64 / Math.min(placement.height, placement.width) + 1
        const isInside = expected.y > margin && expected.y < 64 - margin && expected.x > margin && expected.x < 64 - margin
        if (isInside) expectCentroid(pixels.data, 64, expected)
      }),
    )
  })

  it.each([
    [427, 488],
    [301, 201],
    [97, 11],
  ])('lands four corner markers of %i x %i in the four corners of the padded image', (rows, columns) => {
    const values = new Array<number>(rows * columns).fill(0)
    const corners = [0, columns - 1, (rows - 1) * columns, rows * columns - 1]
    for (const corner of corners) values[corner] = 1
    const { pixels, placement } = toInputTensor(imageOf(values, rows, columns), { ...INPUT, fit: 'pad', height: 224, width: 224 })
    for (const corner of corners) {
      const { y, x } = toInputPoint(placement, { y: Math.floor(corner / columns) + 0.5, x: (corner % columns) + 0.5 })
      expect(pixels.data[Math.min(223, Math.floor(y)) * 224 + Math.min(223, Math.floor(x))]).toBeGreaterThan(0.05)
    }
  })

  it('turns the picture as the placement says, clockwise', () => {
    // 1 2 over 3 4, a quarter clockwise: 3 1 over 4 2
    const image = tensorOf(Float32Array.of(1, 2, 3, 4), [2, 2, 1])
    const turned = (quarterTurns: 0 | 1 | 2 | 3): number[] =>
      Array.from(cutOut(image, { ...placeInput(2, 2, { fit: 'stretch', height: 2, width: 2 }), quarterTurns }, 'bilinear').data)
    expect([turned(0), turned(1), turned(2), turned(3)]).toEqual([
      [1, 2, 3, 4],
      [3, 1, 4, 2],
      [4, 3, 2, 1],
      [2, 4, 1, 3],
    ])
  })

  it('turns pixels and points alike', () => {
    fc.assert(
      fc.property(fc.constantFrom(0, 1, 2, 3), fc.nat({ max: 4 }), fc.nat({ max: 2 }), (quarterTurns, row, column) => {
        const values = new Float32Array(15)
        values[row * 3 + column] = 1
        const [height, width] = quarterTurns % 2 === 0 ? [5, 3] : [3, 5]
        const placement = { ...placeInput(5, 3, { fit: 'stretch', height, width }), quarterTurns }
        const turned = cutOut(tensorOf(values, [5, 3, 1]), placement, 'bilinear')
        const { y, x } = toInputPoint(placement, { y: row + 0.5, x: column + 0.5 })
        expect(turned.data[Math.floor(y) * width + Math.floor(x)]).toBe(1)
      }),
    )
  })
})

/** Within half a pixel of the input. */
function expectCentroid(pixels: Float32Array, width: number, expected: { readonly y: number; readonly x: number }): void {
  let [mass, y, x] = [0, 0, 0]
  pixels.forEach((value, i) => {
    mass += value
    y += value * (Math.floor(i / width) + 0.5)
    x += value * ((i % width) + 0.5)
  })
  expect(Math.abs(y / mass - expected.y)).toBeLessThan(0.5)
  expect(Math.abs(x / mass - expected.x)).toBeLessThan(0.5)
}
