/** Results of nobody: a source that is full of names, dates and numbers, and not one of them in what leaves. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { KEYWORDS, type Keyword } from '../../src/dicom/keywords.ts'
import type { Deidentification } from '../../src/domain/deidentification.ts'
import type { DicomResults } from '../../src/domain/dicom-result.ts'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { type Bundle, openBundle } from '../../src/infer/load-bundle.ts'
import { processInstance } from '../../src/instance-road.ts'
import { checkDeidentification, deidentifyPrediction, deidentifyProblem, deidentifySource, pixelsRefusal, pseudonym } from '../../src/results/deidentify.ts'
import { loadGolden } from '../models/support/golden.ts'
import { dciodvfyErrors, hasDciodvfy, hasDcmtk, hasPydicom, pydicomReads, pydicomReadsEach, runOn } from '../support/dicom-tools.ts'
import { goldenBundle, withManifest } from '../support/golden-bundle.ts'
import { environment, predictionOf, sliceSource } from '../support/result-fixtures.ts'
import { buildGray16, type SyntheticDataset, type SyntheticElement, type SyntheticFile } from '../support/synthetic-dicom.ts'

const key = Buffer.from('0123456789abcdef0123456789abcdef')
const clean: Deidentification = { key, pixelsAreClean: true }

/** Stands in every text, and in every number and every array of bytes as their bytes: four of 16 bits, two of 32, one of 64. */
const WORD = 'Zqx7'
const NUMBER = new Uint8Array(Buffer.from(WORD + WORD))
/** What a modality, a department or a vendor may ever have written, by value representation; text has its tag behind the word. */
const SEED_OF: Readonly<Record<string, string>> = {
  DS: '27182.81828459',
  IS: '314159265',
  DA: '19870216',
  TM: '223344.567',
  DT: '19870217223344.567',
  AS: '087Y',
  CS: 'ZQX7CODE',
  UI: '1.2.826.0.1.3680043.77.99',
}
const TEXT_VRS = new Set(['PN', 'LO', 'SH', 'LT', 'ST', 'UT', 'UC', 'UR', 'AE'])
const seedOf = (tag: string, vr: string): string | Uint8Array => SEED_OF[vr] ?? (TEXT_VRS.has(vr) ? `${WORD}${tag}` : NUMBER)

/** How the image is read, and where it lies in the patient: groups of pixels and frames, and these. */
const READ_FROM_THE_IMAGE = new Set<Keyword>([
  'SpecificCharacterSet',
  'SOPClassUID',
  'Modality',
  'SliceThickness',
  'ImagePositionPatient',
  'ImageOrientationPatient',
  'PresentationLUTShape',
])
/** Attributes of the whole dictionary, of every value representation. */
const SEEDED = (Object.keys(KEYWORDS) as Keyword[]).filter((keyword) => {
  const [tag = '', vr = ''] = KEYWORDS[keyword].split(' ')
  return vr !== 'SQ' && tag >= '0008' && tag < '7FE0' && !['0028', '5200'].includes(tag.slice(0, 4)) && !READ_FROM_THE_IMAGE.has(keyword)
})
const seeds: SyntheticDataset = Object.fromEntries(SEEDED.map((keyword) => [keyword, seedOf(KEYWORDS[keyword].slice(0, 8), KEYWORDS[keyword].slice(9))]))

