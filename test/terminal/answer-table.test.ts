import { describe, expect, it } from 'vitest'
import type { PredictionAnswer } from '../../src/domain/answer.ts'
import { toAnswerTable, toTable } from '../../src/terminal/answer-table.ts'

const answer = {
  model: { id: 'm-v1', version: '1.0.0', network: 'dcmm-vit', graphSha256: 'abcdef0123456789'.repeat(4) },
  input: { format: 'dicom', rows: 10, columns: 20, frame: 1, frames: 3, warnings: [{ code: 'window-missing', detail: 'no window is given' }] },
  classes: [
    { name: 'normal', probability: 0.25, calibratedProbability: 0.3, logit: -0.5, code: null },
    { name: 'pneumonia', probability: 0.75, calibratedProbability: null, logit: 0.5986, code: null },
  ],
  predictedClass: 'pneumonia',
  counterfactual: { structure: 'removed', scope: 'network', classes: [{ name: 'pneumonia', logit: 0, probability: 0.5, deltaLogit: 0.6 }] },
  communities: [{ index: 0, share: 0.6 }],
  structure: { heads: 4, inactiveHeads: 1 },
} as unknown as PredictionAnswer

describe('the table of an answer', () => {
  it('marks the predicted class, and shows model output scores with and without the structure', () => {
    const lines = toAnswerTable(answer).split('\n')
    expect(lines[0]).toBe('m-v1 1.0.0  (graph abcdef01)')
    expect(lines[1]).toBe('dicom, 10 x 20, frame 1 of 3')
    expect(lines).toContain('> pneumonia              75.0 %  -            0.599             50.0 %')
  })

  it('states communities, inactive heads and every warning', () => {
    expect(toAnswerTable(answer)).toMatch(/communities {2}1: 60\.0 %\nstructure {4}1 of 4 heads inactive\nwarning {6}window-missing: no window is given$/)
  })

  it('shows how the answer varies over drawn masks', () => {
    const uncertainty = { samples: 8, seed: 0, classes: [{ name: 'pneumonia', meanProbability: 0.7, standardDeviation: 0.02 }], flipRate: 0.125 }
    expect(toAnswerTable({ ...answer, uncertainty })).toContain('\nover 8 masks  pneumonia 70.0 % (SD 2.0 %)   another class in 12.5 %\n')
    expect(toAnswerTable(answer)).not.toContain('masks')
  })

  it('puts numbers to the right and words to the left of their column', () => {
    expect(
      toTable([
        ['name', 'value'],
        ['a', '1.5'],
        ['long name', '-20'],
      ]),
    ).toBe('name       value\na            1.5\nlong name    -20')
  })
})
