import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildUid } from '../../src/dicom/build-uid.ts'

describe('buildUid', () => {
  it('gives the decimal form of the UUID that another library derives from the same name', () => {
    // Python: int(uuid.uuid5(uuid.UUID('7f0f6c0e-4f0b-4d0e-9a41-2a6f3f1c8d57'), '["1.2.3","model","sr"]'))
    expect(buildUid('1.2.3', 'model', 'sr')).toBe('2.25.250075514466033740600303893138479028294')
  })

  it('is a legal UID of at most 64 characters for any words, and the same whenever they are', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (parts) => {
        const uid = buildUid(...parts)
        expect(uid).toMatch(/^2\.25\.[1-9]\d{0,38}$/)
        expect(buildUid(...parts)).toBe(uid)
      }),
    )
  })

  it('tells words apart that read the same when joined', () => {
    expect(buildUid('a', 'bc')).not.toBe(buildUid('ab', 'c'))
    expect(buildUid('a,b')).not.toBe(buildUid('a', 'b'))
  })
})
