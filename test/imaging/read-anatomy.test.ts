import { describe, expect, it } from 'vitest'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { buildGray16, type SyntheticDataset } from '../support/synthetic-dicom.ts'
import { buildGray16Png } from '../support/synthetic-png.ts'

const anatomyOf = async (more: SyntheticDataset) => (await decodeImage(buildGray16([1, 2, 3, 4, 5, 6], 3, more), { frame: 1 })).image.anatomy
const region = (CodeValue: string): SyntheticDataset => ({ AnatomicRegionSequence: [{ CodeValue, CodingSchemeDesignator: 'SCT', CodeMeaning: 'any' }] })

describe('the anatomy of a decoded image', () => {
  it.each([
    ['a defined term', { BodyPartExamined: 'CHEST', ViewPosition: 'PA' }, { bodyPart: 'CHEST', view: 'PA' }],
    ['nothing', {}, { bodyPart: null, view: null }],
    ['free text, which could name anybody', { BodyPartExamined: 'DOE JOHN', ViewPosition: 'DOE' }, { bodyPart: null, view: null }],
    ['a code of SNOMED CT', region('51185008'), { bodyPart: 'CHEST', view: null }],
    ['a code of SNOMED-RT', region('T-D8700'), { bodyPart: 'HAND', view: null }],
    ['an unknown code, and not a property of every object', region('constructor'), { bodyPart: null, view: null }],
    ['a code beside another term: the code', { ...region('72696002'), BodyPartExamined: 'LEG' }, { bodyPart: 'KNEE', view: null }],
  ] as const)('is read from %s', async (_, more, expected) => {
    expect(await anatomyOf(more)).toEqual(expected)
  })

  it('never takes a description, and is absent from a PNG', async () => {
    expect(await anatomyOf({ SeriesDescription: 'CHEST', StudyDescription: 'CHEST' })).toEqual({ bodyPart: null, view: null })
    expect((await decodeImage(buildGray16Png(Float64Array.of(1, 2, 3, 4), 2), { frame: 1 })).image.anatomy).toBeUndefined()
  })
})
