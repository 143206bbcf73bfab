/** Every file of the corpus against what independent decoders (dcmtk, gdcm, OpenJPEG, pydicom) made of it. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { DecodedImage } from '../../src/domain/image.ts'
import { Problem } from '../../src/domain/problem.ts'
import { openDicom, toDecodedImage } from '../../src/imaging/decode-dicom.ts'
import { findFormat } from '../../src/imaging/find-format.ts'
import { dtypeOf, type StoredValues } from '../../src/imaging/stored-values.ts'
import { toDisplayImage } from '../../src/imaging/to-display-image.ts'
import { hasCorpus } from '../support/corpus.ts'
import { type CorpusFile, type DisplayReference, mayDecode, type Reference, readCorpusBytes, readIndex, readReferences, refusalsOf } from './corpus.ts'

const files = hasCorpus ? readIndex() : []
const references = hasCorpus ? readReferences() : {}

describe.skipIf(!hasCorpus)('every file of the DICOM corpus (needs the corpus)', () => {
  it('is there', () => {
    expect(files.length).toBe(136)
    expect(files.filter((file) => references[file.name]?.sha256 !== undefined).length).toBeGreaterThan(90)
  })

  it.each(files.filter((file) => !mustBeRefused(file)).map((file) => [file.name, file] as const))('%s gives the reference values', async (name, file) => {
    const reference = references[name]
    if (reference?.sha256 === undefined)
      return expect(await codeOf(name)).toSatisfy((code) => code === null || refusalsOf(file).includes(code) || file.expected.startsWith('either'))
    const code = await codeOf(name)
    if (code !== null) return expect(refusalsOf(file)).toContain(code)
    await expectStoredValues(name, reference)
  })

  it.each(files.filter(mustBeRefused).map((file) => [file.name, refusalsOf(file), file] as const))('%s is refused as %s', async (name, codes) => {
    expect(codes).toContain(await codeOf(name))
  })
})

const mustBeRefused = (file: CorpusFile): boolean => !mayDecode(file)

async function codeOf(name: string): Promise<Problem['code'] | null> {
  try {
    await decode(name)
    return null
  } catch (error) {
    if (error instanceof Problem) return error.code
    throw error
  }
}

interface Decoded {
  readonly frames: readonly StoredValues[]
  readonly first: DecodedImage
}

const decoded = new Map<string, Promise<Decoded>>()

/** Every frame, each file decoded once for all tests that look at it. */
function decode(name: string): Promise<Decoded> {
  const known = decoded.get(name) ?? decodeAll(readCorpusBytes(name))
  decoded.set(name, known)
  return known
}

async function decodeAll(bytes: Uint8Array): Promise<Decoded> {
  if (findFormat(bytes) !== 'dicom') throw new Error('a file of the corpus is taken for a PNG or JPEG')
  const opened = openDicom(bytes)
  const frames: StoredValues[] = []
  const stored = await opened.decodeFrame(1)
  const first = toDecodedImage(opened, stored, 1)
  frames.push(stored.values)
  for (let frame = 2; frame <= opened.description.numberOfFrames; frame++) frames.push((await opened.decodeFrame(frame)).values)
  return { frames, first }
}

/** The hash where the codec is lossless; lossy ones by range, mean and the given samples, within the stated difference. */
async function expectStoredValues(name: string, reference: Reference): Promise<void> {
  const { frames } = await decode(name)
  const [frameCount = 1, ...shape] = reference.shape ?? []
  expect(frames.length).toBe(frameCount)
  expect(frames[0]?.length).toBe(shape.reduce((product, axis) => product * axis, 1))
  expect(dtypeOf(frames[0]!)).toBe(reference.dtype)
  if (reference.tolerance === 0) return expect(sha256Of(frames)).toBe(reference.sha256)
  const frameLength = frames[0]!.length
  for (const [index, value] of reference.samples ?? []) {
    expect(Math.abs(frames[Math.floor(index / frameLength)]![index % frameLength]! - value)).toBeLessThanOrEqual(reference.tolerance)
  }
  expect(Math.abs(meanOf(frames) - reference.mean!)).toBeLessThanOrEqual(reference.tolerance / 10)
}

function sha256Of(frames: readonly StoredValues[]): string {
  const hash = createHash('sha256')
  for (const values of frames) hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  return hash.digest('hex')
}

function meanOf(frames: readonly StoredValues[]): number {
  let sum = 0
  for (const values of frames) for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum / (frames.length * frames[0]!.length)
}

describe.skipIf(!hasCorpus)('what is shown of the corpus (needs the corpus)', () => {
  const shown = files.flatMap(({ name }) => {
    const formula = references[name]?.display?.['formula_PS3.3_C.11.2.1']
    return formula === undefined ? [] : [[name, formula] as const]
  })

  it('is compared with the formula of PS3.3 C.11.2.1 wherever a window is given', () => {
    expect(shown.length).toBe(34)
  })

  it.each(shown)('%s equals the formula worked by NumPy', async (name, formula) => {
    const { pixels } = toDisplayImage((await decode(name)).first)
    expect(Math.abs(meanOf([pixels]) - formula.mean)).toBeLessThanOrEqual(1e-3)
    expectSamples(pixels, formula, 0)
  })

  const color = files.flatMap(({ name }) => {
    const reference = references[name]?.display?.['color']
    return reference === undefined || !mayDecode(files.find((file) => file.name === name)!) ? [] : [[name, reference] as const]
  })

  it.each(color)('%s has the colors that dcmtk shows', async (name, reference) => {
    const { pixels, channels } = toDisplayImage((await decode(name)).first)
    expect(channels).toBe(3)
    // dcmtk interpolates no chroma of native 4:2:2 and rounds each YCbCr product by itself: a level of difference
    expectSamples(pixels, reference, 2)
    expect(Math.abs(meanOf([pixels]) - reference.mean)).toBeLessThanOrEqual(1)
  })

  it.each(['voi_lut_sequence_u8.dcm'])('%s goes through its VOI LUT as in dcmtk', async (name) => {
    expect(sha256Of([toDisplayImage((await decode(name)).first).pixels])).toBe(references[name]?.display?.['voilut1']?.sha256)
  })
})

function expectSamples(pixels: Uint8Array, reference: DisplayReference, tolerance: number): void {
  expect(reference.samples?.length ?? 0).toBeGreaterThan(0)
  for (const [index, value] of reference.samples ?? []) expect(Math.abs(pixels[index]! - value)).toBeLessThanOrEqual(tolerance)
}
