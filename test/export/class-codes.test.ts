import { describe, expect, it } from 'vitest'
import { classesOf } from '../../export/class-codes.ts'

describe('classesOf', () => {
  it('gives the code that says exactly what the class says, and none where it mixes', () => {
    expect(classesOf('busi128', ['malignant', 'normal or benign'])).toEqual([
      { name: 'malignant', code: { value: '254837009', scheme: 'SCT', meaning: 'Malignant neoplasm of breast' } },
      { name: 'normal or benign', code: null },
    ])
    expect(classesOf('braintumor128', ['meningioma', 'glioma', 'pituitary tumor']).map(({ code }) => code?.value)).toEqual(['302820008', '393564001', '127024001'])
  })

  it('knows other sizes of a set by its name', () => {
    expect(classesOf('pneumoniamnist-64', ['pneumonia'])).toEqual(classesOf('pneumoniamnist', ['pneumonia']))
    expect(classesOf('unknown', ['pneumonia'])).toEqual([{ name: 'pneumonia', code: null }])
  })
})
