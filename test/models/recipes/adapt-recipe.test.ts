import { describe, expect, it } from 'vitest'
import { adaptRecipe, type DataShape } from '../../../models/recipes/adapt-recipe.ts'
import { DCMM_VIT_PNEUMONIA } from '../../../models/recipes/pneumonia-28.ts'
import { syntheticData } from '../support/synthetic-data.ts'

const { facts } = syntheticData({ train: 2, validation: 2, test: 2, side: 4 })
const shape = (change: Partial<DataShape> = {}): DataShape => ({ channels: 1, height: 28, width: 28, facts, ...change })

describe('adaptRecipe', () => {
  it('leaves a recipe as it is where the data has its shape', () => {
    expect(adaptRecipe(DCMM_VIT_PNEUMONIA, shape())).toBe(DCMM_VIT_PNEUMONIA)
  })

  it('takes side, channels and classes of the data, names the result after it, and changes nothing else', () => {
    const adapted = adaptRecipe(DCMM_VIT_PNEUMONIA, shape({ channels: 3, height: 64, width: 64, facts: { ...facts, id: 'fundus', title: 'Fundus', classes: ['a', 'b', 'c'] } }))
    expect(adapted).toEqual({
      name: 'dcmm-vit-tiny-patch4-64.fundus',
      title: 'DCMM-ViT on Fundus at 64 pixels',
      dataSet: 'fundus',
      network: { ...DCMM_VIT_PNEUMONIA.network, channels: 3, imageSize: 64, classes: 3 },
      training: DCMM_VIT_PNEUMONIA.training,
    })
  })

  it('refuses a side that the patches do not divide', () => {
    expect(() => adaptRecipe(DCMM_VIT_PNEUMONIA, shape({ height: 30, width: 30 }))).toThrow(expect.objectContaining({ code: 'checkpoint-invalid' }))
  })
})
