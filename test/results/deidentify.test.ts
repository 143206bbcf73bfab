/** Results of nobody: a source that is full of names, dates and numbers, and not one of them in what leaves. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { KEYWORDS, type Keyword } from '../../src/dicom/keywords.ts'
import type { Deidentification } from '../../src/domain/deidentification.ts'
import type { DicomResults } from '../../src/domain/dicom-result.ts'
import { type Bundle, openBundle } from '../../src/infer/load-bundle.ts'
import { processInstance } from '../../src/instance-road.ts'
import { checkDeidentification, deidentifySource, pixelsRefusal, pseudonym } from '../../src/results/deidentify.ts'
import { loadGolden } from '../models/support/golden.ts'
import { dciodvfyErrors, hasDciodvfy, hasDcmtk, hasPydicom, pydicomReads, pydicomReadsEach, runOn } from '../support/dicom-tools.ts'
import { goldenBundle, withManifest } from '../support/golden-bundle.ts'
import { environment, sliceSource } from '../support/result-fixtures.ts'
import { buildGray16, type SyntheticDataset } from '../support/synthetic-dicom.ts'

const key = Buffer.from('0123456789abcdef0123456789abcdef')
const clean: Deidentification = { key, pixelsAreClean: true }

/** Text attributes of the whole dictionary, each with a value that tells it: what a modality, a department or a vendor may ever have written. */
const TEXT_VRS = new Set(['PN', 'LO', 'SH', 'LT', 'ST', 'UT', 'UC', 'UR', 'AE'])
const SEEDED = (Object.keys(KEYWORDS) as Keyword[]).filter(
  (keyword) => TEXT_VRS.has(KEYWORDS[keyword].slice(9)) && KEYWORDS[keyword] >= '0008' && !KEYWORDS[keyword].startsWith('0028'),
)
const seedOf = (keyword: Keyword): string => `Zqx7${KEYWORDS[keyword].slice(0, 8)}`
const seeds: SyntheticDataset = Object.fromEntries(SEEDED.map((keyword) => [keyword, seedOf(keyword)]))

const UIDS: SyntheticDataset = {
  SOPInstanceUID: '1.2.826.0.1.3680043.77.1',
  StudyInstanceUID: '1.2.826.0.1.3680043.77.2',
  SeriesInstanceUID: '1.2.826.0.1.3680043.77.3',
  FrameOfReferenceUID: '1.2.826.0.1.3680043.77.4',
  ConcatenationUID: '1.2.826.0.1.3680043.77.5',
}
const DATES: SyntheticDataset = {
  StudyDate: '19870211',
  SeriesDate: '19870212',
  AcquisitionDate: '19870213',
  ContentDate: '19870214',
  PatientBirthDate: '19331129',
  StudyTime: '112233.123',
}

const source: SyntheticDataset = {
  ...seeds,
  ...UIDS,
  ...DATES,
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
  Modality: 'CT',
  PatientAge: '087Y',
  PatientSex: 'F',
  PixelSpacing: '0.5\\0.5',
  ImagePositionPatient: '0\\0\\0',
  ImageOrientationPatient: '1\\0\\0\\0\\1\\0',
  RequestAttributesSequence: [{ ...seeds, ScheduledProcedureStepID: 'Zqx7Nested1' }],
  OtherPatientIDsSequence: [{ PatientID: 'Zqx7Nested2', IssuerOfPatientID: 'Zqx7Nested3' }],
  ContributingEquipmentSequence: [{ InstitutionName: 'Zqx7Nested4', DeviceSerialNumber: 'Zqx7Nested5' }],
}
const pixels = Array.from({ length: 24 * 24 }, (_, i) => (i * 37) % 4096)

