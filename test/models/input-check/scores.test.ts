import { describe, expect, it } from 'vitest'
import { CHANGES } from '../../../models/input-check/changed-images.ts'
import { type ImageScores, reportGroup } from '../../../models/input-check/scores.ts'
import type { DecodedImage } from '../../../src/domain/image.ts'
import { tensorOf } from '../../../src/tensor/tensor.ts'

const scores = (embedding: number, verdict: ImageScores['verdict'] = 'in-scope'): ImageScores => ({ verdict, histogram: 0, embedding, saturated: 0, missingEntropy: -embedding })

describe('reportGroup', () => {
  const own = [scores(1), scores(2), scores(3), scores(4)]
  const limits = { histogram: 0, embedding: 3.5, saturated: 0, missingEntropy: 0 }

  it('counts pairs in which the strange image scores higher, ties half, and what lies above the limit', () => {
    // 5 beats four, 3 beats two and ties one: (4 + 2.5) / 8
    const report = reportGroup([scores(5, 'out-of-scope'), scores(3)], own, limits)
    expect(report.separation.embedding).toEqual({ auroc: 6.5 / 8, aboveLimit: 0.5 })
    expect(report.separation.histogram).toEqual({ auroc: 0.5, aboveLimit: 0 })
    expect(report.separation.missingEntropy.auroc).toBeCloseTo(1.5 / 8, 12)
    expect(report).toMatchObject({ images: 2, verdicts: { 'in-scope': 0.5, unusual: 0, 'out-of-scope': 0.5, 'not-checked': 0 } })
  })
})

describe('the changes of an image', () => {
  const grays = [0, 0.25, 0.5, 1, 0.75, 0.125]
  const image = { facts: {} as DecodedImage['facts'], pixels: tensorOf(Float32Array.from(grays), [2, 3, 1]) }
  const changed = (name: string): number[] => [...CHANGES[name]!(image, 0).pixels.data]

  it.each([
    ['inverted', [1, 0.75, 0.5, 0, 0.25, 0.875]],
    ['mirrored', [0.5, 0.25, 0, 0.125, 0.75, 1]],
    ['upside-down', [1, 0.75, 0.125, 0, 0.25, 0.5]],
    ['one-gray', [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]],
  ])('are %s as the name says', (name, expected) => {
    expect(changed(name)).toEqual(expected)
  })

  it('make the same noise of the same image, other noise of another', () => {
    expect(changed('noise')).toEqual(changed('noise'))
    expect([...CHANGES['noise']!(image, 1).pixels.data]).not.toEqual(changed('noise'))
  })
})
