/** The whole way of an explanation on images whose lesion is known: trained by this project, written as a bundle, explained as it is served. */
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildGraphs } from '../../../export/build-graphs.ts'
import { buildManifest } from '../../../export/build-manifest.ts'
import { modelFacts } from '../../../export/model-facts.ts'
import { chooseBackend } from '../../../models/backend/choose-backend.ts'
import { type Checkpoint, writeCheckpoint } from '../../../models/checkpoint.ts'
import { SPLIT_NAMES } from '../../../models/data/data-set.ts'
import { evaluateExplanations } from '../../../models/explanations/evaluate-explanations.ts'
import { explainInput } from '../../../models/explanations/explain-input.ts'
import { decodedImage } from '../../../models/explanations/marked-images.ts'
import { type Placed, placeOn } from '../../../models/explanations/measure-image.ts'
import type { Randomization } from '../../../models/explanations/randomize-model.ts'
import { bundleOfCheckpoint, type Repeatability } from '../../../models/explanations/repeat-training.ts'
import { type PlaceSummary, type Summary, summarizePlaces } from '../../../models/explanations/summarize.ts'
import { trainingRecordOf } from '../../../models/training/training-record.ts'
import type { ForwardBatch } from '../../../src/explain/forward-batch.ts'
import { occlusionMap } from '../../../src/explain/occlusion.ts'
import { toInputTensor } from '../../../src/imaging/to-input-tensor.ts'
import type { BundleFiles } from '../../../src/infer/bundle-files.ts'
import { type Bundle, openBundle } from '../../../src/infer/load-bundle.ts'
import { softmax } from '../../../src/tensor/softmax.ts'
import { tensorOf } from '../../../src/tensor/tensor.ts'
import { npyOf, zipOf } from '../support/npz.ts'
import { discRegion, PHANTOM_RECIPE, PHANTOM_SIDE, plantedLesions } from '../support/planted-lesion.ts'
import { trained, trainingJob } from '../support/trainings.ts'

const TEST_IMAGES = 80
const data = plantedLesions({ train: 640, validation: 40, test: TEST_IMAGES })
const discs = Array.from({ length: TEST_IMAGES / 2 }, (_, i) => 2 * i + 1)
const folder = mkdtempSync(join(tmpdir(), 'attending-phantom-'))
let checkpoint: Checkpoint
let files: BundleFiles
let bundle: Bundle

beforeAll(async () => {
  const backend = await chooseBackend('wasm')
  checkpoint = await trained(trainingJob(folder, 'run', { recipe: PHANTOM_RECIPE, data, seed: 0, backend }))
  files = bundleOf(checkpoint)
  bundle = await openBundle(files)
}, 120_000)
afterAll(async () => {
  await bundle.release()
  rmSync(folder, { recursive: true, force: true })
})

function bundleOf({ config, weights, metadata }: Checkpoint): BundleFiles {
  const graphs = buildGraphs(config, weights, 'function', { mode: 'expected' })
  const release = { id: 'planted-lesion-v1', version: '1.0.0', createdAt: '2026-01-01T00:00:00Z', checkpointSha256: '0'.repeat(64) }
  const manifest = buildManifest(config, graphs, modelFacts(config, trainingRecordOf({ metadata }), null, release))
  return { manifest, manifestBytes: new TextEncoder().encode(JSON.stringify(manifest)), graph: graphs.graph, tail: graphs.tail, signature: null }
}

const inputOf = (index: number) => toInputTensor(decodedImage(data, index), files.manifest.input)

/** One input a call, as the server's own batches are made of. */
const forward: ForwardBatch = async (pixels, batch) => {
  const { placement } = inputOf(1)
  const size = PHANTOM_SIDE ** 2
  const answers: number[] = []
  for (let row = 0; row < batch; row++) {
    const input = { pixels: tensorOf(pixels.slice(row * size, (row + 1) * size), [1, PHANTOM_SIDE, PHANTOM_SIDE]), placement }
    const { asTrained } = await bundle.run(input, { outputs: ['logits'], withoutStructure: false, seed: 0, samples: 0 })
    answers.push(...softmax(asTrained.logits!.data))
  }
  return Float32Array.from(answers)
}

function expectFound(places: readonly (Placed | null)[], name: string): void {
  const summary = summarizePlaces(places.filter((placed) => placed !== null))!
  expect(summary.images, name).toBe(discs.length)
  expect(summary.pointing, name).toBeGreaterThanOrEqual(0.95)
  expect(summary.massAccuracy, name).toBeGreaterThanOrEqual(3 * summary.chance)
}

