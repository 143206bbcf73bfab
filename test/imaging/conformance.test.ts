/** Every file of the corpus against what independent decoders (dcmtk, gdcm, OpenJPEG, pydicom) made of it. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { findEncapsulatedFrames } from '../../src/dicom/find-frames.ts'
import { readPart10 } from '../../src/dicom/read-part10.ts'
import { openDicom } from '../../src/imaging/decode-dicom.ts'
import { toDisplayImage } from '../../src/imaging/to-display-image.ts'
import { hasCorpus } from '../support/corpus.ts'
import { buildPart10, IMAGE } from '../support/synthetic-dicom.ts'
import { buildConformancePage, PAGE } from './conformance-page.ts'
import { type CorpusFile, type DisplayReference, mayDecode, readCorpusBytes, readIndex, readReferences, refusalsOf } from './corpus.ts'
import { decodeCorpusFile, meanOf, outcomeOf, sha256Of } from './corpus-outcomes.ts'

const files = hasCorpus ? readIndex() : []
const references = hasCorpus ? readReferences() : {}
const named = (chosen: readonly CorpusFile[]): (readonly [string, CorpusFile])[] => chosen.map((file) => [file.name, file] as const)

describe.skipIf(!hasCorpus)('every file of the DICOM corpus (needs the corpus)', () => {
  it('is there', () => {
    expect(files.length).toBe(136)
    expect(files.filter((file) => references[file.name]?.sha256 !== undefined).length).toBe(95)
  })

  it.each(named(files.filter(mayDecode)))('%s gives the reference values', async (name, file) => {
    const outcome = await outcomeOf(name, references[name])
    if (outcome.kind === 'refused') expect(file.expected.startsWith('either') || refusalsOf(file).includes(outcome.code), outcome.code).toBe(true)
    else expect(['exact', 'within']).toContain(outcome.kind)
  })

  it.each(named(files.filter((file) => !mayDecode(file))))('%s is refused for its reason', async (name, file) => {
    expect(refusalsOf(file).length).toBeGreaterThan(0)
    expect(refusalsOf(file).map((code) => ({ kind: 'refused', code }))).toContainEqual(await outcomeOf(name, references[name]))
  })

  it('decodes JPEG-LS of one scan a component, from the codestream of a file without preamble and identity', async () => {
    const bare = readPart10(Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), readCorpusBytes('rgb_jls_ilv0.dcm')]))
    const color = { Rows: 256, Columns: 256, SamplesPerPixel: 3, PhotometricInterpretation: 'RGB', PlanarConfiguration: 0, BitsAllocated: 8, BitsStored: 8, HighBit: 7 }
    const whole = buildPart10({
      transferSyntaxUid: bare.transferSyntax.uid,
      dataset: { ...IMAGE, ...color },
      encapsulated: { offsets: [], fragments: findEncapsulatedFrames(bare, 1) },
    })
    expect(sha256Of([(await openDicom(whole).decodeFrame(1)).values])).toBe(references['rgb_jls_ilv0.dcm']?.sha256)
  })

  it('makes the page that is in docs', async () => {
    expect(readFileSync(PAGE, 'utf8')).toBe(await buildConformancePage())
  })
})

describe.skipIf(!hasCorpus)('what is shown of the corpus (needs the corpus)', () => {
  const having = (display: string): (readonly [string, DisplayReference])[] =>
    files.filter(mayDecode).flatMap(({ name }) => {
      const reference = references[name]?.display?.[display]
      return reference === undefined ? [] : [[name, reference] as const]
    })
  const formula = having('formula_PS3.3_C.11.2.1')

  it('is compared with the formula of PS3.3 C.11.2.1 wherever a window is given', () => {
    expect(formula.length).toBe(34)
  })

  it.each(formula)('%s equals the formula worked by NumPy', async (name, reference) => {
    const { pixels } = toDisplayImage((await decodeCorpusFile(name)).first)
    expect(Math.abs(meanOf([pixels]) - reference.mean)).toBeLessThanOrEqual(1e-3)
    expectSamples(pixels, reference, 0)
  })

  it.each(having('color'))('%s has the colors that dcmtk shows', async (name, reference) => {
    const { pixels, channels } = toDisplayImage((await decodeCorpusFile(name)).first)
    expect(channels).toBe(3)
    // dcmtk rounds each product of the YCbCr matrix by itself: up to two levels of difference
    expectSamples(pixels, reference, 2)
    expect(Math.abs(meanOf([pixels]) - reference.mean)).toBeLessThanOrEqual(1)
  })

  it.each(['voi_lut_sequence_u8.dcm'])('%s goes through its VOI LUT as in dcmtk', async (name) => {
    expect(sha256Of([toDisplayImage((await decodeCorpusFile(name)).first).pixels])).toBe(references[name]?.display?.['voilut1']?.sha256)
  })
})

function expectSamples(pixels: Uint8Array, reference: DisplayReference, tolerance: number): void {
  expect(reference.samples?.length ?? 0).toBeGreaterThan(0)
  for (const [index, value] of reference.samples ?? []) expect(Math.abs(pixels[index]! - value)).toBeLessThanOrEqual(tolerance)
}
