import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { corpusFile, hasCorpus } from '../support/corpus.ts'
import { buildGray16, type SyntheticDataset } from '../support/synthetic-dicom.ts'
import { buildGray16Png } from '../support/synthetic-png.ts'

const anatomyOf = async (more: SyntheticDataset) => (await decodeImage(buildGray16([1, 2, 3, 4, 5, 6], 3, more), { frame: 1 })).image.anatomy
const region = (CodeValue: string): SyntheticDataset => ({ AnatomicRegionSequence: [{ CodeValue, CodingSchemeDesignator: 'SCT', CodeMeaning: 'any' }] })

describe('the anatomy of a decoded image', () => {
  it.each([
    ['a defined term', { BodyPartExamined: 'CHEST', ViewPosition: 'PA' }, { bodyPart: 'CHEST', view: 'PA' }],
    ['a chest by another name', { BodyPartExamined: 'THORAX' }, { bodyPart: 'CHEST', view: null }],
    ['a defined term in two words', { BodyPartExamined: 'WHOLE BODY' }, { bodyPart: 'WHOLEBODY', view: null }],
    ['a name in small letters, its words parted otherwise', { BodyPartExamined: 'Portable_Chest' }, { bodyPart: 'CHEST', view: null }],
    ['a name that says more than the part', { BodyPartExamined: 'CHEST OF DOE' }, { bodyPart: null, view: null }],
    ['the name of a property of every object', { BodyPartExamined: 'constructor' }, { bodyPart: null, view: null }],
    ['nothing', {}, { bodyPart: null, view: null }],
    ['free text, which could name anybody', { BodyPartExamined: 'DOE JOHN', ViewPosition: 'DOE' }, { bodyPart: null, view: null }],
    ['a code of SNOMED CT', region('51185008'), { bodyPart: 'CHEST', view: null }],
    ['the code of a chest today', region('816094009'), { bodyPart: 'CHEST', view: null }],
    ['the code of a chest for a while', region('43799004'), { bodyPart: 'CHEST', view: null }],
    ['a code of SNOMED-RT', region('T-D8700'), { bodyPart: 'HAND', view: null }],
    ['a code of two regions', region('R-FAB55'), { bodyPart: 'CHESTABDOMEN', view: null }],
    ['an unknown code, and not a property of every object', region('constructor'), { bodyPart: null, view: null }],
    ['a code beside another term: the code', { ...region('72696002'), BodyPartExamined: 'LEG' }, { bodyPart: 'KNEE', view: null }],
  ] as const)('is read from %s', async (_, more, expected) => {
    expect(await anatomyOf(more)).toEqual(expected)
  })

  it.skipIf(!hasCorpus)('is a chest where a file of the corpus says THORAX (needs the corpus)', async () => {
    expect((await decodeImage(readFileSync(corpusFile('dx_mono1_vet.dcm')), { frame: 1 })).image.anatomy).toEqual({ bodyPart: 'CHEST', view: null })
  })

  it('never takes a description, and is absent from a PNG', async () => {
    expect(await anatomyOf({ SeriesDescription: 'CHEST', StudyDescription: 'CHEST' })).toEqual({ bodyPart: null, view: null })
    expect((await decodeImage(buildGray16Png(Float64Array.of(1, 2, 3, 4), 2), { frame: 1 })).image.anatomy).toBeUndefined()
  })
})