describe('a planted lesion', () => {
  it('decides the class: every test image is told right, so that its maps have something to find', async () => {
    for (let index = 0; index < TEST_IMAGES; index++) {
      const { asTrained } = await bundle.run(inputOf(index), { outputs: ['logits'], withoutStructure: false, seed: 0, samples: 0 })
      const [ground = 0, disc = 0] = asTrained.logits!.data
      expect(disc > ground ? 1 : 0, `image ${index}`).toBe(data.splits.test.labels[index])
    }
  })

  it('is found by evidence, knock-out and attention: 95 % of the maps point into it, three times its share of their mass lies in it', async () => {
    const places: Record<string, (Placed | null)[]> = { evidence: [], knockout: [], attention: [] }
    for (const index of discs) {
      const { maps } = await explainInput(bundle, inputOf(index), 'disc')
      for (const [name, list] of Object.entries(places)) list.push(placeOn(maps.find((map) => map.name === name)!.grid, inputOf(index), discRegion('test', index)))
    }
    for (const [name, list] of Object.entries(places)) expectFound(list, name)
  })

  // Not by occlusion with blur: a disc that is wider than a patch shines through its own blur.
  it('is found by occlusion, the patches covered by the mean', async () => {
    const places: (Placed | null)[] = []
    for (const index of discs) {
      const { grid } = await occlusionMap(files.manifest, inputOf(index), { index: 1, name: 'disc' }, 'mean', { forward, batchSize: 8 })
      places.push(placeOn(grid, inputOf(index), discRegion('test', index)))
    }
    expectFound(places, 'occlusion')
  })

  it('is lost by a map that does not know the image: the middle points into it no more often than chance allows', async () => {
    const middle = tensorOf(
      Float32Array.from({ length: 64 }, (_, patch) => (patch === 27 ? 1 : 0)),
      [8, 8],
    )
    const { pointing } = summarizePlaces(discs.flatMap((index) => [placeOn(middle, inputOf(index), discRegion('test', index))!]))!
    expect(pointing).toBeLessThan(0.4)
  })
})

describe('npm run evaluate -- <bundle> --explanations', () => {
  const lines: string[] = []
  let report: Report

  beforeAll(async () => {
    const bytes = npzWithMasks()
    writeFileSync(join(folder, 'lesions.npz'), bytes)
    mkdirSync(join(folder, 'bundle'))
    writeFileSync(join(folder, 'bundle', 'manifest.json'), files.manifestBytes)
    writeFileSync(join(folder, 'bundle', 'model.onnx'), files.graph)
    writeFileSync(join(folder, 'bundle', 'tail.onnx'), files.tail!)
    writeFileSync(join(folder, 'again.safetensors'), writeCheckpoint(checkpoint))
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const args = [join(folder, 'bundle'), '--explanations', '--data', folder, '--allow-data', sha256, '--curves', '1', '--forget', '6', '--passes', '6']
    report = JSON.parse(await evaluateExplanations([...args, '--seeds', join(folder, 'again.safetensors')], (line) => lines.push(line)))
  }, 120_000)

  it('finds the lesions, at a threshold that validation chose, beside chance, center and prior', () => {
    expect(report.data).toMatchObject({ annotation: 'masks' })
    const { localization } = report.test.maps['evidence']!
    const { chance } = localization!
    expect(localization!.images).toBe(TEST_IMAGES / 2)
    expect(localization!.pointing).toBeGreaterThanOrEqual(0.95)
    expect(localization!.iou!).toBeGreaterThan(2 * chance)
    expect(localization!.iou!).toBeLessThanOrEqual(localization!.bestThresholdIouUpperBound)
    expect(report.validation.maps['evidence']!.localization!.iou).toBeNull()
    for (const baseline of [report.baselines!.test.center!, report.baselines!.test.prior!]) expect(baseline.pointing).toBeLessThan(0.6)
    expect(report.default).toMatchObject({ by: 'pointing, then relevance mass', beatsBaseline: true })
  })

  it('gives the test split once more without the image that training has seen too', () => {
    const { images, testWithoutThem } = report.twins
    expect(images).toBe(1)
    expect(testWithoutThem).toMatchObject({ images: TEST_IMAGES - 1, maps: { evidence: { localization: report.test.maps['evidence']!.localization } } })
  })

  it('measures occlusion and RISE on as many as were asked for, beside the prior on the same ones', () => {
    const { maps, baselines, riseMasks } = report.manyPasses!
    expect(riseMasks).toBe(500)
    expect(Object.keys(maps)).toEqual(['occlusion-mean', 'occlusion-blur', 'rise'])
    for (const name of ['occlusion-mean', 'rise']) {
      const { validation, test } = maps[name]!
      expect([validation!.images, test!.images], name).toEqual([baselines.validation.prior!.images, baselines.test.prior!.images])
      expect(validation!.iou, name).toBeNull()
      expect(test!.pointing, name).toBe(1)
      expect(test!.massAccuracy, name).toBeGreaterThan(3 * test!.chance)
    }
    expect(lines).toContain('many passes, test: 6 of 6 images')
  })

  it('measures curves on as many images as were asked for, and tells of its progress', () => {
    expect(report.test).toMatchObject({ images: TEST_IMAGES, curveImages: 1, random: { orders: 10 } })
    expect(lines).toEqual(expect.arrayContaining(['validation: 10 of 40 images', 'test: 80 of 80 images', 'forgotten weights: embedding']))
  })

  it('finds the maps changed where all weights are forgotten, and those that do not read the head unchanged by it', () => {
    const { stages } = report.randomization!
    expect(stages.map(({ stage }) => stage)).toEqual(['head', 'block 1', 'block 0', 'embedding'])
    for (const map of ['evidence', 'knockout', 'attention']) {
      expect(Math.abs(stages.at(-1)!.cascade[map]!.rank), map).toBeLessThan(0.7)
      expect(stages.at(-1)!.cascade[map]!.ssim!, map).toBeLessThan(0.7)
    }
    // What is above is not reached by a change below it, and what does not read the head is not changed by it.
    expect(stages[0]!.cascade['attention']).toEqual({ rank: 1, ssim: 1 })
    expect(stages[0]!.cascade['evidence']!.rank).toBeLessThan(0.9999)
    expect(stages[0]!.independent).toEqual(stages[0]!.cascade)
    expect(stages[1]!.independent).not.toEqual(stages[1]!.cascade)
  })

  it('finds the same training again to be the same in every map', () => {
    expect(report.seeds).toMatchObject({ models: 2, images: 6, sameClass: 1 })
    for (const [map, { rank, ssim }] of Object.entries(report.seeds!.maps)) {
      expect(rank, map).toBeCloseTo(1, 9)
      if (ssim !== null) expect(ssim, map).toBeCloseTo(1, 9)
    }
    expect(report.masks).toBeNull()
  })

  it('refuses a training of another network, and options that are no numbers', async () => {
    const other = { ...checkpoint, config: { ...checkpoint.config, layerNormEps: 1e-5 } }
    expect(() => bundleOfCheckpoint(files, writeCheckpoint(other))).toThrow(expect.objectContaining({ code: 'parameter-invalid' }))
    await expect(evaluateExplanations([join(folder, 'bundle'), '--data', folder, '--curves', 'many'], () => {})).rejects.toMatchObject({
      code: expect.stringMatching(/data-set-unknown|parameter-invalid/),
    })
    await expect(evaluateExplanations([join(folder, 'bundle')], () => {})).rejects.toMatchObject({ code: 'parameter-invalid' })
    await expect(evaluateExplanations(['a', '--data', join(folder, 'bundle')], () => {})).rejects.toMatchObject({ code: 'file-unreadable' })
  })
})

