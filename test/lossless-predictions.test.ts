/** The same picture in every lossless syntax: the same prediction of each released model, every number and map, bit for bit. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chestPhantomPixels } from '../src/demo/chest-phantom.ts'
import { readBundleFiles } from '../src/infer/bundle-files.ts'
import { type Bundle, openBundle } from '../src/infer/load-bundle.ts'
import { predict } from '../src/pipeline.ts'
import { readCorpusBytes } from './imaging/corpus.ts'
import { hasCorpus } from './support/corpus.ts'
import { withManifest } from './support/golden-bundle.ts'
import { buildTwin, LOSSLESS, type Picture } from './support/lossless-twins.ts'

const ROWS = 173
const COLUMNS = 211
const chest: Picture = {
  rows: ROWS,
  columns: COLUMNS,
  bitsStored: 12,
  isSigned: false,
  samplesPerPixel: 1,
  values: Array.from(chestPhantomPixels({ rows: ROWS, columns: COLUMNS, seed: 5, opacity: 0.6 })),
  modality: 'DX',
}

describe.each(['dcmm-vit-tiny-patch4-28.pneumonia-v1', 'sbm-vit-tiny-patch4-28.pneumonia-v1'])('%s', (id) => {
  let bundle: Bundle
  beforeAll(async () => {
    const files = await readBundleFiles(`models/released/${id}`)
    // the corpus' twins are tomographs: what is asked here is whether they are read alike, not whether the model was made for them
    bundle = await openBundle(withManifest(files, { ...files.manifest, input: { ...files.manifest.input, modalities: [] } }))
  })
  afterAll(() => bundle.release())

  const explanationOf = async (bytes: Uint8Array) => {
    const options = { frame: 1, maps: null, explainedClass: null, seed: 0, samples: 0 }
    const { prediction } = await predict(bundle, { kind: 'predict', modelId: id, bytes, options }, 'attending 0.0.0')
    return prediction.explanation
  }

  it('answers the same to a chest in all eleven lossless syntaxes', async () => {
    expect(LOSSLESS).toHaveLength(11)
    const answers = await Promise.all(LOSSLESS.map(async ({ uid }) => explanationOf(await buildTwin(chest, uid))))
    const other = await explanationOf(await buildTwin({ ...chest, values: chest.values.map((value) => 4095 - value) }, LOSSLESS[0]?.uid ?? ''))
    expect(answers[0]?.maps.length).toBeGreaterThanOrEqual(4)
    for (const answer of answers) expect(answer).toEqual(answers[0])
    expect(other).not.toEqual(answers[0])
  })

  it
    .skipIf(!hasCorpus)
    .each([
      [['mr_small_evle', 'mr_small_ivle', 'mr_small_evbe', 'mr_small_rle', 'mr_small_j2kr', 'mr_small_jls']],
      [['ct1_evle', 'ct1_evbe', 'ct1_rle', 'ct1_jpll', 'ct1_jls_fragments_bot', 'ct1_j2kr', 'derived/ct1_htj2k_lossless_s16']],
    ])('answers the same to the twins %j (needs the corpus)', async (names) => {
    const answers = await Promise.all(names.map((name) => explanationOf(readCorpusBytes(`${name}.dcm`))))
    for (const answer of answers) expect(answer).toEqual(answers[0])
  })
})
