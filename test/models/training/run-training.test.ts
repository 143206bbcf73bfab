import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChosenBackend, chooseBackend } from '../../../models/backend/choose-backend.ts'
import { writeCheckpoint } from '../../../models/checkpoint.ts'
import { AUGMENTATION_LEVEL_1 } from '../../../models/data/augment.ts'
import type { DataSet } from '../../../models/data/data-set.ts'
import { normalizationOf } from '../../../models/data/pixels.ts'
import { evaluateCheckpoint } from '../../../models/evaluate-checkpoint.ts'
import { initialWeights } from '../../../models/initial-weights.ts'
import { probabilitiesOf } from '../../../models/metrics.ts'
import type { NetworkConfig } from '../../../models/network-config.ts'
import { DCMM_VIT_PNEUMONIA, SBM_VIT_PNEUMONIA, VIT_PNEUMONIA } from '../../../models/recipes/pneumonia-28.ts'
import type { Recipe } from '../../../models/recipes/recipe.ts'
import { LIVE_SBM_PNEUMONIA } from '../../../models/recipes/tiny-28.ts'
import { weightsOfFile } from '../../../models/starting-point/given-weights.ts'
import { readStartingPoint } from '../../../models/starting-point/read-starting-point.ts'
import { networkLogits } from '../../../models/training/network-logits.ts'
import { openRunStore } from '../../../models/training/run-store.ts'
import { freshWeights, runTraining, type TrainingEvent, type TrainingJob } from '../../../models/training/run-training.ts'
import { trainingRecordOf } from '../../../models/training/training-record.ts'
import { toTfTensors } from '../../../models/variables.ts'
import { syntheticData } from '../support/synthetic-data.ts'
import { trained, trainingJob } from '../support/trainings.ts'

