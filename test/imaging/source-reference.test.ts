/** Identity: what the side road carries, and that nothing of it takes the main road. */
import { describe, expect, it } from 'vitest'
import { decodeText } from '../../src/dicom/decode-text.ts'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { hasCorpus } from '../support/corpus.ts'
import { BIG_ENDIAN, buildGray16, EXPLICIT, IMPLICIT, type SyntheticDataset } from '../support/synthetic-dicom.ts'
import { readCorpusBytes } from './corpus.ts'

const IDENTITY: SyntheticDataset = {
  SpecificCharacterSet: '\\ISO 2022 IR 87',
  PatientName: 'Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B',
  PatientID: 'SECRET-4711',
  PatientBirthDate: '19010203',
  PatientSex: '',
  AccessionNumber: 'ACC-0815',
  StudyID: 'STUDY-9',
  StudyDescription: 'Thorax of a secret person',
  InstitutionName: 'Secret Hospital',
  FrameOfReferenceUID: '1.2.3.9',
  PixelSpacing: '0.5\\0.25',
  ImagePositionPatient: '1\\2\\3',
  ImageOrientationPatient: '1\\0\\0\\0\\1\\0',
  SliceThickness: '5',
  BurnedInAnnotation: 'YES',
  LossyImageCompression: '01',
  LossyImageCompressionRatio: '10\\4',
  LossyImageCompressionMethod: 'ISO_10918_1\\ISO_15444_1',
}

describe('the source of a DICOM image', () => {
  it.each([IMPLICIT, EXPLICIT, BIG_ENDIAN])('carries patient and study byte for byte (%s)', async (transferSyntaxUid) => {
    const { source } = await decodeImage(buildGray16([1, 2, 3, 4], 2, IDENTITY, { transferSyntaxUid }), { frame: 1 })
    expect(source).toMatchObject({
      sopClassUid: '1.2.840.10008.5.1.4.1.1.7',
      sopInstanceUid: '1.2.3.4',
      studyInstanceUid: '1.2.3.1',
      seriesInstanceUid: '1.2.3.2',
      frameOfReferenceUid: '1.2.3.9',
      transferSyntaxUid,
      modality: 'OT',
      rows: 2,
      columns: 2,
      frame: 1,
      numberOfFrames: 1,
      pixelSpacing: [0.5, 0.25],
      imagePositionPatient: [1, 2, 3],
      imageOrientationPatient: [1, 0, 0, 0, 1, 0],
      sliceThickness: 5,
      specificCharacterSet: ['', 'ISO 2022 IR 87'],
      burnedInAnnotation: 'YES',
      lossyImageCompression: '01',
      lossyImageCompressionRatio: '10\\4',
      lossyImageCompressionMethod: 'ISO_10918_1\\ISO_15444_1',
    })
    const name = source?.attributes.find(({ tag }) => tag === '00100010')
    expect(name).toMatchObject({ vr: 'PN' })
    expect(decodeText(name?.bytes ?? new Uint8Array(0), source?.specificCharacterSet ?? [])).toBe('Yamada^Tarou=山田^太郎')
    // in the order of their tags, empty ones kept, absent ones left out, others not copied
    expect(source?.attributes.map(({ tag }) => tag)).toEqual(['00080050', '00081030', '00100010', '00100020', '00100030', '00100040', '0020000D', '00200010'])
    for (const { bytes } of source?.attributes ?? []) expect(bytes.length % 2).toBe(0)
  })

  it("reads a frame's own geometry from its functional groups", async () => {
    const position = (z: number): SyntheticDataset => ({ PlanePositionSequence: [{ ImagePositionPatient: `0\\0\\${z}` }] })
    const enhanced: SyntheticDataset = {
      NumberOfFrames: '2',
      Rows: 1,
      SharedFunctionalGroupsSequence: [{ PixelMeasuresSequence: [{ PixelSpacing: '2\\3' }], PlaneOrientationSequence: [{ ImageOrientationPatient: '0\\1\\0\\1\\0\\0' }] }],
      PerFrameFunctionalGroupsSequence: [position(7), position(8)],
    }
    const { source } = await decodeImage(buildGray16([1, 2, 3, 4], 2, enhanced), { frame: 2 })
    expect(source).toMatchObject({ frame: 2, numberOfFrames: 2, pixelSpacing: [2, 3], imagePositionPatient: [0, 0, 8], imageOrientationPatient: [0, 1, 0, 1, 0, 0] })
  })

  it('is silent about geometry that is no geometry', async () => {
    const { source } = await decodeImage(buildGray16([1, 2], 2, { PixelSpacing: '0.5', ImagePositionPatient: '1\\x\\3', BurnedInAnnotation: 'MAYBE' }), { frame: 1 })
    expect(source).toMatchObject({ pixelSpacing: null, imagePositionPatient: null, imageOrientationPatient: null, burnedInAnnotation: null })
  })
})

describe('the decoded image', () => {
  it('holds nothing of whose it is', async () => {
    const { image } = await decodeImage(buildGray16([1, 2, 3, 4], 2, IDENTITY), { frame: 1 })
    const facts = JSON.stringify(image.facts)
    for (const secret of ['SECRET', 'Yamada', '19010203', 'ACC-0815', 'STUDY-9', 'Thorax', 'Hospital', '1.2.3.1', '1.2.3.4']) expect(facts).not.toContain(secret)
  })

  it.each(['Doe^John', 'CT\r\n', 'a'.repeat(17)])('gives no modality where that attribute holds something else (%j)', async (Modality) => {
    const { image } = await decodeImage(buildGray16([1, 2], 2, { Modality }), { frame: 1 })
    expect(image.facts.modality).toBeNull()
  })

  it('warns of UIDs that no result can point at', async () => {
    const codesFor = async (more: SyntheticDataset): Promise<string[]> =>
      (await decodeImage(buildGray16([1, 2], 2, more), { frame: 1 })).image.facts.warnings.map(({ code }) => code)
    expect(await codesFor({ StudyInstanceUID: '' })).toEqual(['window-missing', 'uid-missing'])
    expect(await codesFor({ SOPInstanceUID: 'dccc9599' })).toEqual(['window-missing', 'uid-not-conformant'])
  })
})

describe.skipIf(!hasCorpus)('a problem of a file of the corpus (needs the corpus)', () => {
  it.each(['derived/uid_path_traversal.dcm', 'derived/no_sop_instance_uid.dcm', 'mr_truncated.dcm'])('says nothing of the patient: %s', async (name) => {
    const error = await decodeImage(readCorpusBytes(name), { frame: 1 }).then(
      () => null,
      (thrown: unknown) => thrown as Error & { facts: unknown },
    )
    expect(`${error?.message} ${JSON.stringify(error?.facts)}`).not.toMatch(/Compressed|Samples|\.\.\/|4MR1|1\.3\.6\.1/)
  })
})