describe('de-identified results', () => {
  let bundle: Bundle
  beforeAll(async () => {
    const files = goldenBundle(loadGolden('dcmm'))
    bundle = await openBundle(withManifest(files, { ...files.manifest, input: { ...files.manifest.input, modalities: [] } }))
  })
  afterAll(() => bundle.release())

  async function resultsOf(more: SyntheticDataset, deidentification = clean): Promise<DicomResults> {
    const request = {
      bytes: buildGray16(pixels, 24, { ...source, ...more }),
      arrival: { door: 'folder', peer: null } as const,
      rules: { version: 1 as const, rules: [] },
      modelId: 'any',
      destinations: null,
      requestId: 'Zqx7Request',
      environment: { ...environment, deviceSerialNumber: 'Zqx7Device' },
      deidentification,
    }
    const result = await processInstance(new Map([['any', bundle]]), request, 'attending 0.0.0')
    return result.kind === 'results' ? result : expect.fail('skipped')
  }

  it('hold no text, no date, no UID and no digest of the source, whatever attribute it stood in', async () => {
    expect(SEEDED.length).toBeGreaterThan(600)
    const { objects } = await resultsOf({})
    expect(new Set(objects.map(({ kind }) => kind))).toEqual(new Set(['sc', 'seg', 'pm', 'sr', 'ko']))
    const forbidden = ['Zqx7', '1.2.826', '1987', '19331129', '112233', '087Y', String(environment.createdAt).slice(0, 10).replaceAll('-', '')]
    for (const { kind, bytes } of objects) {
      for (const encoding of ['latin1', 'utf16le'] as const)
        for (const word of forbidden) expect(Buffer.from(bytes).includes(Buffer.from(word, encoding)), `${word} in ${kind}`).toBe(false)
    }
  })

  it.each([
    [
      'ISO 2022 IR 6\\ISO 2022 IR 87',
      Buffer.concat([Buffer.from('Yamada^Tarou='), Buffer.from([0x1b, 0x24, 0x42, 0x3b, 0x33, 0x45, 0x44, 0x1b, 0x28, 0x42])]),
      [0x3b, 0x33, 0x45, 0x44],
    ],
    ['GB18030', Buffer.from([0xcd, 0xf5, 0x5e, 0xd0, 0xa1, 0xb6, 0xab]), [0xcd, 0xf5, 0x5e, 0xd0, 0xa1]],
    ['ISO_IR 192', Buffer.from('Buc^Jérôme'), [...Buffer.from('Jérôme')]],
    ['ISO_IR 100', Buffer.from('Buc^J\xe9r\xf4me', 'latin1'), [...Buffer.from('J\xe9r\xf4me', 'latin1')]],
  ])('hold no name that is written in %s', async (specificCharacterSet, name, witness) => {
    const { objects } = await resultsOf({ SpecificCharacterSet: specificCharacterSet, PatientName: new Uint8Array(name), PatientID: new Uint8Array(name) })
    for (const { bytes } of objects) expect(Buffer.from(bytes).includes(Buffer.from(witness))).toBe(false)
    if (hasPydicom) expect(pydicomReads(objects[0]?.bytes ?? new Uint8Array(), "str(ds.get('SpecificCharacterSet'))")).toBe('ISO_IR 192')
  })

  it.skipIf(!hasDciodvfy)("pass dciodvfy without an error (needs Debian's dicom3tools)", async () => {
    for (const { kind, bytes } of (await resultsOf({})).objects) expect(dciodvfyErrors(bytes), kind).toEqual([])
  })

  it.skipIf(!hasDcmtk)('are read by dcmtk (needs dcmtk)', async () => {
    for (const { bytes } of (await resultsOf({})).objects) expect(runOn(bytes, 'dcmdump').stdout).toContain('PatientIdentityRemoved')
  })

  it.skipIf(!hasPydicom)('say that identity was removed, by which profile, and that no time is true (needs pydicom)', async () => {
    const { objects } = await resultsOf({})
    const expression =
      '[ds.PatientIdentityRemoved, ds.DeidentificationMethod, ds.DeidentificationMethodCodeSequence[0].CodeValue, ds.LongitudinalTemporalInformationModified, str(ds.PatientName), ds.PatientID, ds.PatientBirthDate, ds.PatientSex, ds.StudyDate, ds.AccessionNumber]'
    const read = pydicomReadsEach(
      objects.map(({ bytes }) => bytes),
      expression,
    ) as string[][]
    for (const values of read) {
      expect(values.slice(0, 4)).toEqual(['YES', 'PS3.15 Basic Profile, by whitelist', '113100', 'REMOVED'])
      expect(values[4]).toMatch(/^P[0-9a-f]{15}$/)
      expect(values[5]).toBe(values[4])
      expect(values.slice(6)).toEqual(['', '', '', ''])
    }
    expect(new Set(read.map((values) => values[5])).size).toBe(1)
  })

  it.skipIf(!hasPydicom)('refer to each other, and all to one image of one study (needs pydicom)', async () => {
    const { objects } = await resultsOf({})
    const own = new Map(objects.map(({ kind, sopInstanceUid }) => [kind, sopInstanceUid]))
    const referred = pydicomReads(
      objects.find(({ kind }) => kind === 'sr')?.bytes ?? new Uint8Array(),
      "sorted({e.value for e in ds.iterall() if e.keyword == 'ReferencedSOPInstanceUID'})",
    ) as string[]
    const image = deidentifySource({ ...sliceSource, sopInstanceUid: String(UIDS.SOPInstanceUID) }, clean).sopInstanceUid
    for (const uid of [own.get('sc'), own.get('seg'), own.get('pm'), image]) expect(referred).toContain(uid)
    const studies = pydicomReadsEach(
      objects.map(({ bytes }) => bytes),
      'ds.StudyInstanceUID',
    )
    expect(new Set(studies).size).toBe(1)
  })

  it('are the same again under the same key, and others under another', async () => {
    const uids = async (deidentification: Deidentification) =>
      (await resultsOf({}, deidentification)).objects.map(({ sopInstanceUid, bytes }) => [sopInstanceUid, Buffer.from(bytes).toString('base64')])
    const first = await uids(clean)
    expect(await uids(clean)).toEqual(first)
    const others = await uids({ ...clean, key: Buffer.from('another key of sixteen bytes') })
    expect(others.flat().filter((text) => first.flat().includes(text))).toEqual([])
  })

  it('leave the picture out where its pixels may say who it is, and point at none', async () => {
    for (const [burnedIn, deidentification, isThere] of [
      ['NO', { key, pixelsAreClean: false }, true],
      [undefined, { key, pixelsAreClean: false }, false],
      [undefined, clean, true],
      ['YES', clean, false],
    ] as const) {
      const { objects, omitted } = await resultsOf({ BurnedInAnnotation: burnedIn }, deidentification)
      expect(
        objects.some(({ kind }) => kind === 'sc'),
        `${burnedIn}`,
      ).toBe(isThere)
      expect(omitted.filter(({ kind }) => kind === 'sc').map(({ reason }) => reason)).toEqual(isThere ? [] : [expect.stringContaining('burned in')])
    }
  })
})

