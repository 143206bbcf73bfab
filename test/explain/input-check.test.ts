import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildChestPhantom } from '../../src/demo/chest-phantom.ts'
import type { DecodedImage } from '../../src/domain/image.ts'
import { type Manifest, parseManifest } from '../../src/domain/manifest.ts'
import { checkInput } from '../../src/explain/input-check.ts'
import { readBundleFiles } from '../../src/infer/bundle-files.ts'
import { type Bundle, openBundle } from '../../src/infer/load-bundle.ts'
import { predict } from '../../src/pipeline.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'
import { loadGolden } from '../models/support/golden.ts'
import { corpusFile, hasCorpus } from '../support/corpus.ts'
import { goldenBundle } from '../support/golden-bundle.ts'

const base64 = (...values: number[]): string => Buffer.from(Float32Array.from(values).buffer).toString('base64')
const plain = goldenBundle(loadGolden('dcmm')).manifest

/** Gray histogram at 0 alone; classes at (0, 0), (10, 0), (20, 0) with covariance diag(1, 4): distances can be told by eye. */
const statistics: NonNullable<Manifest['inputCheck']> = {
  images: { train: 100, validation: 100 },
  quantile: 0.99,
  histogram: { bins: [1, ...new Array<number>(31).fill(0)], unusualAbove: 0.5, outOfScopeAbove: 0.75 },
  embedding: { width: 2, shrinkage: 0, means: base64(0, 0, 10, 0, 20, 0), whitening: base64(1, 0, 0.5), unusualAbove: 2, outOfScopeAbove: 4 },
}
const manifest = parseManifest({ ...plain, inputCheck: statistics, input: { ...plain.input, modalities: ['CR', 'DX'], bodyParts: ['CHEST'], views: ['AP'] } })

const facts: DecodedImage['facts'] = {
  format: 'dicom',
  rows: 16,
  columns: 16,
  frame: 1,
  frames: 1,
  modality: 'CR',
  transferSyntaxUid: null,
  photometricInterpretation: null,
  bitsStored: 8,
  window: { center: 127.5, width: 255, function: 'NONE' },
  warnings: [],
}
const placement = { sourceRows: 16, sourceColumns: 16, top: 0, left: 0, height: 16, width: 16, quarterTurns: 0, inputHeight: 16, inputWidth: 16 } as const

interface Shown {
  /** Part of the input that is white, the rest is black. */
  readonly white?: number
  readonly bodyPart?: string | null
  readonly view?: string | null
  readonly embedding?: readonly number[]
  readonly manifest?: Manifest
}

function check({ white = 0.25, bodyPart = 'CHEST', view = 'AP', embedding = [9, 0], manifest: given = manifest }: Shown): ReturnType<typeof checkInput> {
  const pixels = tensorOf(
    Float32Array.from({ length: 256 }, (_, i) => (i < 256 * white ? 1 : -1)),
    [1, 16, 16],
  )
  const image = { facts, pixels, anatomy: { bodyPart, view } }
  return checkInput(given, image, { pixels, placement }, { asTrained: { embedding: tensorOf(Float32Array.from(embedding), [2]) }, withoutStructure: null })
}
const findingOf = (result: ReturnType<typeof checkInput>, name: string) => result.findings.find((finding) => finding.check === name)!

describe('checkInput', () => {
  it('finds an image in scope that is near in every respect, and says how near', () => {
    const result = check({})
    expect(result).toMatchObject({ verdict: 'in-scope', reasons: [], statistics: { saturatedShare: 1 } })
    expect(findingOf(result, 'embedding')).toMatchObject({ value: 'b', distance: 1, unusualAbove: 2, outOfScopeAbove: 4 })
    // a quarter of the mass lies 31 bins of 32 away
    expect(findingOf(result, 'gray-histogram').distance).toBeCloseTo((0.25 * 31) / 32, 12)
    expect(result.statistics.entropyBits).toBeCloseTo(0.25 * 2 + 0.75 * Math.log2(4 / 3), 12)
  })

  it.each([
    ['a class token between the limits', { embedding: [0, 6] }, 'unusual', /class token lies 3\.00/],
    ['a class token beyond both', { embedding: [0, 10] }, 'out-of-scope', /class token lies 5\.00/],
    ['gray values between the limits', { white: 0.6 }, 'unusual', /gray values lie 0\.58/],
    ['gray values beyond both', { white: 0.9 }, 'out-of-scope', /gray values/],
    ['another body part', { bodyPart: 'LEG' }, 'out-of-scope', /body part LEG; the model was made for CHEST/],
    ['another view', { view: 'PA' }, 'unusual', /view PA; the model learned from AP alone, and what it was measured to be worth does not hold for other views\./],
    ['no image', { white: 0 }, 'out-of-scope', /there is no image/],
  ] as const)('finds %s to be so, with the sentence that says why', (_, shown, verdict, reason) => {
    const result = check(shown)
    expect(result.verdict).toBe(verdict)
    expect(result.reasons).toEqual([expect.stringMatching(reason)])
  })

  it('says so where the validation images are too few to tell unusual from out of scope', () => {
    const few = { ...statistics, images: { train: 100, validation: 20 }, histogram: { ...statistics.histogram, outOfScopeAbove: 0.5 } }
    const { verdict, reasons } = check({ white: 0.6, manifest: { ...manifest, inputCheck: few } })
    expect(verdict).toBe('out-of-scope')
    expect(reasons).toEqual([expect.stringMatching(/; out of scope above 0\.500, which none of the 20 validation images exceeds: too few to tell unusual from out of scope\.$/)])
  })

  it('keeps the worst of several findings and the reasons for that one alone', () => {
    const result = check({ view: 'LL', bodyPart: 'KNEE' })
    expect(result.verdict).toBe('out-of-scope')
    expect(result.reasons).toHaveLength(1)
  })

  it('holds nothing against a file that states no body part and no view', () => {
    const result = check({ bodyPart: null, view: null })
    expect(result.verdict).toBe('in-scope')
    expect(findingOf(result, 'body-part')).toMatchObject({ verdict: 'not-checked', value: null, detail: 'The file does not state a body part in a known term.' })
  })

  it('says that nothing was checked, and why, under a bundle without statistics, but still knows a wrong body part', () => {
    const { inputCheck: _, ...old } = manifest
    const result = check({ manifest: old })
    expect(result).toMatchObject({
      verdict: 'not-checked',
      reasons: ['The bundle has no statistics of its training images.', 'The bundle has no statistics of its training images.'],
    })
    expect(check({ manifest: old, bodyPart: 'LEG' }).verdict).toBe('out-of-scope')
  })

  it('measures gray values alone where the graph gives no embedding', () => {
    const result = check({ manifest: { ...manifest, inputCheck: { ...statistics, embedding: null } }, embedding: [99, 99] })
    expect(result.verdict).toBe('in-scope')
    expect(findingOf(result, 'embedding').verdict).toBe('not-checked')
  })

  it('refuses an embedding of another width', () => {
    expect(() => check({ embedding: [1, 2].slice(0, 2), manifest: { ...manifest, inputCheck: { ...statistics, embedding: { ...statistics.embedding!, width: 3 } } } })).toThrow(
      /another width/,
    )
  })
})