const PRIVATE_VRS = [
  'AE',
  'AS',
  'AT',
  'CS',
  'DA',
  'DS',
  'DT',
  'FD',
  'FL',
  'IS',
  'LO',
  'LT',
  'OB',
  'OD',
  'OF',
  'OW',
  'PN',
  'SH',
  'SL',
  'SS',
  'ST',
  'TM',
  'UI',
  'UL',
  'UN',
  'US',
  'UT',
]
/** A creator's block in a group: its name, and an element of each value representation. */
const privateBlock = (group: string): readonly SyntheticElement[] => [
  { tag: `${group}0010`, vr: 'LO', value: `${WORD}Vendor` },
  ...PRIVATE_VRS.map((vr, i) => ({ tag: `${group}10${(i + 1).toString(16).toUpperCase().padStart(2, '0')}`, vr, value: seedOf(`${group}10`, vr) })),
]
const OVERLAY_BITS = new Uint8Array(Buffer.from(WORD.repeat(18)))
const OTHERS: readonly SyntheticElement[] = [
  ...privateBlock('0009'),
  // A sequence of a vendor's with people in it, and one more inside it.
  {
    tag: '00091080',
    vr: 'SQ',
    value: [
      [
        { tag: '00100010', vr: 'PN', value: `${WORD}^Nested` },
        ...privateBlock('0029'),
        { tag: '00291080', vr: 'SQ', value: [[{ tag: '00100030', vr: 'DA', value: '19870218' }, ...privateBlock('0031')]] },
      ],
    ],
  },
  ...privateBlock('7FE1'),
  // A curve, retired and still met.
  { tag: '50000005', vr: 'US', value: 2 },
  { tag: '50000020', vr: 'CS', value: 'ECG' },
  { tag: '50002500', vr: 'LO', value: `${WORD} curve` },
  { tag: '50003000', vr: 'OW', value: NUMBER },
  // An overlay of 24 x 24 over the whole image (PS3.3 C.9.2).
  { tag: '60000010', vr: 'US', value: 24 },
  { tag: '60000011', vr: 'US', value: 24 },
  { tag: '60000022', vr: 'LO', value: `${WORD} overlay` },
  { tag: '60000040', vr: 'CS', value: 'G' },
  { tag: '60000045', vr: 'LO', value: `${WORD} user` },
  { tag: '60000050', vr: 'SS', value: [1, 1] },
  { tag: '60000100', vr: 'US', value: 1 },
  { tag: '60000102', vr: 'US', value: 0 },
  { tag: '60001500', vr: 'LO', value: `${WORD} label` },
  { tag: '60003000', vr: 'OW', value: OVERLAY_BITS },
  { tag: 'FFFCFFFC', vr: 'OB', value: NUMBER },
]
const HIDING_PLACES = { others: OTHERS, preamble: new Uint8Array(Buffer.from(WORD.repeat(32))) }

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
/** The image and its place alone. */
const BARE: SyntheticDataset = {
  SOPClassUID: source.SOPClassUID,
  ...UIDS,
  ConcatenationUID: undefined,
  PatientID: source.PatientID,
  IssuerOfPatientID: source.IssuerOfPatientID,
  Modality: source.Modality,
  PixelSpacing: source.PixelSpacing,
  ImagePositionPatient: source.ImagePositionPatient,
  ImageOrientationPatient: source.ImageOrientationPatient,
}
const pixels = Array.from({ length: 24 * 24 }, (_, i) => (i * 37) % 4096)

