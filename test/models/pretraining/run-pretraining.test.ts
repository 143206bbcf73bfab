import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { chooseBackend } from '../../../models/backend/choose-backend.ts'
import { writeCheckpoint } from '../../../models/checkpoint.ts'
import type { Split } from '../../../models/data/data-set.ts'
import { initialWeights } from '../../../models/initial-weights.ts'
import { type PretrainingEvent, type PretrainingJob, runPretraining } from '../../../models/pretraining/run-pretraining.ts'
import { unlabeledImages } from '../../../models/pretraining/unlabeled-images.ts'
import { liveDcmm } from '../../../models/recipes/structures.ts'
import { weightsOfFile } from '../../../models/starting-point/given-weights.ts'
import { readStartingPoint } from '../../../models/starting-point/read-starting-point.ts'
import { openRunStore } from '../../../models/training/run-store.ts'
import { uniformAt } from '../../../src/tensor/counter-random.ts'
import { syntheticData } from '../support/synthetic-data.ts'
import { SMALL_RECIPE } from './small-recipe.ts'

/** Waves of one direction each: whoever sees a quarter of an image can say the rest. */
function waves(count: number, key: number): Split {
  const images = new Uint8Array(count * 256)
  for (let image = 0; image < count; image++) {
    const phase = 2 * Math.PI * uniformAt(key, image)
    for (let i = 0; i < 256; i++) images[image * 256 + i] = 128 + 100 * Math.sin(phase + (image % 2 === 0 ? i % 16 : Math.floor(i / 16)))
  }
  return { count, images, labels: new Uint8Array(count) }
}

const empty = syntheticData({ train: 1, validation: 1, test: 1, side: 16 })
const sets = [{ ...empty, splits: { train: waves(64, 1), validation: waves(16, 2), test: waves(1, 3) } }]
const job = async (change: Partial<PretrainingJob> = {}): Promise<PretrainingJob> => ({
  recipe: SMALL_RECIPE,
  training: unlabeledImages(sets, 'train', { side: 16, channels: 1 }),
  validation: unlabeledImages(sets, 'validation', { side: 16, channels: 1 }),
  seed: 0,
  backend: await chooseBackend('wasm'),
  store: openRunStore(mkdtempSync(join(tmpdir(), 'pretraining-'))),
  resume: false,
  report: () => {},
  shouldStop: () => false,
  ...change,
})

describe('runPretraining', () => {
  it('learns to say what is hidden, and leaves an encoder that a DCMM-ViT starts from', async () => {
    const events: PretrainingEvent[] = []
    const outcome = await runPretraining(
      await job({
        recipe: { ...SMALL_RECIPE, network: { ...SMALL_RECIPE.network, width: 32 }, hiddenShare: 0.5, epochs: 60, learningRate: 3e-3, averageDecay: 0.9 },
        report: (event) => events.push(event),
      }),
    )
    if (outcome.kind !== 'finished') return expect.fail('not finished')
    const curves = events.flatMap((event) => (event.kind === 'epoch' ? [event.curve] : []))
    expect(curves.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1))
    expect(curves[0]?.validationLoss).toBeGreaterThan(0.9)
    expect(curves.at(-1)?.validationLoss).toBeLessThan(0.85)
    const config = { ...outcome.checkpoint.config, ...liveDcmm([1]) }
    const start = readStartingPoint(weightsOfFile(writeCheckpoint(outcome.checkpoint)), config, initialWeights(config, 5), [
      '*.membership.*',
      '*.degree.*',
      '*.block_logits',
      '*.bias_scale',
    ])
    expect(start.fresh.every((name) => name.startsWith('blocks.1.attn.'))).toBe(true)
    expect(start.weights.get('blocks.0.attn.qkv.weight')).toEqual(outcome.checkpoint.weights.get('blocks.0.attn.qkv.weight'))
    expect(JSON.parse(outcome.checkpoint.metadata['pretraining'] ?? '').sources).toMatchObject([{ id: 'synthetic', images: 64, licence: 'none' }])
  })

  it('ends in the same bits when it is interrupted and resumed', async () => {
    const whole = await job()
    await runPretraining(whole)
    const folder = mkdtempSync(join(tmpdir(), 'pretraining-'))
    let steps = 0
    const store = openRunStore(folder)
    expect(await runPretraining(await job({ store, report: ({ kind }) => (kind === 'step' ? steps++ : 0), shouldStop: () => steps >= 11 }))).toEqual({
      kind: 'interrupted',
      epoch: 1,
      stepInEpoch: 3,
    })
    await runPretraining(await job({ store, resume: true }))
    expect(Buffer.from(writeCheckpoint(store.readCheckpoint('model'))).equals(Buffer.from(writeCheckpoint(whole.store.readCheckpoint('model'))))).toBe(true)
    expect(readFileSync(join(folder, 'model.safetensors')).length).toBeGreaterThan(1000)
  })

  it('stops with the step where the loss is not finite', async () => {
    await expect(runPretraining(await job({ recipe: { ...SMALL_RECIPE, learningRate: 1e30, warmupShare: 0 } }))).rejects.toMatchObject({
      code: 'output-not-finite',
      message: expect.stringContaining('step'),
    })
  })
})
