import { describe, expect, it } from 'vitest'
import { dataSourcesOf } from '../../../models/starting-point/data-sources.ts'

const breast = { id: 'breast', title: 'Breast', licence: 'CC BY 4.0', attributions: ['A'], sha256: 'a'.repeat(64) }
const brain = { id: 'brain', title: 'Brain', licence: 'CC0', attributions: ['B'], sha256: 'b'.repeat(64), images: 7 }
const training = (start?: object): Record<string, string> => ({
  training: JSON.stringify({ recipe: 'r', data: { ...breast, images: { train: 5, validation: 1, test: 1 }, classes: ['x', 'y'] }, ...(start && { start }) }),
})

describe('dataSourcesOf', () => {
  it('finds the sets of a pre-training', () => {
    expect(dataSourcesOf({ pretraining: JSON.stringify({ seed: 0, sources: [{ ...breast, images: 5 }, brain] }) })).toEqual([{ ...breast, images: 5 }, brain])
  })

  it('finds the set of a training, and those of the weights that it went on from', () => {
    expect(dataSourcesOf(training())).toEqual([{ ...breast, images: 5 }])
    expect(dataSourcesOf(training({ sha256: 'c', sources: [brain] }))).toEqual([{ ...breast, images: 5 }, brain])
  })

  it('says that it does not know where a file, or what it went on from, does not tell', () => {
    expect(dataSourcesOf({})).toBeNull()
    expect(dataSourcesOf(training({ sha256: 'c', sources: null }))).toBeNull()
  })

  it.each([['no JSON'], ['{}'], [JSON.stringify({ sources: [{ ...brain, attributions: 'B' }] })]])('refuses a record that does not tell of the data: %s', (text) => {
    expect(() => dataSourcesOf({ pretraining: text })).toThrow(expect.objectContaining({ code: 'checkpoint-invalid' }))
  })
})
