import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AUGMENTATION_LEVEL_2, type Augmentation, augment, augmentationKey } from '../../../models/data/augment.ts'

const NOTHING: Augmentation = { rotationDegrees: 0, zoom: 0, shift: 0, gamma: 0, contrast: 0, brightness: 0, erasedSquareProbability: 0, mirrorProbability: 0 }
const size = { channels: 1, height: 12, width: 10 }
const ramp = Float32Array.from({ length: 120 }, (_, i) => i / 119)

describe('augment', () => {
  it('is the identity when nothing is asked for', () => {
    augment(ramp, size, NOTHING, 5).forEach((value, i) => {
      expect(value).toBeCloseTo(ramp[i] ?? 0, 6)
    })
  })

  it('gives the same image for the same seed, epoch and index, and another one for each other', () => {
    const of = (seed: number, epoch: number, image: number) => [...augment(ramp, size, AUGMENTATION_LEVEL_2, augmentationKey(seed, epoch, image))]
    expect(of(1, 2, 3)).toEqual(of(1, 2, 3))
    for (const other of [of(2, 2, 3), of(1, 3, 3), of(1, 2, 4)]) expect(other).not.toEqual(of(1, 2, 3))
  })

  it('never leaves [0, 1]', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (key) => {
        for (const value of augment(ramp, size, AUGMENTATION_LEVEL_2, key)) {
          expect(value).toBeGreaterThanOrEqual(0)
          expect(value).toBeLessThanOrEqual(1)
        }
      }),
    )
  })

  it('exchanges left and right about as often as it is asked to', () => {
    const mirrored = Array.from({ length: 400 }, (_, key) => augment(ramp, size, { ...NOTHING, mirrorProbability: 0.5 }, augmentationKey(0, 0, key))).filter(
      (image) => (image[0] ?? 0) > (image[9] ?? 0),
    )
    expect(mirrored.length).toBeGreaterThan(150)
    expect(mirrored.length).toBeLessThan(250)
    for (const image of mirrored) for (let i = 0; i < 10; i++) expect(image[i]).toBeCloseTo(ramp[9 - i] ?? 0, 6)
  })

  it('never mirrors a chest: a bright left half stays left at every draw', () => {
    const leftBright = Float32Array.from({ length: 120 }, (_, i) => (i % 10 < 5 ? 1 : 0))
    const sumOfSide = (image: Float32Array, left: boolean): number => image.filter((_, i) => i % 10 < 5 === left).reduce((sum, value) => sum + value, 0)
    for (let key = 0; key < 300; key++) {
      const image = augment(leftBright, size, AUGMENTATION_LEVEL_2, key)
      expect(sumOfSide(image, true)).toBeGreaterThan(sumOfSide(image, false))
    }
  })

  it('shifts by the drawn share of the side: a dot moves without changing its mass inside the frame', () => {
    const dot = new Float32Array(31 * 31)
    dot[15 * 31 + 15] = 1
    const shifted = augment(dot, { channels: 1, height: 31, width: 31 }, { ...NOTHING, shift: 0.05 }, 3)
    const mass = shifted.reduce((sum, value) => sum + value, 0)
    const centerX = shifted.reduce((sum, value, i) => sum + value * (i % 31), 0) / mass
    expect(mass).toBeCloseTo(1, 5)
    expect(centerX).not.toBeCloseTo(15, 2)
  })

  it('erases a square of a quarter of the side to the mean, in each channel its own', () => {
    const image = Float32Array.from({ length: 2 * 64 }, (_, i) => (i < 64 ? i / 63 : 1 - (i - 64) / 252))
    const erased = augment(image, { channels: 2, height: 8, width: 8 }, { ...NOTHING, erasedSquareProbability: 1 }, 9)
    const changed = Array.from(erased, (value, i) => Math.abs(value - (image[i] ?? 0)) > 1e-4)
    expect(changed.slice(0, 64).filter(Boolean).length).toBe(4)
    expect(new Set(erased.filter((_, i) => changed[i] && i < 64)).size).toBe(1)
    expect(erased[changed.indexOf(true)]).toBeCloseTo(0.5, 5)
  })
})
