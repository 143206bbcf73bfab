import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildChestPhantom } from '../../src/demo/chest-phantom.ts'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { toDisplayImage } from '../../src/imaging/to-display-image.ts'
import { drawPanel } from '../../src/render/draw-panel.ts'
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

  it('refuses a moment that is none, and an installation without a name', () => {
    expect(() => buildResults(prediction, sliceSource, panel, { ...environment, deviceSerialNumber: ' ' })).toThrow(expect.objectContaining({ code: 'result-invalid' }))
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

  it('keeps any bytes of identity, whatever the words of model and installation', async () => {
    const bytes = fc.uint8Array({ minLength: 0, maxLength: 40 }).map((any) => any.subarray(0, any.length - (any.length % 2)))
    const words = fc.string({ unit: 'grapheme', maxLength: 80 })
    await fc.assert(
      fc.asyncProperty(
        bytes,
        bytes,
        words,
        words,
        fc.constantFrom([], ['ISO_IR 192'], ['ISO_IR 100'], ['', 'ISO 2022 IR 87'], ['GB18030']),
        async (name, id, className, serial, terms) => {
          const attributes = [
            { tag: '00100010', vr: 'PN', bytes: name },
            { tag: '00100020', vr: 'LO', bytes: id },
          ]
          const named = {
            ...prediction,
            explanation: { ...prediction.explanation, classes: [{ ...prediction.explanation.classes[0]!, name: className, code: null }], predictedClass: className },
          }
          const source = { ...sliceSource, specificCharacterSet: terms, attributes }
          const { objects } = buildResults(named, source, panel, { ...environment, deviceSerialNumber: `#${serial}` })
          const { source: read } = await decodeImage(objects[0]!.bytes, { frame: 1 })
          for (const { tag, bytes: expected } of attributes) {
            const found = read!.attributes.find((attribute) => attribute.tag === tag)
            expect(Buffer.from(found!.bytes).equals(expected)).toBe(true)
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  it("is read by this project's own reader: the panel comes back pixel for pixel", async () => {
    const { image } = await decodeImage(results.objects[0]!.bytes, { frame: 1 })
    expect([image.facts.rows, image.facts.columns, image.facts.photometricInterpretation]).toEqual([5, 7, 'RGB'])
    expect(Array.from(image.pixels.data, (value) => Math.round(value * 255))).toEqual([...panel.pixels])
  })

  it.skipIf(!hasDciodvfy)('files the drawn panel of the synthetic radiograph, pixel for pixel (needs dciodvfy)', async () => {
    const { image, source } = await decodeImage(buildChestPhantom({ rows: 120, columns: 97, seed: 1, opacity: 0.5 }), { frame: 1 })
    const shown = { ...predictionOf({ rows: 120, columns: 97, modality: 'DX' }), display: toDisplayImage(image) }
    const { maps, classes } = shown.explanation
    const { width, height, channels, pixels } = drawPanel({
      kind: 'render',
      display: shown.display,
      placement: shown.input.placement,
      map: maps[1]!,
      maps,
      caption: {
        requestId: 'unit',
        createdAt: environment.createdAt,
        modelId: shown.model.id,
        modelVersion: shown.model.version,
        graphSha256: shown.model.graphSha256,
        inputSha256: shown.provenance.inputSha256,
        predictedClass: classes[0]!,
      },
      options: { format: 'png', style: 'panel', alpha: 0.4, head: null, colormap: null, size: 'source' },
    })
    expect(channels).toBe(3)
    const { objects, omitted } = buildResults(shown, source!, { rows: height, columns: width, pixels }, environment)
    expect([objects.map(({ kind }) => kind), omitted.map(({ kind }) => kind)]).toEqual([
      ['sc', 'seg', 'sr', 'ko'],
      ['pm', 'pm'],
    ])
    for (const { bytes } of objects) expect(dciodvfyErrors(bytes)).toEqual([])
    const { image: read } = await decodeImage(objects[0]!.bytes, { frame: 1 })
    expect(Buffer.from(Uint8Array.from(read.pixels.data, (value) => Math.round(value * 255))).equals(pixels)).toBe(true)
  })
})