describe('the manifest with statistics', () => {
  it.each([
    ['means', { means: base64(1) }],
    ['whitening', { whitening: base64(1, 2) }],
  ])('is refused where the %s are not of the width', (_, change) => {
    expect(() => parseManifest({ ...manifest, inputCheck: { ...statistics, embedding: { ...statistics.embedding, ...change } } })).toThrow(/manifest: inputCheck.embedding/)
  })
})

/** What each says of an adult's chest. Those from masked patches have seen adults, without labels, and tell them from the children they were trained on. */
const released = [
  ['dcmm-vit-tiny-patch4-28.pneumonia-v1', 'unusual'],
  ['sbm-vit-tiny-patch4-28.pneumonia-v1', 'unusual'],
  ['dcmm-vit-tiny-patch4-28.pneumonia-pretrained-v1', 'out-of-scope'],
  ['sbm-vit-tiny-patch4-28.pneumonia-pretrained-v1', 'out-of-scope'],
  ['sbm-vit-tiny-patch4-28.pneumonia-live-v1', 'unusual'],
] as const

describe.each(released)('the released bundle %s', (id, ofAnAdult) => {
  let bundle: Bundle
  beforeAll(async () => {
    bundle = await openBundle(await readBundleFiles(resolve(import.meta.dirname, '../../models/released', id)))
  })
  afterAll(() => bundle.release())

  const checkFile = async (bytes: Uint8Array) => {
    const options = { frame: 1, maps: [], explainedClass: null, seed: 0, samples: 0 }
    return (await predict(bundle, { kind: 'predict', modelId: id, bytes, options }, 'attending 0.0.0')).prediction.inputCheck!
  }

  it('measures both distances of a phantom of a chest', async () => {
    const result = await checkFile(buildChestPhantom({ rows: 64, columns: 64, seed: 1, opacity: 0.3 }))
    for (const name of ['gray-histogram', 'embedding']) expect(findingOf(result, name).distance).toBeGreaterThan(0)
  })

  it.skipIf(!hasCorpus)('finds a radiograph of a leg and one of a hip out of scope (needs the corpus)', async () => {
    for (const [file, part] of [
      ['cr_mono1_j2kr_u10.dcm', 'EXTREMITY'],
      ['cr_jpeg12_ext.dcm', 'HIP'],
    ] as const) {
      const result = await checkFile(await readFile(corpusFile(file)))
      expect(result.verdict).toBe('out-of-scope')
      expect(findingOf(result, 'body-part')).toMatchObject({ verdict: 'out-of-scope', value: part })
    }
  })

  it.skipIf(!hasCorpus)(
    'finds a radiograph of a chest in another view unusual for that, not out of scope, and an adult so far as it knows children (needs the corpus)',
    async () => {
      const result = await checkFile(await readFile(corpusFile('cr_mono1_j2ki_u15.dcm')))
      expect(result.verdict).toBe(ofAnAdult)
      if (ofAnAdult === 'out-of-scope') expect(findingOf(result, 'embedding')).toMatchObject({ verdict: 'out-of-scope' })
      expect(findingOf(result, 'body-part')).toMatchObject({ verdict: 'in-scope', value: 'CHEST' })
      expect(findingOf(result, 'view')).toMatchObject({ verdict: 'unusual', value: 'PA' })
    },
  )
})
