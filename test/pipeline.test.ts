import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildChestPhantom, chestPhantomPixels } from '../src/demo/chest-phantom.ts'
import { type PerturbationMethod, slicesOf } from '../src/domain/perturbation.ts'
import type { PredictionOptions } from '../src/domain/prediction.ts'
import { type Bundle, openBundle } from '../src/infer/load-bundle.ts'
import { draw, perturb, perturbationMap, predict } from '../src/pipeline.ts'
import { loadGolden } from './models/support/golden.ts'
import { goldenBundle, withManifest } from './support/golden-bundle.ts'
import { buildGray16Png } from './support/synthetic-png.ts'

const PHANTOM = { rows: 53, columns: 41, seed: 2, opacity: 0.7 }
const dicom = buildChestPhantom(PHANTOM)
const options: PredictionOptions = { frame: 1, maps: null, explainedClass: null, seed: 0, samples: 0 }
const request = (bytes: Uint8Array, more: Partial<PredictionOptions> = {}) => ({ kind: 'predict', modelId: 'any', bytes, options: { ...options, ...more } }) as const

describe('the road with the DCMM golden network', () => {
  let bundle: Bundle
  beforeAll(async () => {
    const files = goldenBundle(loadGolden('dcmm'))
    bundle = await openBundle(withManifest(files, { ...files.manifest, input: { ...files.manifest.input, modalities: ['DX', 'CR'] } }))
  })
  afterAll(() => bundle.release())

  it('ends with classes whose probabilities sum to 1, a model hash and the four maps on the source grid', async () => {
    const { prediction } = await predict(bundle, request(dicom), 'attending 0.0.0')
    expect(prediction.explanation.classes.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 6)
    expect(prediction.model.graphSha256).toMatch(/^[0-9a-f]{64}$/)
    expect(prediction.explanation.maps.map(({ name }) => name)).toEqual(expect.arrayContaining(['communities', 'attention', 'degree', 'delta']))
    expect(prediction.display).toMatchObject({ rows: 53, columns: 41, channels: 1 })
    expect(prediction.input.placement).toMatchObject({ top: 6, left: 0, height: 41, width: 41 })
  })

  it('gives the same probabilities for a DICOM and for the 16-bit PNG of what it shows', async () => {
    const shown = Float64Array.from(chestPhantomPixels(PHANTOM), (value) => Math.round((value / 4095) * 65535))
    const [ofDicom, ofPng] = await Promise.all([dicom, buildGray16Png(shown, PHANTOM.columns)].map((bytes) => predict(bundle, request(bytes), 'attending 0.0.0')))
    const probabilities = (end: typeof ofDicom) => end!.prediction.explanation.classes.map(({ probability }) => probability)
    for (const [index, value] of probabilities(ofDicom).entries()) expect(probabilities(ofPng)[index]).toBeCloseTo(value, 5)
  })

  it('gives the same bits again after another image, and whatever maps are asked for', async () => {
    const classesOf = async (bytes: Uint8Array, maps: readonly string[] | null) => (await predict(bundle, request(bytes, { maps }), 'attending 0.0.0')).prediction.explanation
    const first = await classesOf(dicom, null)
    const other = await classesOf(buildChestPhantom({ ...PHANTOM, opacity: 0 }), null)
    const again = await classesOf(dicom, null)
    expect(again).toEqual(first)
    expect(other.classes).not.toEqual(first.classes)
    expect((await classesOf(dicom, ['attention'])).classes).toEqual(first.classes)
  })

  it('draws a map on exactly the source grid', async () => {
    const { prediction } = await predict(bundle, request(dicom), 'attending 0.0.0')
    const [map] = prediction.explanation.maps
    const { bytes, mediaType } = await draw({
      kind: 'render',
      display: prediction.display,
      placement: prediction.input.placement,
      map: map!,
      maps: prediction.explanation.maps,
      caption: {
        requestId: 'r',
        createdAt: '2026-01-01T00:00:00Z',
        modelId: 'm',
        modelVersion: '1',
        graphSha256: prediction.model.graphSha256,
        inputSha256: prediction.provenance.inputSha256,
        predictedClass: prediction.explanation.classes[0]!,
      },
      options: { format: 'png', style: 'overlay', alpha: 0.4, head: null, colormap: null, size: 'source' },
    })
    expect(mediaType).toBe('image/png')
    const header = new DataView(bytes.buffer, bytes.byteOffset)
    expect([header.getUint32(16), header.getUint32(20)]).toEqual([41, 53])
  })

  it('makes further maps of what the network saw: occlusion in slices is each patch covered by hand', async () => {
    const { manifest } = bundle
    const { prediction } = await predict(bundle, request(dicom), 'attending 0.0.0')
    const pixels = prediction.networkInput!
    const method: PerturbationMethod = { kind: 'occlusion', baseline: 'mean' }
    const order = { modelId: 'any', method, pixels, classIndex: 2, networkSeed: 0 }
    const probabilities = new Float64Array(17)
    for (const { start, count } of slicesOf(method, manifest)) probabilities.set(await perturb(bundle, { kind: 'perturb', order, start, count }), start)
    const map = perturbationMap(bundle, { kind: 'perturbation-map', order, probabilities })
    expect(map).toMatchObject({ name: 'occlusion-mean', explainedClass: 'c', role: 'causal', formula: 'occlusion-mean/1' })
    // Patches of 4 x 4 on 16 x 16; each by the road's own single run.
    const probabilityOf = async (data: Float32Array): Promise<number> => {
      const { asTrained } = await bundle.run(
        { pixels: { shape: pixels.shape, data }, placement: prediction.input.placement },
        { outputs: ['logits'], withoutStructure: false, seed: 0, samples: 0 },
      )
      const powers = [...asTrained.logits!.data].map(Math.exp)
      return powers[2]! / powers.reduce((sum, power) => sum + power, 0)
    }
    const whole = await probabilityOf(pixels.data)
    expect(whole).toBeCloseTo(prediction.explanation.classes[2]!.probability, 6)
    for (let patch = 0; patch < 16; patch++) {
      const covered = pixels.data.map((value, i) => (Math.floor(Math.floor(i / 16) / 4) * 4 + Math.floor((i % 16) / 4) === patch ? 0 : value))
      expect(Math.abs(map.grid.data[patch]! - (whole - (await probabilityOf(covered))))).toBeLessThan(1e-6)
    }
  })

  it('refuses an image of a modality that the model was not made for, and only warns where the modality says nothing', async () => {
    const tomograph = await predict(bundle, request(patched(dicom, 'DX', 'CT')), 'attending 0.0.0').catch((error) => error)
    expect(tomograph).toMatchObject({ code: 'image-out-of-scope', facts: { modality: 'CT' } })
    const { prediction } = await predict(bundle, request(patched(dicom, 'DX', 'OT')), 'attending 0.0.0')
    expect(prediction.input.warnings.map(({ code }) => code)).toContain('modality-unknown')
  })

  it('keeps identity on the side road: no answer holds a patient attribute', async () => {
    const { prediction, source } = await predict(bundle, request(dicom), 'attending 0.0.0')
    expect(source).not.toBeNull()
    const { display: _, ...answer } = prediction
    expect(JSON.stringify(answer)).not.toMatch(/PHANTOM|Phantom\^Chest|2\.25\./)
  })
})

/** The file with the value of its Modality exchanged for another of the same length. */
function patched(bytes: Uint8Array, from: string, to: string): Uint8Array {
  const at = Buffer.from(bytes).indexOf(Buffer.concat([Buffer.from([0x08, 0x00, 0x60, 0x00]), Buffer.from('CS'), Buffer.from([2, 0]), Buffer.from(from)]))
  expect(at).toBeGreaterThan(0)
  const copy = Uint8Array.from(bytes)
  copy.set(Buffer.from(to), at + 8)
  return copy
}
