/** Values of attributes, as strict as their representation asks for. */
import { describe, expect, it } from 'vitest'
import { hasValue, isConformantUid, readDecimals, readInteger, readString, readStrings, readUid, readUnsignedShort, readWords } from '../../src/dicom/read-attributes.ts'
import { type Dataset, readPart10 } from '../../src/dicom/read-part10.ts'
import { BIG_ENDIAN, buildPart10, EXPLICIT, type SyntheticDataset } from '../support/synthetic-dicom.ts'

const read = (dataset: SyntheticDataset, transferSyntaxUid = EXPLICIT): Dataset => readPart10(buildPart10({ transferSyntaxUid, dataset: { Modality: 'CT', ...dataset } })).dataset

describe('text values', () => {
  it('are split at backslashes and freed of their padding', () => {
    expect(readStrings(read({ ImageType: 'ORIGINAL\\PRIMARY \\AXIAL' }), 'ImageType')).toEqual(['ORIGINAL', 'PRIMARY', 'AXIAL'])
    expect(readString(read({ StudyInstanceUID: '1.2.3' }), 'StudyInstanceUID')).toBe('1.2.3')
  })

  it('are null where the attribute is absent, empty or padding alone', () => {
    expect(readString(read({}), 'PatientID')).toBeNull()
    expect(readString(read({ PatientID: '' }), 'PatientID')).toBeNull()
    expect(readString(read({ PatientID: '  ' }), 'PatientID')).toBeNull()
    expect(hasValue(read({ PatientID: '' }), 'PatientID')).toBe(false)
  })
})

describe('numbers', () => {
  it.each([
    ['1.5', 1.5],
    ['-3', -3],
    ['+.5e-8 ', 5e-9],
    [' 7.', 7],
    ['1,5', Number.NaN],
    ['0x10', Number.NaN],
    ['', Number.NaN],
    ['Infinity', Number.NaN],
  ])('of the decimal string "%s" read as %d', (text, value) => {
    expect(readDecimals(read({ WindowCenter: `${text}\\2` }), 'WindowCenter')).toEqual([value, 2])
  })

  it.each([
    ['30', 30],
    ['-1', -1],
    ['1A', Number.NaN],
    ['1.0', Number.NaN],
    ['99999999999999', Number.NaN],
  ])('of the integer string "%s" read as %d', (text, value) => {
    expect(readInteger(read({ NumberOfFrames: text }), 'NumberOfFrames')).toBe(value)
  })

  it('of 16 bits follow the byte order of the data set', () => {
    expect(readUnsignedShort(read({ Rows: 0x1234 }, BIG_ENDIAN), 'Rows')).toBe(0x1234)
    expect(Array.from(readWords(read({ LUTDescriptor: [256, 0xfffe, 12] }, BIG_ENDIAN), 'LUTDescriptor'))).toEqual([256, 0xfffe, 12])
  })

  it('wider than 16 bits are refused where 16 are meant', () => {
    expect(() => readUnsignedShort(read({ Rows: [512, 0] }), 'Rows')).toThrow(expect.objectContaining({ code: 'attributes-inconsistent', facts: { keyword: 'Rows' } }))
  })
})

describe('UIDs', () => {
  it.each(['1.2.840.10008.5.1.4.1.1.7', '1.02.3', 'dccc9599087131742838cc1162a630fea87ba9bf61ac09bfda90d4adfa5ddaed'])('%s is let pass', (uid) => {
    expect(readUid(read({ SOPInstanceUID: uid }), 'SOPInstanceUID')).toBe(uid)
  })

  it.each(['../../etc', '1..2', '.1', '1.2.', '1/2', '1.2 3', `1.${'2'.repeat(63)}`, '1.2\\..'.replace('\\', '\n'), '%2e%2e'])('"%s" is refused', (uid) => {
    expect(() => readUid(read({ SOPInstanceUID: uid }), 'SOPInstanceUID')).toThrow(expect.objectContaining({ code: 'uid-invalid', facts: { keyword: 'SOPInstanceUID' } }))
  })

  it.each([
    ['1.2.3', true],
    ['2.25.0', true],
    ['1.02.3', false],
    ['a.b', false],
    ['', false],
  ])('"%s" conforms to PS3.5 9.1: %s', (uid, conforms) => {
    expect(isConformantUid(uid)).toBe(conforms)
  })
})
