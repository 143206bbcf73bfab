/** Memberships trained towards masks: the gradient, a small training that finds a disc, and what is refused. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChosenBackend, chooseBackend } from '../../../models/backend/choose-backend.ts'
import type { Checkpoint } from '../../../models/checkpoint.ts'
import type { DataSet } from '../../../models/data/data-set.ts'
import { normalizationOf } from '../../../models/data/pixels.ts'
import { plainPrimitives } from '../../../models/layers/plain-primitives.ts'
import type { Primitives } from '../../../models/layers/primitives.ts'
import { VIT_PNEUMONIA } from '../../../models/recipes/pneumonia-28.ts'
import type { MaskSupervision, Recipe } from '../../../models/recipes/recipe.ts'
import { LESION_RECIPES } from '../../../models/recipes/supervised-128.ts'
import { batchLoss, supervisionLoss } from '../../../models/training/batch-loss.ts'
import { markedImages, measureMasks, placesOf } from '../../../models/training/mask-figures.ts'
import { freshWeights, runTraining, type TrainingJob } from '../../../models/training/run-training.ts'
import { type EpochRecord, trainingRecordOf } from '../../../models/training/training-record.ts'
import { lossAndGradients, toTfTensors, toVariables } from '../../../models/variables.ts'
import { uniformAt } from '../../../src/tensor/counter-random.ts'
import { PHANTOM_RECIPE, PHANTOM_SIDE, plantedLesions } from '../support/planted-lesion.ts'
import { loudWeights, smallDcmm, smallPixels } from '../support/small-network.ts'
import { trained, trainingJob } from '../support/trainings.ts'

const DISC: MaskSupervision = { name: 'disc', community: 0, layers: [1], weight: 1 }
const supervised: Recipe = { ...PHANTOM_RECIPE, training: { ...PHANTOM_RECIPE.training, epochs: 4, maskSupervision: DISC } }
const unsupervised: Recipe = { ...PHANTOM_RECIPE, training: { ...PHANTOM_RECIPE.training, epochs: 4 } }
const data = plantedLesions({ train: 480, validation: 80, test: 2 })
/** Enough for what does not depend on how much is learned. */
const few = plantedLesions({ train: 64, validation: 20, test: 2 })
const folder = mkdtempSync(join(tmpdir(), 'attending-masks-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let backend: ChosenBackend
beforeAll(async () => {
  backend = await chooseBackend('wasm')
})

const jobOf = (recipe: Recipe, name: string, more: Partial<TrainingJob> = {}): TrainingJob => trainingJob(folder, name, { recipe, data, seed: 0, backend, ...more })

const selected = (checkpoint: Checkpoint): EpochRecord => {
  const { curves, selectedEpoch } = trainingRecordOf(checkpoint)
  return curves.find(({ epoch }) => epoch === selectedEpoch)!
}

describe('the gradient of a loss with masks', () => {
  const network = smallDcmm({ entropyWeight: 0.01 }, { structuredLayers: [1, 2], channels: 1 })
  const recipe: Recipe = {
    ...VIT_PNEUMONIA,
    network,
    training: { ...VIT_PNEUMONIA.training, dropPath: 0, maskSupervision: { name: 'x', community: 3, layers: [1, 2], weight: 5 } },
  }
  const batch = { count: 2, pixels: smallPixels(network, 2).data, labels: Uint8Array.of(0, 2) }
  const shares = Float32Array.from({ length: 2 * 9 }, (_, i) => (i < 9 ? uniformAt(4, i) : 0))
  const lossOf = (weights: ReadonlyMap<string, tf.Tensor>, primitives: Primitives): tf.Scalar =>
    batchLoss({ recipe, data: { channels: 1, height: 12, width: 12 }, seed: 0, primitives, step: 0, first: 0, total: 2 }, weights, batch, shares)

  it.each(['blocks.2.attn.membership.weight', 'blocks.1.attn.qkv.weight', 'blocks.0.mlp.fc1.weight', 'patch_embed.proj.weight'])(
    'is what a small step along it changes, to 2 %, through the fused kernels and the plain operations alike: %s',
    async (name) => {
      const start = loudWeights(network)
      for (const primitives of [backend.primitives, plainPrimitives]) {
        const variables = toVariables(start)
        const { loss, gradients } = lossAndGradients(variables, () => lossOf(variables, primitives))
        const gradient = await gradients.get(name)!.data()
        const length = Math.hypot(...gradient)
        const { shape, data: values } = start.get(name)!
        // Along the gradient itself the loss changes by its length a step.
        const at = async (step: number): Promise<number> => {
          const moved = toTfTensors(new Map([...start, [name, { shape, data: values.map((value, i) => value + (step * gradient[i]!) / length) }]]))
          const [value = Number.NaN] = await tf.tidy(() => lossOf(moved, primitives)).data()
          tf.dispose([...moved.values()])
          return value
        }
        const step = 0.02
        expect((await at(step)) - (await at(-step))).toBeGreaterThan(0.98 * 2 * step * length)
        expect((await at(step)) - (await at(-step))).toBeLessThan(1.02 * 2 * step * length)
        tf.dispose([loss, ...gradients.values(), ...variables.values()])
      }
    },
  )

  it('without masks is that of the classification alone: the masks add their weighted mean over layers', async () => {
    const weights = toTfTensors(loudWeights(network))
    const request = { recipe, data: { channels: 1, height: 12, width: 12 } as const, seed: 0, primitives: plainPrimitives, step: 0, first: 0, total: 2 }
    const [plain = Number.NaN] = await tf.tidy(() => batchLoss(request, weights, batch)).data()
    const [whole = Number.NaN] = await tf.tidy(() => batchLoss(request, weights, batch, shares)).data()
    const only = async (layers: readonly number[]): Promise<number> => {
      const of: Recipe = { ...recipe, training: { ...recipe.training, maskSupervision: { name: 'x', community: 3, layers, weight: 5 } } }
      return (await tf.tidy(() => batchLoss({ ...request, recipe: of }, weights, batch, shares)).data())[0]! - plain
    }
    expect(whole - plain).toBeCloseTo(((await only([1])) + (await only([2]))) / 2, 4)
    expect(whole - plain).toBeGreaterThan(1)
  })

  it('names a layer without memberships', () => {
    expect(() => supervisionLoss(new Map(), tf.zeros([1, 9]), DISC)).toThrow('layer 1 has no memberships')
  })
})

describe('a training towards masks', () => {
  it('finds the discs of images that it has not seen with the supervised community, which one without masks does not', async () => {
    const checkpoint = await trained(jobOf(supervised, 'with'))
    const found = selected(checkpoint).masks!
    expect(found.pointing).toBeGreaterThan(0.95)
    expect(found.iou).toBeGreaterThan(0.5)

    const other = toTfTensors((await trained(jobOf(unsupervised, 'without'))).weights)
    const request = { data, split: 'validation', normalization: normalizationOf(data, data.splits.train) } as const
    const unfound = await measureMasks(PHANTOM_RECIPE.network, other, request, DISC, backend.primitives)
    tf.dispose([...other.values()])
    expect(unfound.iou).toBeLessThan(0.2)
    expect(unfound.loss).toBeGreaterThan(2 * found.loss)

    const record = trainingRecordOf(checkpoint)
    expect(record.settings.maskSupervision).toEqual(DISC)
    expect(record.masks).toEqual({ images: 480, marked: 240 })
    expect(selected(checkpoint).validationAuc).toBeGreaterThan(0.95)
  }, 120_000)

  it('selects the epoch by classification and masks together, and one without masks says nothing of any', async () => {
    const { curves } = trainingRecordOf(await trained(jobOf({ ...supervised, training: { ...supervised.training, epochs: 1 } }, 'selects', { data: few })))
    const heavy = { ...supervised, training: { ...supervised.training, epochs: 1, learningRate: 0, maskSupervision: { ...DISC, weight: 3 } } }
    const light = { ...supervised, training: { ...supervised.training, epochs: 1, learningRate: 0 } }
    const [three, one] = [selected(await trained(jobOf(heavy, 'heavy', { data: few }))), selected(await trained(jobOf(light, 'light', { data: few })))]
    expect(three.masks).toEqual(one.masks)
    expect(three.validationLoss - one.validationLoss).toBeCloseTo(2 * one.masks!.loss, 5)
    expect(curves[0]).toHaveProperty('masks')
    const bare = trainingRecordOf(await trained(jobOf({ ...unsupervised, training: { ...unsupervised.training, epochs: 1, learningRate: 0 } }, 'bare', { data: few })))
    expect([bare, bare.curves[0]].map((object) => Object.hasOwn(object!, 'masks'))).toEqual([false, false])
  })

  it('leaves no tensor behind', async () => {
    const short = { ...supervised, training: { ...supervised.training, epochs: 1 } }
    await trained(jobOf(short, 'leaks-first', { data: few }))
    const before = tf.memory().numTensors
    await trained(jobOf(short, 'leaks-second', { data: few }))
    expect(tf.memory().numTensors).toBe(before)
  })

  const withoutMasks = (split: 'train' | 'validation'): DataSet => {
    const { masks: _, ...bare } = data.splits[split]
    return { ...data, splits: { ...data.splits, [split]: bare } }
  }

  it.each(['train', 'validation'] as const)('refuses data whose %s split has no masks, by name and before it starts', async (split) => {
    await expect(runTraining(jobOf(supervised, 'refused', { data: withoutMasks(split) }))).rejects.toMatchObject({
      code: 'parameter-invalid',
      message: expect.stringContaining(`the ${split} split of the data has none`),
      facts: { parameter: 'data' },
    })
  })

  it.each<[string, Partial<MaskSupervision>]>([
    ['a layer without structure', { layers: [0] }],
    ['no layer', { layers: [] }],
    ['a community that does not exist', { community: 12 }],
    ['a negative community', { community: -1 }],
  ])('refuses %s', async (_, change) => {
    const recipe = { ...supervised, training: { ...supervised.training, maskSupervision: { ...DISC, ...change } } }
    await expect(runTraining(jobOf(recipe, 'refused'))).rejects.toMatchObject({ code: 'parameter-invalid', facts: { parameter: 'recipe' } })
  })

  it('counts the images in which something is marked', () => {
    expect(markedImages(plantedLesions({ train: 9, validation: 1, test: 1 }))).toEqual({ images: 9, marked: 4 })
  })
})

describe('placesOf', () => {
  // Patches of 4 pixels on 8 x 8; the mask covers the upper left patch and half of the upper right one, away from its middle pixel at (2, 6).
  const config = { ...PHANTOM_RECIPE.network, imageSize: 8, patchSize: 4 }
  const mask = Uint8Array.from({ length: 64 }, (_, i) => (i < 32 && i % 8 < 6 ? 1 : 0))
  const shares = Float32Array.of(1, 0.5, 0, 0)

  it.each<[string, readonly number[], number, number]>([
    ['the marked patch alone', [0.9, 0.1, 0.1, 0.1], 1, 1 / 1.5],
    ['both', [0.7, 0.6, 0, 0], 1, 1.5 / 2],
    ['the half-marked patch most, whose middle is outside', [0.6, 0.9, 0, 0], 0, 1.5 / 2],
    ['what is not marked', [0, 0, 0.5, 0.6], 0, 0],
    ['nothing from one half on', [0.4, 0.3, 0.3, 0.3], 1, 0],
  ])('meets pointing and overlap worked out by hand: %s', (_, claimed, pointing, iou) => {
    const found = placesOf(Float32Array.from(claimed), shares, mask, config)
    expect(found.pointing).toBe(pointing)
    expect(found.iou).toBeCloseTo(iou, 6)
  })

  it('leaves images without a mark out', () => {
    const two = placesOf(Float32Array.of(0.9, 0, 0, 0, 1, 1, 1, 1), Float32Array.of(...shares, 0, 0, 0, 0), Uint8Array.of(...mask, ...new Uint8Array(64)), config)
    expect(two).toEqual({ pointing: 1, iou: 1 / 1.5 })
  })
})

describe('the lesion recipes', () => {
  it.each(LESION_RECIPES.map((recipe) => [recipe.name, recipe] as const))(
    '%s supervises a community that its network has, in its name and title',
    (name, { title, network, training }) => {
      expect(name).toMatch(/-lesion/)
      expect(title).toContain('supervised with lesion masks')
      const { community = Number.NaN, layers = [] } = training.maskSupervision ?? {}
      expect(network.dcmm?.communities).toBeGreaterThan(community)
      for (const layer of layers) expect(network.structuredLayers).toContain(layer)
      expect(freshWeights({ ...LESION_RECIPES[0]!, network, training }, 0).has(`blocks.${layers.at(-1)}.attn.membership.weight`)).toBe(true)
    },
  )
})

it('draws the phantom with masks of its discs: as large as PHANTOM_SIDE asks', () => {
  const { masks, images } = data.splits.train
  expect(masks).toHaveLength(images.length)
  expect(masks!.length % PHANTOM_SIDE ** 2).toBe(0)
})
