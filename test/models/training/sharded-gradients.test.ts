import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChosenBackend, chooseBackend } from '../../../models/backend/choose-backend.ts'
import { AUGMENTATION_LEVEL_1 } from '../../../models/data/augment.ts'
import { normalizationOf } from '../../../models/data/pixels.ts'
import { initialWeights } from '../../../models/initial-weights.ts'
import type { NetworkConfig } from '../../../models/network-config.ts'
import { DCMM_VIT_PNEUMONIA, SBM_VIT_PNEUMONIA, VIT_PNEUMONIA } from '../../../models/recipes/pneumonia-28.ts'
import type { Recipe } from '../../../models/recipes/recipe.ts'
import { type GradientSetting, type StepGradients, wholeGradients } from '../../../models/training/gradient-source.ts'
import { runTraining, type TrainingJob, type TrainingOutcome } from '../../../models/training/run-training.ts'
import { PARTS, partOf, shardedGradients } from '../../../models/training/sharded-gradients.ts'
import { toVariables } from '../../../models/variables.ts'
import { syntheticData } from '../support/synthetic-data.ts'
import { trainingJob } from '../support/trainings.ts'

const small: Partial<NetworkConfig> = { imageSize: 16, width: 16, depth: 2, heads: 2, patchOverlap: 0 }
const training = { ...VIT_PNEUMONIA.training, batchSize: 10, epochs: 2, augmentation: AUGMENTATION_LEVEL_1, dropPath: 0.4 }
const recipeOf = (recipe: Recipe, structuredLayers: readonly number[]): Recipe => ({ ...recipe, network: { ...recipe.network, ...small, structuredLayers }, training })
const dcmmOptions = DCMM_VIT_PNEUMONIA.network.dcmm
const recipes: Readonly<Record<string, Recipe>> = {
  vit: recipeOf(VIT_PNEUMONIA, []),
  // The released entropy weight: its term must be shared out among the parts too.
  'dcmm-vit': recipeOf({ ...DCMM_VIT_PNEUMONIA, network: { ...DCMM_VIT_PNEUMONIA.network, dcmm: dcmmOptions && { ...dcmmOptions, entropyWeight: 0.1 } } }, [1]),
  'dcmm-vit with masks': { ...recipeOf(DCMM_VIT_PNEUMONIA, [0, 1]), training: { ...training, maskSupervision: { name: 'square', community: 1, layers: [0, 1], weight: 2 } } },
  // A density term that weighs something, and a clip that is met.
  'sbm-vit': recipeOf(
    {
      ...SBM_VIT_PNEUMONIA,
      network: { ...SBM_VIT_PNEUMONIA.network, sbm: SBM_VIT_PNEUMONIA.network.sbm && { ...SBM_VIT_PNEUMONIA.network.sbm, densityWeight: 0.5, straightThroughClip: 1e-4 } },
    },
    [0, 1],
  ),
}
const data = syntheticData({ train: 43, validation: 12, test: 4, side: 16 })
const folder = mkdtempSync(join(tmpdir(), 'attending-workers-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let backend: ChosenBackend
beforeAll(async () => {
  backend = await chooseBackend('wasm')
})

const settingOf = (recipe: Recipe): GradientSetting => ({ recipe, data, seed: 5, normalization: normalizationOf(data, data.splits.train), backend })

async function valuesOf({ gradients }: StepGradients): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>()
  for (const [name, gradient] of gradients) values.set(name, Float32Array.from(await gradient.data()))
  tf.dispose([...gradients.values()])
  return values
}

describe('partOf', () => {
  it('cuts every batch into parts that meet', () => {
    for (const count of [1, 3, 10, 64]) {
      const parts = Array.from({ length: PARTS }, (_, i) => partOf(i, count))
      expect(parts[0]?.first).toBe(0)
      expect(parts.at(-1)?.end).toBe(count)
      for (let i = 1; i < PARTS; i++) expect(parts[i]?.first).toBe(parts[i - 1]?.end)
    }
  })
})

describe.each(Object.keys(recipes))('gradients of %s in parts', (network) => {
  it('sum to those of the whole batch but for rounding: 1e-5 of the largest of each weight, plus 1e-7', async () => {
    const setting = settingOf(recipes[network]!)
    const weights = toVariables(initialWeights(setting.recipe.network, 3))
    const place = { epoch: 1, stepInEpoch: 2 }
    const whole = await wholeGradients(setting, weights).gradientsAt(place)
    const source = await shardedGradients(setting, weights, 1)
    const parts = await source.gradientsAt(place)
    expect(Math.abs(parts.loss - whole.loss)).toBeLessThan(1e-5)
    const [expected, found] = [await valuesOf(whole), await valuesOf(parts)]
    expect([...found.keys()]).toEqual([...expected.keys()])
    for (const [name, values] of expected) {
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      const worst = values.reduce((most, value, i) => Math.max(most, Math.abs(value - found.get(name)![i]!)), 0)
      expect(worst, name).toBeLessThanOrEqual(1e-5 * largest + 1e-7)
    }
    tf.dispose([...weights.values()])
  })
})

describe('a training on threads', () => {
  const jobOf = (name: string, workers: number, more: Partial<TrainingJob> = {}): TrainingJob =>
    trainingJob(folder, name, { recipe: recipes['sbm-vit']!, data, seed: 7, backend, workers, ...more })
  const kindOf = async (outcome: Promise<TrainingOutcome>): Promise<string> => (await outcome).kind

  it('ends in the same files, byte for byte, on one thread, on two, and where it is broken off on two and resumed on three', async () => {
    expect(await kindOf(runTraining(jobOf('one', 1)))).toBe('finished')
    const before = tf.memory().numTensors
    expect(await kindOf(runTraining(jobOf('two', 2)))).toBe('finished')
    expect(tf.memory().numTensors).toBe(before)
    expect(await kindOf(runTraining(jobOf('parts', 2, { shouldStop: () => true })))).toBe('interrupted')
    expect(await kindOf(runTraining(jobOf('parts', 3, { resume: true })))).toBe('finished')
    for (const file of ['model', 'last', 'state']) {
      const expected = readFileSync(join(folder, 'one', `${file}.safetensors`))
      for (const name of ['two', 'parts']) expect(readFileSync(join(folder, name, `${file}.safetensors`)).equals(expected), `${name} ${file}`).toBe(true)
    }
  })

  it('is another run than one that does not cut its batches', async () => {
    const { workers: _, ...whole } = jobOf('one', 1, { resume: true })
    await expect(runTraining(whole)).rejects.toMatchObject({ code: 'checkpoint-invalid' })
  })

  it('fails with the reason of a thread that cannot work', async () => {
    const setting = settingOf(recipes['sbm-vit']!)
    const weights = toVariables(initialWeights(setting.recipe.network, 3)) // of two layers, where the threads are told of three
    const one = syntheticData({ train: 1, validation: 1, test: 1, side: 16 }) // its one image is the last part, which is the second thread's
    const recipe = { ...setting.recipe, network: { ...setting.recipe.network, depth: 3 } }
    const source = await shardedGradients({ ...setting, recipe, data: one }, weights, 2)
    await expect(source.gradientsAt({ epoch: 0, stepInEpoch: 0 })).rejects.toMatchObject({ code: 'internal', message: expect.stringMatching(/thread failed: .*blocks\.2/) })
    await source.close()
    tf.dispose([...weights.values()])
  })

  it.each([0, 5, 1.5])('refuses %d workers', async (workers) => {
    await expect(runTraining(jobOf('refused', workers))).rejects.toMatchObject({ code: 'parameter-invalid' })
  })

  it('refuses more than one worker on a backend that has threads of its own', async () => {
    await expect(runTraining(jobOf('refused', 2, { backend: { ...backend, name: 'tfjs-node' } }))).rejects.toMatchObject({ code: 'parameter-invalid' })
  })
})
