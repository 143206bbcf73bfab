/** Resizing: what comes out against Pillow's formula worked by hand, and against laws that hold for every size. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { resizeBilinear, resizeBilinearAntialias } from '../../src/tensor/resize.ts'
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'

const row = (...values: number[]): Tensor => tensorOf(Float32Array.from(values), [1, values.length, 1])
const whole = ({ shape: [height = 0, width = 0] }: Tensor): { top: number; left: number; height: number; width: number } => ({ top: 0, left: 0, height, width })

describe('resizeBilinearAntialias', () => {
  it('halves four pixels with the weights 3/7, 3/7, 1/7 of a triangle two pixels wide', () => {
    // scale 2, support 2, first center 1: distances .5 .5 1.5 of pixels 0 1 2, weights .75 .75 .25 over 1.75
    const halved = resizeBilinearAntialias(row(0, 7, 14, 70), whole(row(0, 0, 0, 0)), { height: 1, width: 2 })
    expect(halved.data[0]).toBeCloseTo((3 * 0 + 3 * 7 + 1 * 14) / 7, 5)
    expect(halved.data[1]).toBeCloseTo((1 * 7 + 3 * 14 + 3 * 70) / 7, 5)
  })

  it('reduces three pixels to one with the weights 2 : 3 : 2', () => {
    // scale 3, center 1.5: distances 1 0 1 over a support of 3, weights 2/3 1 2/3
    const one = resizeBilinearAntialias(row(21, 42, 84), whole(row(0, 0, 0)), { height: 1, width: 1 })
    expect(one.data[0]).toBeCloseTo((2 * 21 + 3 * 42 + 2 * 84) / 7, 4)
  })

  it('doubles two pixels at quarter distances, ends repeated', () => {
    const doubled = resizeBilinearAntialias(row(0, 4), whole(row(0, 0)), { height: 1, width: 4 })
    expect(Array.from(doubled.data)).toEqual([0, 1, 3, 4])
  })

  it('takes what lies outside the source as zero and what lies outside the window not at all', () => {
    // the window covers one pixel of padding and two of the source, at scale 1
    const shifted = resizeBilinearAntialias(row(5, 6, 900), { top: 0, left: -1, height: 1, width: 3 }, { height: 1, width: 3 })
    expect(Array.from(shifted.data)).toEqual([0, 5, 6])
    const reduced = resizeBilinearAntialias(row(5, 6, 900), { top: 0, left: -1, height: 1, width: 3 }, { height: 1, width: 1 })
    expect(reduced.data[0]).toBeCloseTo((2 * 0 + 3 * 5 + 2 * 6) / 7, 5)
  })

  it('reads a fractional window at its own phase', () => {
    const half = resizeBilinearAntialias(row(0, 10, 20, 30), { top: 0, left: 0.5, height: 1, width: 2 }, { height: 1, width: 2 })
    expect(Array.from(half.data)).toEqual([5, 15])
  })
})

describe('resizeBilinear', () => {
  it('samples neighbors only, however strong the reduction', () => {
    // center of the one output pixel at 2: half of pixel 1, half of pixel 2, nothing of the spikes
    const one = resizeBilinear(row(1000, 4, 8, 1000), whole(row(0, 0, 0, 0)), { height: 1, width: 1 })
    expect(one.data[0]).toBeCloseTo(6, 5)
  })
})

describe.each([
  ['resizeBilinearAntialias', resizeBilinearAntialias],
  ['resizeBilinear', resizeBilinear],
] as const)('%s, for every size', (_, resize) => {
  const size = fc.integer({ min: 1, max: 40 })

  it('keeps a constant image constant', () => {
    fc.assert(
      fc.property(size, size, size, size, (rows, columns, height, width) => {
        const image = tensorOf(new Float32Array(rows * columns).fill(0.625), [rows, columns, 1])
        const resized = resize(image, whole(image), { height, width })
        expect(resized.shape).toEqual([height, width, 1])
        for (const value of resized.data) expect(value).toBeCloseTo(0.625, 6)
      }),
    )
  })

  it('commutes with a mirror: no half-pixel shift', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 40 }), size, (values, width) => {
        const straight = resize(row(...values), whole(row(...values)), { height: 1, width })
        const mirrored = resize(row(...values.toReversed()), whole(row(...values)), { height: 1, width })
        straight.data.forEach((value, i) => {
          expect(value).toBeCloseTo(mirrored.data[width - 1 - i]!, 5)
        })
      }),
    )
  })

  it('is the identity at the same size', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 40 }), (values) => {
        const image = row(...values)
        expect(resize(image, whole(image), { height: 1, width: values.length }).data).toEqual(image.data)
      }),
    )
  })

  it('treats channels apart', () => {
    const image = tensorOf(Float32Array.from([0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32]), [2, 2, 3])
    const resized = resize(image, whole(image), { height: 1, width: 1 })
    expect(Array.from(resized.data)).toEqual([15, 16, 17])
  })
})
