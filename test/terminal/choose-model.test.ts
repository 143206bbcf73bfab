import { describe, expect, it } from 'vitest'
import { chooseModel } from '../../src/terminal/choose-model.ts'

const brain = { id: 'brain', modalities: ['MR'] }
const breast = { id: 'breast', modalities: ['US'] }
const chest = { id: 'chest', modalities: ['CR', 'DX'] }
const models = [brain, breast, chest]

describe('the model that a command takes unasked', () => {
  it('is the first that was made for what the file states', () => {
    expect(chooseModel(models, 'DX')).toBe(chest)
    expect(chooseModel([...models, { id: 'other', modalities: ['US'] }], 'US')).toBe(breast)
    expect(chooseModel([{ id: 'any', modalities: [] }, ...models], 'DX').id).toBe('any')
  })

  it('is none for a file that does not say what it shows, but where all models are for the same', () => {
    for (const modality of [null, 'OT', 'SC']) {
      expect(() => chooseModel(models, modality)).toThrow(
        expect.objectContaining({ code: 'parameter-invalid', message: expect.stringContaining('brain (MR), breast (US), chest (CR, DX)') }),
      )
      expect(chooseModel([chest, { id: 'second', modalities: ['CR', 'DX'] }], modality)).toBe(chest)
    }
  })

  it('is none for a modality that no model was made for, and none of none', () => {
    expect(() => chooseModel(models, 'CT')).toThrow(expect.objectContaining({ code: 'image-out-of-scope', facts: { modality: 'CT' } }))
    expect(() => chooseModel([], 'CT')).toThrow(expect.objectContaining({ code: 'model-unknown' }))
  })
})