const small: Partial<NetworkConfig> = { imageSize: 16, width: 16, depth: 2, heads: 2, patchOverlap: 0 }
const settings = { ...VIT_PNEUMONIA.training, batchSize: 16, epochs: 2, augmentation: AUGMENTATION_LEVEL_1 }
const recipes: Readonly<Record<'vit' | 'dcmm-vit' | 'sbm-vit', Recipe>> = {
  vit: { ...VIT_PNEUMONIA, network: { ...VIT_PNEUMONIA.network, ...small }, training: settings },
  'dcmm-vit': { ...DCMM_VIT_PNEUMONIA, network: { ...DCMM_VIT_PNEUMONIA.network, ...small, structuredLayers: [1] }, training: settings },
  'sbm-vit': { ...SBM_VIT_PNEUMONIA, network: { ...SBM_VIT_PNEUMONIA.network, ...small, structuredLayers: [0, 1] }, training: settings },
}
const data = syntheticData({ train: 80, validation: 20, test: 20, side: 16 })
const folder = mkdtempSync(join(tmpdir(), 'attending-training-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let backend: ChosenBackend
beforeAll(async () => {
  backend = await chooseBackend('wasm')
})

const jobOf = (recipe: Recipe, name: string, more: Partial<TrainingJob> = {}): TrainingJob => trainingJob(folder, name, { recipe, data, seed: 7, backend, ...more })

describe.each(['vit', 'dcmm-vit', 'sbm-vit'] as const)('a training of %s', (network) => {
  it('that is interrupted within an epoch and resumed ends in the same files, byte for byte, as an unbroken one', async () => {
    const recipe = recipes[network]
    await trained(jobOf(recipe, `${network}-whole`))

    let steps = 0
    const countSteps = (event: TrainingEvent): void => {
      if (event.kind === 'step') steps += 1
    }
    const interrupted = await runTraining(jobOf(recipe, `${network}-parts`, { report: countSteps, shouldStop: () => steps === 3 }))
    expect(interrupted).toEqual({ kind: 'interrupted', epoch: 0, stepInEpoch: 3 })
    await runTraining(jobOf(recipe, `${network}-parts`, { resume: true, shouldStop: () => true })).then((outcome) => expect(outcome.kind).toBe('interrupted'))
    await trained(jobOf(recipe, `${network}-parts`, { resume: true }))

    for (const file of ['model', 'best', 'averaged', 'last', 'state']) {
      const whole = readFileSync(join(folder, `${network}-whole`, `${file}.safetensors`))
      const parts = readFileSync(join(folder, `${network}-parts`, `${file}.safetensors`))
      expect(parts.equals(whole), file).toBe(true)
    }
  })
})

describe('a training', () => {
  it('solves a small task: a DCMM-ViT finds the bright square, and the figures of its checkpoint say so', async () => {
    const recipe: Recipe = { ...recipes['dcmm-vit'], training: { ...settings, epochs: 10, learningRate: 3e-3, averageDecay: 0.8, dropPath: 0 } }
    const checkpoint = await trained(jobOf(recipe, 'solves', { data: syntheticData({ train: 160, validation: 40, test: 40, side: 16 }) }))
    const evaluation = await evaluateCheckpoint(checkpoint, syntheticData({ train: 2, validation: 40, test: 40, side: 16 }), backend)
    expect(evaluation.test.auc).toBeGreaterThan(0.95)
    expect(evaluation.test.accuracy).toBeGreaterThan(0.9)
    expect(evaluation.withoutStructure?.images).toBe(40)
    expect(evaluation.structure).toMatchObject([{ layer: 1, zeroDegreeShare: 0 }])
    const record = trainingRecordOf(checkpoint)
    expect(record).toMatchObject({ recipe: recipe.name, seed: 7, data: { id: 'synthetic', images: { train: 160, validation: 40, test: 40 } } })
    expect(record.curves).toHaveLength(10)
    expect(record.curves.at(-1)?.trainingLoss).toBeLessThan(record.curves[0]?.trainingLoss ?? 0)
  })

  it('goes on from given weights, says so in the record, and is another run than one that starts fresh', async () => {
    const given = readStartingPoint(
      weightsOfFile(writeCheckpoint({ config: recipes.vit.network, weights: initialWeights(recipes.vit.network, 99), metadata: {} })),
      recipes.vit.network,
      new Map(),
      [],
    )
    const still: Recipe = { ...recipes.vit, training: { ...settings, epochs: 1, learningRate: 0 } }
    const checkpoint = await trained(jobOf(still, 'started', { startingPoint: given }))
    expect(checkpoint.weights.get('head.weight')).toEqual(given.weights.get('head.weight'))
    expect(trainingRecordOf(checkpoint).start).toEqual({ sha256: given.sha256, fresh: [], unused: [], sources: null })
    await expect(runTraining(jobOf(still, 'started', { resume: true }))).rejects.toMatchObject({ code: 'checkpoint-invalid' })
  })

  it('starts an SBM with communities as wide as the recipe asks, and all else as ever', () => {
    const { network } = LIVE_SBM_PNEUMONIA
    const [original, wide] = [initialWeights(network, 7), freshWeights({ ...LIVE_SBM_PNEUMONIA, training: { ...LIVE_SBM_PNEUMONIA.training, initialClusterDeviation: 2 } }, 7)]
    expect([...wide].filter(([name, weight]) => weight.data.some((value, i) => value !== original.get(name)?.data[i])).map(([name]) => name)).toEqual(
      network.structuredLayers.map((layer) => `blocks.${layer}.attn.cluster`),
    )
    const { data: values } = wide.get('blocks.0.attn.cluster') ?? expect.fail('a cluster')
    expect(Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length)).toBeCloseTo(2, 0)
    expect(freshWeights(recipes['sbm-vit'], 7)).toEqual(initialWeights(recipes['sbm-vit'].network, 7))
  })

  it('keeps the averaged weights of the epoch with the lowest validation loss', async () => {
    const checkpoint = await trained(jobOf({ ...recipes.vit, training: { ...settings, epochs: 4 } }, 'selects'))
    const { curves, selectedEpoch } = trainingRecordOf(checkpoint)
    const losses = curves.map(({ validationLoss }) => validationLoss)
    expect(selectedEpoch).toBe(losses.indexOf(Math.min(...losses)) + 1)
  })

  it('answers with the frequencies of the classes where an image tells nothing, and with equal ones where the recipe adjusts the logits', async () => {
    const { train, ...others } = data.splits
    const alike = <T extends { images: Uint8Array }>(split: T): T => ({ ...split, images: split.images.map((_, i) => split.images[i % 256] ?? 0) })
    const labels = train.labels.map((_, i) => (i % 8 === 0 ? 1 : 0))
    const rare: DataSet = { ...data, splits: { ...others, train: { ...alike(train), labels }, test: alike(others.test) } }
    const settled = { ...settings, epochs: 20, augmentation: null, dropPath: 0, learningRate: 3e-3, averageDecay: 0.8, labelSmoothing: 0, selection: 'last' } as const
    const shareOfRare = async (name: string, training: Recipe['training']): Promise<number> => {
      const { weights, config } = await trained(jobOf({ ...recipes.vit, training }, name, { data: rare }))
      const normalization = normalizationOf(rare, rare.splits.train)
      const held = toTfTensors(weights)
      const probabilities = probabilitiesOf(await networkLogits(config, held, { data: rare, split: 'test', normalization }, backend))
      tf.dispose([...held.values()])
      const { count } = rare.splits.test
      return Array.from({ length: count }, (_, i) => probabilities.data[2 * i + 1] ?? 0).reduce((sum, share) => sum + share / count, 0)
    }
    expect(await shareOfRare('as-frequent', settled)).toBeCloseTo(1 / 8, 1)
    expect(await shareOfRare('balanced', { ...settled, logitAdjustment: 1 })).toBeCloseTo(1 / 2, 1)
  })

  it('leaves no tensor behind', async () => {
    await trained(jobOf(recipes['dcmm-vit'], 'leaks-first'))
    const before = tf.memory().numTensors
    await trained(jobOf(recipes['dcmm-vit'], 'leaks-second'))
    expect(tf.memory().numTensors).toBe(before)
  })

  it('stops at a loss that is not finite, naming the step, and leaves the last saved state as it was', async () => {
    const store = openRunStore(join(folder, 'diverges'))
    const wild: Recipe = { ...recipes.vit, training: { ...settings, learningRate: 1e30, gradientClip: 1e30, warmupShare: 0 } }
    await expect(runTraining(jobOf(wild, 'diverges', { store }))).rejects.toMatchObject({
      code: 'output-not-finite',
      message: expect.stringMatching(/step \d+ \(batch \d+ of epoch \d+\)/),
    })
    expect(store.hasState()).toBe(false)
  })

  it.each<[string, Partial<DataSet>]>([
    ['another size', { height: 8, width: 8 }],
    ['color', { channels: 3 }],
    ['more classes', { facts: { ...data.facts, classes: ['a', 'b', 'c'] } }],
  ])('refuses data of %s before it starts', async (_, change) => {
    await expect(runTraining(jobOf(recipes.vit, 'refused', { data: { ...data, ...change } }))).rejects.toMatchObject({ code: 'shape-mismatch' })
  })

  it('refuses to go on with the state of another seed, or with none', async () => {
    await runTraining(jobOf(recipes.vit, 'other-seed', { shouldStop: () => true }))
    await expect(runTraining(jobOf(recipes.vit, 'other-seed', { resume: true, seed: 8 }))).rejects.toMatchObject({ code: 'checkpoint-invalid' })
    await expect(runTraining(jobOf(recipes.vit, 'nothing-there', { resume: true }))).rejects.toMatchObject({ code: 'checkpoint-invalid' })
  })
})
