import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  accuracyOf,
  areaUnderRoc,
  balancedAccuracyOf,
  bootstrapAuc,
  brierScore,
  confusionMatrix,
  expectedCalibrationError,
  fitTemperature,
  meanAuc,
  metricsOf,
  negativeLogLikelihood,
  probabilitiesOf,
  wilsonInterval,
} from '../../models/metrics.ts'
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'

const table = (rows: readonly (readonly number[])[]): Tensor => tensorOf(Float32Array.from(rows.flat()), [rows.length, rows[0]?.length ?? 0])

describe('probabilitiesOf', () => {
  it('meets softmax worked by hand, plain and cooled', () => {
    // exp(ln 3) : exp(0) = 3 : 1; at temperature 1/2 it is 9 : 1.
    const logits = table([[Math.log(3), 0]])
    expect(probabilitiesOf(logits).data[0]).toBeCloseTo(0.75, 6)
    expect(probabilitiesOf(logits, 0.5).data[0]).toBeCloseTo(0.9, 6)
  })

  it('gives rows that sum to 1 for any logits', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ min: -80, max: 80, noNaN: true }), { minLength: 2, maxLength: 6 }), (row) => {
        expect(probabilitiesOf(table([row])).data.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5)
      }),
    )
  })
})

describe('the figures from a confusion matrix', () => {
  // Class 0: three images, two found; class 1: one image, found.
  const probabilities = table([
    [0.9, 0.1],
    [0.6, 0.4],
    [0.2, 0.8],
    [0.3, 0.7],
  ])
  const labels = [0, 0, 0, 1]

  it('count images by true and predicted class', () => {
    expect(confusionMatrix(probabilities, labels)).toEqual([
      [2, 1],
      [0, 1],
    ])
  })

  it('give 3/4 accuracy and (2/3 + 1) / 2 balanced accuracy', () => {
    const matrix = confusionMatrix(probabilities, labels)
    expect(accuracyOf(matrix)).toBe(0.75)
    expect(balancedAccuracyOf(matrix)).toBeCloseTo(5 / 6, 12)
  })

  it('leave a class without images out of the balanced accuracy', () => {
    expect(
      balancedAccuracyOf([
        [1, 1, 0],
        [0, 2, 0],
        [0, 0, 0],
      ]),
    ).toBe(0.75)
  })
})

describe('areaUnderRoc', () => {
  it('counts the pairs in order, ties half: 2.5 of 4', () => {
    // Positives .8 and .4, negatives .4 and .5: .8 beats both, .4 ties one and loses one.
    expect(areaUnderRoc([0.8, 0.4, 0.4, 0.5], (i) => i < 2)).toBe(0.625)
  })

  it('equals the share of ordered pairs by definition, for any scores', () => {
    const scored = fc
      .array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.boolean()), { minLength: 2, maxLength: 30 })
      .filter((list) => list.some(([, p]) => p) && list.some(([, p]) => !p))
    fc.assert(
      fc.property(scored, (list) => {
        const positives = list.filter(([, positive]) => positive)
        const negatives = list.filter(([, positive]) => !positive)
        const wins = positives.flatMap(([p]) => negatives.map(([n]): number => (p > n ? 1 : p === n ? 0.5 : 0)))
        const byPairs = wins.reduce((sum, win) => sum + win, 0) / wins.length
        const scores = list.map(([score]) => score)
        expect(areaUnderRoc(scores, (i) => list[i]?.[1] === true)).toBeCloseTo(byPairs, 12)
      }),
    )
  })

  it('is averaged over classes, one against the rest', () => {
    // Class 0 ranked perfectly (1), class 1: positive .5 beats .4 and ties nothing below .6 -> 1/2, class 2: .6 beats .1 and .1 -> 1.
    const probabilities = table([
      [0.3, 0.6, 0.1],
      [0.1, 0.5, 0.4],
      [0, 0.4, 0.6],
    ])
    expect(meanAuc(probabilities, [0, 1, 2])).toBeCloseTo((1 + 0.5 + 1) / 3, 12)
  })

  it('lies inside its own bootstrap interval, which is the same for the same seed', () => {
    const probabilities = table(Array.from({ length: 60 }, (_, i) => [1 - ((i * 37) % 60) / 60, ((i * 37) % 60) / 60]))
    const labels = Array.from({ length: 60 }, (_, i) => ((i * 37) % 60 > 25 + (i % 20) ? 1 : 0))
    const area = meanAuc(probabilities, labels)
    const interval = bootstrapAuc(probabilities, labels, { resamples: 200, seed: 1 })
    expect(interval.low).toBeLessThan(area)
    expect(interval.high).toBeGreaterThan(area)
    expect(bootstrapAuc(probabilities, labels, { resamples: 200, seed: 1 })).toEqual(interval)
  })
})

describe('calibration', () => {
  it('meets an expected calibration error worked by hand', () => {
    // 15 bins: .95 twice (bin 15, one right: |1.9 - 1|), .55 twice (bin 9, both right: |1.1 - 2|); (0.9 + 0.9) / 4.
    const probabilities = table([
      [0.95, 0.05],
      [0.95, 0.05],
      [0.55, 0.45],
      [0.55, 0.45],
    ])
    expect(expectedCalibrationError(probabilities, [0, 1, 0, 0])).toBeCloseTo(0.45, 6)
  })

  it('meets a Brier score and a likelihood worked by hand', () => {
    const probabilities = table([
      [0.8, 0.2],
      [0.4, 0.6],
    ])
    expect(brierScore(probabilities, [0, 0])).toBeCloseTo((2 * 0.2 ** 2 + 2 * 0.6 ** 2) / 2, 6)
    expect(negativeLogLikelihood(table([[Math.log(4), 0]]), [0], 1)).toBeCloseTo(-Math.log(0.8), 6)
  })

  it('finds the temperature that makes confidence the share that is right', () => {
    // Every image says class 0 with logit 2; three of four are right. Confidence 3/4 needs logit ln 3, so T = 2 / ln 3.
    const logits = table([
      [2, 0],
      [2, 0],
      [2, 0],
      [2, 0],
    ])
    expect(fitTemperature(logits, [0, 0, 0, 1])).toBeCloseTo(2 / Math.log(3), 4)
  })
})

describe('wilsonInterval', () => {
  it('meets the published interval of 81 of 263, .2553 to .3662 (Newcombe, Statistics in Medicine 17:857, table I)', () => {
    const { low, high } = wilsonInterval(81, 263)
    expect(low).toBeCloseTo(0.2553, 4)
    expect(high).toBeCloseTo(0.3662, 4)
  })
})

describe('metricsOf', () => {
  it('refuses logits with more rows than labels', () => {
    expect(() => metricsOf(table([[1, 0]]), [0, 1])).toThrow(expect.objectContaining({ code: 'shape-mismatch' }))
  })
})