describe('de-identified results', () => {
  let bundle: Bundle
  beforeAll(async () => {
    const files = goldenBundle(loadGolden('dcmm'))
    bundle = await openBundle(withManifest(files, { ...files.manifest, input: { ...files.manifest.input, modalities: [] } }))
  })
  afterAll(() => bundle.release())

  async function resultsOf(more: SyntheticDataset, deidentification: Deidentification | null = clean, file: Omit<SyntheticFile, 'dataset'> = HIDING_PLACES): Promise<DicomResults> {
    return await resultsOfBytes(buildGray16(pixels, 24, { ...source, ...more }, file), deidentification)
  }
  async function resultsOfBytes(bytes: Uint8Array, deidentification: Deidentification | null): Promise<DicomResults> {
    const request = {
      bytes,
      arrival: { door: 'folder', peer: null } as const,
      rules: { version: 1 as const, rules: [] },
      modelId: 'any',
      destinations: null,
      requestId: 'Zqx7Request',
      environment: { ...environment, deviceSerialNumber: 'Zqx7Device' },
      ...(deidentification && { deidentification }),
    }
    const result = await processInstance(new Map([['any', bundle]]), request, 'attending 0.0.0')
    return result.kind === 'results' ? result : expect.fail('skipped')
  }

  const FORBIDDEN = [WORD, 'ZQX7', '1.2.826', '1987', '19331129', '112233', '223344', '087Y', '27182', '314159', '20260304']
  const wordsIn = (bytes: Uint8Array): readonly string[] =>
    FORBIDDEN.filter((word) => (['latin1', 'utf16le'] as const).some((encoding) => Buffer.from(bytes).includes(Buffer.from(word, encoding))))

  it('hold nothing of the source, whatever attribute, private block, sequence, curve, overlay or preamble it stood in', async () => {
    expect(SEEDED.length).toBeGreaterThan(3000)
    expect(new Set(SEEDED.map((keyword) => KEYWORDS[keyword].slice(9))).size).toBeGreaterThan(25)
    const { objects } = await resultsOf({})
    expect(new Set(objects.map(({ kind }) => kind))).toEqual(new Set(['sc', 'seg', 'pm', 'sr', 'ko']))
    for (const { kind, bytes } of objects) expect([kind, wordsIn(bytes)]).toEqual([kind, []])
    // The search finds what is there: with its identity left in, the same source shows.
    const identified = await resultsOf({}, null)
    for (const { kind, bytes } of identified.objects)
      expect([kind, wordsIn(bytes)]).toEqual([kind, expect.arrayContaining([WORD, '1.2.826', '1987', '19331129', '112233', '087Y', '27182'])])
  })

  it.skipIf(!hasPydicom)('hold no value of the source, as pydicom reads them (needs pydicom)', async () => {
    const values = `sorted({str(v) for e in ds.iterall() if e.VR not in ("SQ", "OB", "OW", "OF") for v in (e.value if e.VM > 1 else [e.value])})`
    const numbers = [NUMBER.buffer].flatMap((buffer) =>
      [new Uint16Array(buffer), new Uint32Array(buffer), new Float32Array(buffer), new Float64Array(buffer)].flatMap((array) => [...array].map(String)),
    )
    const seeded = new Set([...Object.values(SEED_OF), ...numbers, ...Object.values(seeds), ...Object.values(UIDS), ...Object.values(DATES)].map(String))
    const shown = async (deidentification: Deidentification | null): Promise<readonly string[]> => {
      const { objects } = await resultsOf({}, deidentification)
      const read = pydicomReadsEach(
        objects.map(({ bytes }) => bytes),
        values,
      ) as string[][]
      return [...new Set(read.flat())].filter((value) => seeded.has(value))
    }
    expect(await shown(clean)).toEqual([])
    expect((await shown(null)).length).toBeGreaterThan(10)
  })

  it('are the same bytes whatever else the file holds; the pseudonym of its digest alone is another', async () => {
    const [full, bare] = [await resultsOf({}), await resultsOfBytes(buildGray16(pixels, 24, BARE), clean)]
    const ofKinds = ({ objects }: DicomResults, ...kinds: readonly string[]) =>
      objects.filter(({ kind }) => kinds.includes(kind)).map(({ kind, map, bytes }) => [kind, map, Buffer.from(bytes).toString('base64')])
    expect(ofKinds(full, 'seg', 'pm', 'ko')).toEqual(ofKinds(bare, 'seg', 'pm', 'ko'))
    expect(ofKinds(full, 'sc')).not.toEqual(ofKinds(bare, 'sc'))
    expect(await linesThatDiffer(full, bare)).toBeLessThan(20)
  })

  it('show nothing of an overlay in bits of the pixels that are not stored ones', async () => {
    const twelve = { ...BARE, BitsStored: 12, HighBit: 11 }
    const drawn = pixels.map((value, i) => value | (i % 3 === 0 ? 0x8000 : 0x1000))
    const [plain, hidden] = [await resultsOfBytes(buildGray16(pixels, 24, twelve), clean), await resultsOfBytes(buildGray16(drawn, 24, twelve), clean)]
    expect(await linesThatDiffer(plain, hidden)).toBeLessThan(20)
  })

  /** Rows of the panel, out of hundreds, in which two differ: the caption has a line with the image's digest, 16 pixels high. */
  async function linesThatDiffer(...results: readonly [DicomResults, DicomResults]): Promise<number> {
    const [a, b] = await Promise.all(results.map(async ({ objects }) => (await decodeImage(objects.find(({ kind }) => kind === 'sc')!.bytes, { frame: 1 })).image))
    const [rows, columns] = [a!.facts.rows, a!.facts.columns]
    expect([b!.facts.rows, b!.facts.columns]).toEqual([rows, columns])
    expect(rows).toBeGreaterThan(200)
    const line = (image: typeof a, row: number): string => image!.pixels.data.subarray(row * columns * 3, (row + 1) * columns * 3).join()
    return Array.from({ length: rows }, (_, row) => line(a, row) !== line(b, row)).filter(Boolean).length
  }

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
      {
        ...sliceSource,
        modality: 'SMITH',
        sopClassUid: '1.2.826.7',
        transferSyntaxUid: '1.2.840.10008.1.2.19870211',
        lossyImageCompressionRatio: 'JANE',
        lossyImageCompressionMethod: 'DOE',
      },
      clean,
    )
    expect(rest).toMatchObject({
      modality: null,
      lossyImageCompressionRatio: null,
      lossyImageCompressionMethod: null,
      transferSyntaxUid: '',
      specificCharacterSet: [],
      pixelSpacing: [0.5, 0.75],
      rows: 23,
    })
    expect(rest.sopClassUid).toMatch(/^2\.25\./)
    expect(attributes.map(({ tag }) => tag)).toEqual(['00100010', '00100020', '00120062', '00120063'])
  })

  it.each([
    ['10.527', '10.53'],
    ['10\\5.5', '10\\5.5'],
    ['19870211', null],
    ['10\\5551234567', null],
    ['1e3', null],
  ])('tells the compression ratio %s as %s: no more than a ratio needs', (lossyImageCompressionRatio, expected) => {
    expect(deidentifySource({ ...sliceSource, lossyImageCompressionRatio }, clean).lossyImageCompressionRatio).toBe(expected)
  })

  it.each([
    ['lossyImageCompressionMethod', 'ISO_15444_1', true],
    ['lossyImageCompressionMethod', 'ISO_10918_1\\ISO_14495_1', true],
    ['lossyImageCompressionMethod', 'ISO_19870211', false],
    ['sopClassUid', '1.2.840.10008.5.1.4.1.1.77.1.5.1', true],
    ['sopClassUid', '1.2.840.10008.5.1.4.1.1.19870211', false],
    ['sopClassUid', '1.2.840.10008.19870211', false],
    ['transferSyntaxUid', '1.2.840.10008.1.2.4.90', true],
  ] as const)('lets %s %s through: %s', (field, value, isKept) => {
    expect(deidentifySource({ ...sliceSource, [field]: value }, clean)[field] === value).toBe(isKept)
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

  it("leaves out of an answer what the file calls its modality where that is none, and a problem's words", () => {
    const prediction = predictionOf({ rows: 23, columns: 38, modality: 'SMITH' })
    const finding = { check: 'modality', verdict: 'not-checked', detail: '', value: 'SMITH', distance: null, unusualAbove: null, outOfScopeAbove: null } as const
    const inputCheck = { verdict: 'not-checked', reasons: [], findings: [finding, { ...finding, value: 'CT' }], statistics: { saturatedShare: 0, entropyBits: 0 } } as const
    const told = deidentifyPrediction({ ...prediction, inputCheck }, clean)
    expect(JSON.stringify([told.input, told.inputCheck])).not.toContain('SMITH')
    expect(told.inputCheck?.findings.map(({ value }) => value)).toEqual([null, 'CT'])
    expect(deidentifyProblem({ code: 'image-out-of-scope', detail: 'the modality is SMITH', facts: { modality: 'SMITH' } })).toEqual({
      code: 'image-out-of-scope',
      detail: 'the detail is left out of a de-identified export',
      facts: {},
    })
  })

  it('never draws burned-in pixels on the word of anyone', () => {
    expect(pixelsRefusal({ ...sliceSource, burnedInAnnotation: 'YES' }, clean)).toContain('burned in')
    expect(pseudonym(clean, 'a', 'b', 'c')).not.toBe(pseudonym(clean, 'a', 'bc'))
  })
})