interface Report {
  readonly data: object
  readonly default: object
  readonly validation: Summary
  readonly test: Summary
  readonly twins: { readonly images: number; readonly testWithoutThem: Summary | null }
  readonly baselines: Readonly<Record<'validation' | 'test', { readonly center: PlaceSummary | null; readonly prior: PlaceSummary | null }>> | null
  readonly manyPasses: {
    readonly riseMasks: number
    readonly maps: Readonly<Record<string, { readonly validation: PlaceSummary | null; readonly test: PlaceSummary | null }>>
    readonly baselines: Readonly<Record<'validation' | 'test', { readonly prior: PlaceSummary | null }>>
  } | null
  readonly randomization: Randomization | null
  readonly seeds: Repeatability | null
  readonly masks: object | null
}

function withFirstOf(others: Uint8Array, images: Uint8Array): Uint8Array {
  return Uint8Array.from(images, (byte, i) => (i < PHANTOM_SIDE ** 2 ? (others[i] ?? 0) : byte))
}

/** The data set as a file with masks, as busi128 is one; its first test image, without a lesion, is one of the training split. */
function npzWithMasks(): Uint8Array {
  const members = SPLIT_NAMES.flatMap((split) => {
    const { count, images, labels } = data.splits[split]
    const prefix = split === 'validation' ? 'val' : split
    const masks = Buffer.concat(Array.from({ length: count }, (_, index) => discRegion(split, index).mask))
    const shape = [count, PHANTOM_SIDE, PHANTOM_SIDE]
    return [
      { name: `${prefix}_images.npy`, bytes: npyOf(shape, split === 'test' ? withFirstOf(data.splits.train.images, images) : images) },
      { name: `${prefix}_labels.npy`, bytes: npyOf([count, 1], labels) },
      { name: `${prefix}_masks.npy`, bytes: npyOf(shape, masks) },
    ]
  })
  return zipOf(members)
}