describe('deidentifySource', () => {
  it('lets through what is listed and nothing else, also of what a code string might hide', () => {
    const { attributes, ...rest } = deidentifySource(
      { ...sliceSource, modality: 'SMITH', sopClassUid: '1.2.826.7', lossyImageCompressionRatio: 'JANE', lossyImageCompressionMethod: 'DOE' },
      clean,
    )
    expect(rest).toMatchObject({
      modality: null,
      lossyImageCompressionRatio: null,
      lossyImageCompressionMethod: null,
      specificCharacterSet: [],
      pixelSpacing: [0.5, 0.75],
      rows: 23,
    })
    expect(rest.sopClassUid).toMatch(/^2\.25\./)
    expect(attributes.map(({ tag }) => tag)).toEqual(['00100010', '00100020', '00120062', '00120063'])
  })

  it('gives images of one patient one pseudonym, others another, and one without a number that of the study', () => {
    const idOf = (more: Partial<typeof sliceSource>) => Buffer.from(deidentifySource({ ...sliceSource, ...more }, clean).attributes[1]?.bytes ?? []).toString()
    expect(idOf({ sopInstanceUid: '2.25.7' })).toBe(idOf({}))
    const another = sliceSource.attributes.map((attribute) => (attribute.tag === '00100020' ? { ...attribute, bytes: Buffer.from('ID-2') } : attribute))
    expect(idOf({ attributes: another })).not.toBe(idOf({}))
    expect(idOf({ attributes: [] })).not.toBe(idOf({ attributes: [], studyInstanceUid: '2.25.8' }))
  })

  it('refuses a key that could be guessed', () => {
    expect(() => checkDeidentification({ key: Buffer.from('short'), pixelsAreClean: true })).toThrow(expect.objectContaining({ code: 'parameter-invalid' }))
    expect(() => checkDeidentification(clean)).not.toThrow()
  })

  it('never draws burned-in pixels on the word of anyone', () => {
    expect(pixelsRefusal({ ...sliceSource, burnedInAnnotation: 'YES' }, clean)).toContain('burned in')
    expect(pseudonym(clean, 'a', 'b', 'c')).not.toBe(pseudonym(clean, 'a', 'bc'))
  })
})
