import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { NewDataset, NewInstance } from '../../src/dicom/dataset.ts'
import { writePart10 } from '../../src/dicom/write-part10.ts'
import { hasDcmtk, hasPydicom, pydicomReads, runOn } from '../support/dicom-tools.ts'

const instance = (dataset: NewDataset = {}): NewInstance => ({ ...dataset, SOPClassUID: '1.2.840.10008.5.1.4.1.1.7', SOPInstanceUID: '1.2.3' })

describe('writePart10', () => {
  it('lays out the bytes that PS3.5 and PS3.10 ask for, worked out by hand', () => {
    const bytes = Buffer.from(writePart10({ SOPClassUID: '1.2', SOPInstanceUID: '1.2.3', Rows: 258, PixelData: Uint8Array.of(7, 8, 9), BitsAllocated: 8 }))
    expect(bytes.subarray(0, 128).every((byte) => byte === 0)).toBe(true)
    expect(bytes.toString('latin1', 128, 132)).toBe('DICM')
    // (0002,0000) UL 4: the length of what follows it in the meta group.
    expect(bytes.toString('hex', 132, 140)).toBe('02000000554c0400')
    const dataset = bytes.subarray(144 + bytes.readUInt32LE(140))
    expect(dataset.toString('hex')).toBe(
      [
        '08001600 5549 0400 312e3200', // UI '1.2' and its zero
        '08001800 5549 0600 312e322e3300',
        '28001000 5553 0200 0201',
        '28000001 5553 0200 0800',
        'e07f1000 4f42 0000 04000000 07080900', // OB, padded with a zero
      ]
        .join('')
        .replaceAll(' ', ''),
    )
  })

  it('keeps copied elements byte for byte, in their place, behind what the dataset says itself', () => {
    const name = Buffer.from('1b2429431b2429436162', 'hex')
    const copied = [
      { tag: '00100010', vr: 'PN', bytes: name },
      { tag: '00080060', vr: 'CS', bytes: Buffer.from('MR') },
    ]
    const text = Buffer.from(writePart10(instance({ Modality: 'OT', PatientID: 'x' }), { copied })).toString('latin1')
    expect(text).toContain(`\x10\0\x10\0PN\x0a\0${name.toString('latin1')}\x10\0\x20\0LO`)
    expect(text).toContain('\x08\0\x60\0CS\x02\0OT')
    expect(text).not.toContain('MR')
  })

  it.skipIf(!hasDcmtk)('is read by dcmtk as it was meant (needs dcmtk)', () => {
    const dataset = instance({
      ImageType: ['DERIVED', 'SECONDARY'],
      StudyDate: '20240229',
      AccessionNumber: null,
      PatientName: 'Doe^Jane',
      PixelSpacing: [1 / 3, 0.5],
      WindowCenter: -1234.5678901234567,
      FrameIncrementPointer: 'FrameTimeVector',
      SmallestImagePixelValue: -5,
      PixelRepresentation: 1,
      BitsAllocated: 16,
      ReferencedSeriesSequence: [{ SeriesInstanceUID: '1.9', ReferencedInstanceSequence: [{ ReferencedFrameNumber: [1, 7] }, {}] }],
      ContributingEquipmentSequence: [],
      PixelData: Uint16Array.of(1, 0xffff),
    })
    const { status, stdout } = runOn(writePart10(dataset), 'dcmdump', '-q')
    expect(status).toBe(0)
    for (const line of [
      '(0008,0008) CS [DERIVED\\SECONDARY]',
      '(0008,0020) DA [20240229]',
      '(0008,0050) SH (no value available)',
      '(0010,0010) PN [Doe^Jane]',
      '(0028,0030) DS [0.3333333333\\0.5]',
      '(0028,1050) DS [-1234.56789]',
      '(0028,0009) AT (0018,1065)',
      '(0028,0106) SS -5',
      '(0008,1160) IS [1\\7]',
      '(7fe0,0010) OW 0001\\ffff',
    ]) {
      expect(stdout).toContain(line)
    }
    expect(stdout).toMatch(/\(0018,a001\) SQ \(Sequence with (undefined|explicit) length #=0\)/)
  })

  it.skipIf(!hasPydicom)('writes text in UTF-8 and numbers in full where the character set allows it (needs pydicom)', () => {
    const dataset = instance({
      SpecificCharacterSet: 'ISO_IR 192',
      PatientName: '山田^太郎',
      RealWorldValueMappingSequence: [{ RealWorldValueSlope: 0.1, RealWorldValueIntercept: -1e-300 }],
      FloatPixelData: Float32Array.of(0.1, -7),
    })
    expect(pydicomReads(writePart10(dataset), '[str(ds.PatientName), ds[0x00409096][0].RealWorldValueSlope, ds[0x00409096][0].RealWorldValueIntercept]')).toEqual([
      '山田^太郎',
      0.1,
      -1e-300,
    ])
    expect(pydicomReads(writePart10(dataset), 'np.frombuffer(ds.FloatPixelData, "<f4").astype(float).tolist()')).toEqual([Math.fround(0.1), -7])
  })

  it.each<[string, NewDataset]>([
    ['a long LO', { SeriesDescription: 'x'.repeat(65) }],
    ['a long SH', { StudyID: 'x'.repeat(17) }],
    ['a lower-case CS', { Modality: 'mr' }],
    ['a separator in a single value', { PatientID: 'a\\b' }],
    ['a control character', { PatientID: 'a\u001bb' }],
    ['an impossible date', { StudyDate: '2024-1-1' }],
    ['a UID with a leading zero', { StudyInstanceUID: '1.02' }],
    ['a number beyond US', { Rows: 65_536 }],
    ['a fraction in US', { Rows: 1.5 }],
    ['not a number in DS', { SliceThickness: Number.NaN }],
    ['not a number in FD', { DoubleFloatPixelPaddingValue: Number.NaN }],
    ['a large IS', { SeriesNumber: 10 ** 13 }],
    ['letters beyond ASCII without a character set', { PatientName: 'Ü' }],
    ['a wrong value inside an item', { ReferencedSeriesSequence: [{ SeriesInstanceUID: 'x' }] }],
  ])('refuses %s without repeating it', (_, dataset) => {
    expect(() => writePart10(instance(dataset))).toThrow(expect.objectContaining({ code: 'result-invalid' }))
  })

  it('refuses a keyword that only an untyped caller could have given', () => {
    expect(() => writePart10(instance({ ['Nonsense' as 'PatientID']: 'x' }))).toThrow(expect.objectContaining({ code: 'result-invalid', message: 'Nonsense is no keyword' }))
  })

  it('writes any number as a decimal string of at most 16 characters that is the number to eight digits or more', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e90, max: 1e90 }), (value) => {
        const bytes = Buffer.from(writePart10(instance({ SliceThickness: value })))
        const at = bytes.indexOf(Buffer.from('18005000445300', 'hex').subarray(0, 6))
        const text = bytes.toString('latin1', at + 8, at + 8 + bytes.readUInt16LE(at + 6)).trim()
        expect(text.length).toBeLessThanOrEqual(16)
        expect(Math.abs(Number(text) - value)).toBeLessThanOrEqual(1e-7 * Math.abs(value))
      }),
    )
  })
})
