import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { NewDataset } from '../../src/dicom/dataset.ts'
import { KEYWORDS } from '../../src/dicom/keywords.ts'
import { keywordsSource } from '../support/generate-keywords.ts'

describe('the generated keywords', () => {
  it('are what the generator writes today', () => {
    expect(readFileSync(resolve(import.meta.dirname, '../../src/dicom/keywords.ts'), 'utf8')).toBe(keywordsSource())
  })

  it('hold the tags and representations that PS3.6 prints', () => {
    expect(KEYWORDS.PatientName).toBe('00100010 PN')
    expect(KEYWORDS.SegmentSequence).toBe('00620002 SQ')
    expect(KEYWORDS.FloatPixelData).toBe('7FE00008 OF')
    expect(KEYWORDS.RealWorldValueLUTData).toBe('00409212 FD')
  })

  it('let no misspelt keyword and no value of another kind compile', () => {
    // @ts-expect-error a keyword that PS3.6 does not have
    const misspelt: NewDataset = { PatientNane: 'A' }
    // @ts-expect-error Rows is a number
    const text: NewDataset = { Rows: '12' }
    // @ts-expect-error a sequence holds items
    const notItems: NewDataset = { SegmentSequence: 'A' }
    expect([misspelt, text, notItems]).toHaveLength(3)
  })
})
