import { describe, expect, it } from 'vitest'
import { readInstanceUid } from '../../src/imaging/read-instance-uid.ts'
import { buildPart10, IMAGE } from '../support/synthetic-dicom.ts'

describe('readInstanceUid', () => {
  it('reads the SOP Instance UID of a DICOM file', () => {
    expect(readInstanceUid(buildPart10({ dataset: { ...IMAGE, SOPInstanceUID: '1.2.840.7' } }))).toBe('1.2.840.7')
  })

  it('finds none where there is none, and in bytes that are no DICOM', () => {
    const { SOPInstanceUID: _, ...without } = IMAGE
    expect(readInstanceUid(buildPart10({ dataset: without }))).toBeNull()
    expect(readInstanceUid(new TextEncoder().encode('name,class'))).toBeNull()
  })

  it('refuses a UID that is none', () => {
    expect(() => readInstanceUid(buildPart10({ dataset: { ...IMAGE, SOPInstanceUID: 'not a uid' } }))).toThrow(expect.objectContaining({ code: 'uid-invalid' }))
  })
})
