/** One picture in every lossless syntax: the same stored values, the same tensor, bit for bit. */
import { describe, expect, it } from 'vitest'
import type { ManifestInput } from '../../src/domain/manifest.ts'
import { openDicom } from '../../src/imaging/decode-dicom.ts'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { toInputTensor } from '../../src/imaging/to-input-tensor.ts'
import { hasCorpus } from '../support/corpus.ts'
import { buildTwin, LOSSLESS, type Picture } from '../support/lossless-twins.ts'
import { readCorpusBytes } from './corpus.ts'

const INPUT: ManifestInput = {
  name: 'pixels',
  layout: 'nchw',
  channels: 1,
  height: 28,
  width: 28,
  fit: 'crop',
  resize: 'bilinear-antialias',
  mean: [0.5],
  deviation: [0.25],
  modalities: [],
}

type Kind = Pick<Picture, 'bitsStored' | 'isSigned' | 'samplesPerPixel'>

/** Signed 8 bits are left out: the tests' encoder writes other values there; see other-encoders.test.ts. Color above 8 bits is refused in JPEG 2000. */
const KINDS: readonly Kind[] = [
  { bitsStored: 8, isSigned: false, samplesPerPixel: 1 },
  { bitsStored: 10, isSigned: false, samplesPerPixel: 1 },
  { bitsStored: 12, isSigned: false, samplesPerPixel: 1 },
  { bitsStored: 12, isSigned: true, samplesPerPixel: 1 },
  { bitsStored: 16, isSigned: false, samplesPerPixel: 1 },
  { bitsStored: 16, isSigned: true, samplesPerPixel: 1 },
  { bitsStored: 8, isSigned: false, samplesPerPixel: 3 },
]
const ROWS = 45
const COLUMNS = 61

describe.each(KINDS)('a picture of $bitsStored bits, signed: $isSigned, $samplesPerPixel samples', (kind) => {
  const lowest = kind.isSigned ? -(2 ** (kind.bitsStored - 1)) : 0
  // smooth and rough parts, both ends of the range
  const values = Array.from({ length: ROWS * COLUMNS * kind.samplesPerPixel }, (_, i) => lowest + ((i % 2 === 0 ? i * 3 : i * i * 7) % 2 ** kind.bitsStored))

  it('has the values that were encoded, and one tensor, in all eleven lossless syntaxes', async () => {
    expect(LOSSLESS).toHaveLength(11)
    const tensors: Float32Array[] = []
    for (const { uid } of LOSSLESS) {
      const file = await buildTwin({ ...kind, rows: ROWS, columns: COLUMNS, values }, uid)
      expect(Array.from((await openDicom(file).decodeFrame(1)).values), uid).toEqual(values)
      tensors.push(toInputTensor((await decodeImage(file, { frame: 1 })).image, INPUT).pixels.data)
    }
    for (const tensor of tensors) expect(tensor).toEqual(tensors[0])
  })
})

describe.skipIf(!hasCorpus)('twins of the corpus (needs the corpus)', () => {
  it.each([
    [['mr_small_evle', 'mr_small_ivle', 'mr_small_evbe', 'mr_small_rle', 'mr_small_j2kr', 'mr_small_jls', 'mr_small_trailing_pad']],
    [['ct1_evle', 'ct1_evbe', 'ct1_rle', 'ct1_jpll', 'ct1_jls_fragments_bot', 'ct1_j2kr', 'derived/ct1_htj2k_lossless_s16']],
    [['emr_10f', 'emr_10f_jls']],
  ])('%j give one tensor', async (names) => {
    const tensors = await Promise.all(names.map(async (name) => toInputTensor((await decodeImage(readCorpusBytes(`${name}.dcm`), { frame: 1 })).image, INPUT).pixels.data))
    for (const tensor of tensors) expect(tensor).toEqual(tensors[0])
  })
})
