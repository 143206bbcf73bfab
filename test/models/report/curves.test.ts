import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { areaUnderRoc, expectedCalibrationError } from '../../../models/metrics.ts'
import { reliabilityPoints, rocPoints } from '../../../models/report/curves.ts'
import { tensorOf } from '../../../src/tensor/tensor.ts'

const images = fc.array(fc.record({ score: fc.integer({ min: 0, max: 8 }), positive: fc.boolean() }), { minLength: 2, maxLength: 40 })
const probabilitiesOf = (scores: readonly number[]) => tensorOf(Float32Array.from(scores.flatMap((score) => [1 - score / 8, score / 8])), [scores.length, 2])

describe('rocPoints', () => {
  it('encloses the area that the rank statistic counts, ties and all', () => {
    fc.assert(
      fc.property(images, (drawn) => {
        const labels = drawn.map(({ positive }) => (positive ? 1 : 0))
        fc.pre(new Set(labels).size === 2)
        const points = rocPoints(probabilitiesOf(drawn.map(({ score }) => score)), labels, 1)
        let area = 0
        for (let i = 1; i < points.length; i++) {
          const [[x0, y0], [x1, y1]] = [points[i - 1] ?? [0, 0], points[i] ?? [0, 0]]
          area += ((x1 - x0) * (y0 + y1)) / 2
        }
        expect(area).toBeCloseTo(
          areaUnderRoc(
            drawn.map(({ score }) => score),
            (image) => labels[image] === 1,
          ),
          6,
        )
        expect([points[0], points.at(-1)]).toEqual([
          [0, 0],
          [1, 1],
        ])
      }),
    )
  })
})

describe('reliabilityPoints', () => {
  it('is the share that is right by confidence', () => {
    // sure and right, sure and wrong, unsure and right
    const probabilities = tensorOf(Float32Array.of(0.05, 0.95, 0.05, 0.95, 0.45, 0.55), [3, 2])
    const points = reliabilityPoints(probabilities, [1, 0, 1])
    expect(points.map(([x, y]) => [x.toFixed(2), y])).toEqual([
      ['0.55', 1],
      ['0.95', 0.5],
    ])
  })

  it('lies on the diagonal where the calibration error is 0', () => {
    const probabilities = tensorOf(
      Float32Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? 0.25 : 0.75)),
      [4, 2],
    )
    const labels = [1, 1, 1, 0]
    expect(expectedCalibrationError(probabilities, labels, 10)).toBeCloseTo(0, 6)
    for (const [x, y] of reliabilityPoints(probabilities, labels)) expect(y).toBeCloseTo(x, 6)
  })
})
