import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { buildResults } from '../../src/results/build-results.ts'
import { dciodvfyErrors, hasDciodvfy, hasDcmtk, hasPydicom, pydicomReads, pydicomReadsEach, runOn } from '../support/dicom-tools.ts'
import { environment, panel, predictionOf, radiographSource, sliceSource } from '../support/result-fixtures.ts'

const prediction = predictionOf({ rows: 23, columns: 38, modality: 'CT' })
const results = buildResults(prediction, sliceSource, panel, environment)

describe('buildResults', () => {
  it('makes every kind for an image that lies in the patient, reports last', () => {
    expect(results.objects.map(({ kind, map }) => [kind, map])).toEqual([
      ['sc', null],
      ['seg', 'communities'],
      ['pm', 'attention'],
      ['pm', 'delta'],
      ['sr', null],
      ['ko', null],
    ])
    expect(results.omitted).toEqual([])
  })

  it('makes kinds that the documentation lists, each with its class', () => {
    const page = readFileSync(resolve(import.meta.dirname, '../../docs/dicom-results.md'), 'utf8')
    for (const { kind, sopClassUid } of results.objects) expect(page).toMatch(new RegExp(`^\\| \`${kind}\` \\| .* \\| ${sopClassUid.replaceAll('.', '\\.')} \\|`, 'm'))
  })

  it('leaves out what the image forbids, and says why', () => {
    const { objects, omitted } = buildResults(prediction, radiographSource, null, environment)
    expect(objects.map(({ kind }) => kind)).toEqual(['seg', 'sr', 'ko'])
    expect(omitted.map(({ kind, map }) => [kind, map])).toEqual([
      ['sc', null],
      ['pm', 'attention'],
      ['pm', 'delta'],
    ])
    expect(omitted[1]?.reason).toMatch(/no FrameOfReferenceUID, .* the Secondary Capture shows the map/)
    const bare = buildResults(predictionOf({ rows: 23, columns: 38, modality: 'CT', maps: [] }), sliceSource, null, environment)
    expect(bare.omitted.map(({ kind, reason }) => [kind, reason])).toContainEqual(['seg', 'the answer has no map of communities'])
  })

  it('gives the same bytes for the same arguments, and the same UIDs at another time', () => {
    expect(buildResults(prediction, sliceSource, panel, environment)).toEqual(results)
    const later = buildResults(prediction, sliceSource, panel, { ...environment, createdAt: '2026-05-05T00:00:00.000Z' })
    expect(later.objects.map(({ sopInstanceUid }) => sopInstanceUid)).toEqual(results.objects.map(({ sopInstanceUid }) => sopInstanceUid))
  })

  it('gives other UIDs for another image, frame, model or explained class, and never one twice', () => {
    const uids = (of: typeof results): string[] => of.objects.map(({ sopInstanceUid }) => sopInstanceUid)
    const others = [
      buildResults(prediction, { ...sliceSource, sopInstanceUid: '2.25.9' }, panel, environment),
      buildResults(prediction, { ...sliceSource, numberOfFrames: 2, frame: 2 }, panel, environment),
      buildResults({ ...prediction, model: { ...prediction.model, graphSha256: '00'.repeat(32) } }, sliceSource, panel, environment),
      buildResults({ ...prediction, explanation: { ...prediction.explanation, explainedClass: 'übrig' } }, sliceSource, panel, environment),
    ]
    const all = [results, ...others].flatMap(uids)
    expect(new Set(all).size).toBe(all.length)
    for (const uid of all) expect(uid).toMatch(/^2\.25\.\d{1,39}$/)
  })

  it('keeps the UID of a map when other maps are asked for beside it, and gives the report that lists them another', () => {
    const fewer = buildResults({ ...prediction, explanation: { ...prediction.explanation, maps: prediction.explanation.maps.slice(0, 2) } }, sliceSource, panel, environment)
    const uidOf = ({ objects }: typeof results, kind: string): string | undefined => objects.find((object) => object.kind === kind)?.sopInstanceUid
    for (const kind of ['pm', 'seg']) expect(uidOf(fewer, kind)).toBe(uidOf(results, kind))
    for (const kind of ['sr', 'sc', 'ko']) expect(uidOf(fewer, kind)).not.toBe(uidOf(results, kind))
  })

  it.each([
    ['StudyInstanceUID', { studyInstanceUid: null }],
    ['SeriesInstanceUID', { seriesInstanceUid: null }],
    ['SOPInstanceUID', { sopInstanceUid: '1.02.3' }],
    ['SOPClassUID', { sopClassUid: '' }],
  ])('refuses a source whose %s can not be referred to, naming it', (keyword, change) => {
    expect(() => buildResults(prediction, { ...sliceSource, ...change }, panel, environment)).toThrow(expect.objectContaining({ code: 'uid-invalid', facts: { keyword } }))
  })

  it('refuses a moment that is none', () => {
    expect(() => buildResults(prediction, sliceSource, panel, { ...environment, createdAt: 'yesterday' })).toThrow(expect.objectContaining({ code: 'result-invalid' }))
  })

  it.skipIf(!hasDciodvfy)('makes objects that dciodvfy finds no error in (needs dciodvfy)', () => {
    for (const { bytes } of results.objects) expect(dciodvfyErrors(bytes)).toEqual([])
  })

  it.skipIf(!hasDcmtk)('copies identity byte for byte into every object, with its character set (needs dcmtk)', () => {
    for (const { bytes } of results.objects) {
      expect(Buffer.from(bytes).includes(Buffer.from('M\xfcller^Zo\xeb', 'latin1'))).toBe(true)
      const { stdout } = runOn(bytes, 'dcmdump', '+U8')
      expect(stdout).toContain('(0008,0005) CS [ISO_IR 192]') // dcmdump's own conversion: it could read the bytes
      expect(stdout).toContain('(0010,0010) PN [Müller^Zoë]')
      expect(stdout).toContain('(0020,000d) UI [2.25.1002]')
    }
  })

  it.skipIf(!hasPydicom)('takes the time zone of the source where it states one (needs pydicom)', () => {
    const zoned = { ...sliceSource, attributes: [{ tag: '00080201', vr: 'SH', bytes: Buffer.from('-0530 ') }, ...sliceSource.attributes] }
    const [object] = buildResults(prediction, zoned, panel, environment).objects
    expect(pydicomReads(object!.bytes, '[ds.ContentDate, ds.ContentTime, ds.TimezoneOffsetFromUTC, ds.ContributingEquipmentSequence[0].ContributionDateTime]')).toEqual([
      '20260304',
      '180005.250',
      '-0530',
      '20260304180005.250-0530',
    ])
  })

  it.skipIf(!hasPydicom)('never takes lossy compression back (needs pydicom)', () => {
    const history = (change: object): unknown =>
      pydicomReadsEach(
        buildResults(prediction, { ...sliceSource, ...change }, panel, environment)
          .objects.slice(0, 3)
          .map(({ bytes }) => bytes),
        '[ds.get("LossyImageCompression"), str(ds.get("LossyImageCompressionRatio")), ds.get("LossyImageCompressionMethod")]',
      )
    const three = (entry: unknown): unknown[] => [entry, entry, entry]
    expect(history({ lossyImageCompression: '01', lossyImageCompressionRatio: '12.5', lossyImageCompressionMethod: 'ISO_14495_1' })).toEqual(three(['01', '12.5', 'ISO_14495_1']))
    // Baseline JPEG can hold no exact values, whatever the header says.
    expect(history({ lossyImageCompression: '00', transferSyntaxUid: '1.2.840.10008.1.2.4.50' })).toEqual(three(['01', 'None', 'ISO_10918_1']))
    expect(history({ lossyImageCompression: '00', transferSyntaxUid: '1.2.840.10008.1.2.4.91' })).toEqual(three(['00', 'None', null]))
  })

  it("is read by this project's own reader: the panel comes back pixel for pixel", async () => {
    const { image } = await decodeImage(results.objects[0]!.bytes, { frame: 1 })
    expect([image.facts.rows, image.facts.columns, image.facts.photometricInterpretation]).toEqual([5, 7, 'RGB'])
    expect(Array.from(image.pixels.data, (value) => Math.round(value * 255))).toEqual([...panel.pixels])
  })
})
