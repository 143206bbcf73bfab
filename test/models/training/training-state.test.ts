import { beforeAll, describe, expect, it } from 'vitest'
import { ADAM_DEFAULTS, AdamW, decayOfEverything } from '../../../models/adamw.ts'
import { chooseBackend } from '../../../models/backend/choose-backend.ts'
import { plainUpdates } from '../../../models/backend/plain-updates.ts'
import { readSafetensors, writeSafetensors } from '../../../models/safetensors.ts'
import { AT_THE_START, type Progress, restoreTrainingState, type TrainingParts, writeTrainingState } from '../../../models/training/training-state.ts'
import { readTensors, toVariables } from '../../../models/variables.ts'
import { tensorOf } from '../../../src/tensor/tensor.ts'

beforeAll(async () => {
  await chooseBackend('cpu')
})

const identity = { recipe: '{}', seed: 1, dataSha256: 'a' }

/** Two weights and their average; each value tells where it came from. */
function partsOf(values: readonly number[], shape: readonly number[] = [2]): TrainingParts {
  const of = (factor: number) =>
    toVariables(
      new Map([
        [
          'w',
          tensorOf(
            Float32Array.from(values, (value) => value * factor),
            shape,
          ),
        ],
      ]),
    )
  const weights = of(1)
  return { weights, averaged: of(10), optimizer: new AdamW(weights, { ...ADAM_DEFAULTS, groups: decayOfEverything(0) }, plainUpdates) }
}

describe('the state of a training', () => {
  const progress: Progress = { ...AT_THE_START, epoch: 2, stepInEpoch: 5, lossSum: 0.1 + 0.2, bestEpoch: 1 }

  it('comes back whole: weights, average, and sums to the last bit', async () => {
    const file = await writeTrainingState(partsOf([1, 2]), progress, identity)
    const restored = partsOf([0, 0])
    expect(restoreTrainingState(file, restored, identity)).toEqual(progress)
    expect([...((await readTensors(restored.weights)).get('w')?.data ?? [])]).toEqual([1, 2])
    expect([...((await readTensors(restored.averaged)).get('w')?.data ?? [])]).toEqual([10, 20])
  })

  it.each([
    ['of another seed', identity, { ...identity, seed: 2 }, [2]],
    ['of another data file', identity, { ...identity, dataSha256: 'b' }, [2]],
    ['of other shapes', identity, identity, [1, 2]],
  ])('%s is refused', async (_, saved, wanted, shape) => {
    const file = await writeTrainingState(partsOf([1, 2]), progress, saved)
    expect(() => restoreTrainingState(file, partsOf([0, 0], shape), wanted)).toThrow(expect.objectContaining({ code: 'checkpoint-invalid' }))
  })

  it.each([
    ['no progress', {}],
    ['a progress that is no JSON', { progress: '{' }],
    ['a progress without its epoch', { progress: '{"stepInEpoch":0}' }],
    ['no step of the optimizer', { progress: JSON.stringify(progress), optimizerStep: 'x' }],
  ])('with %s is refused before a weight changes', async (_, metadata) => {
    const { tensors } = readSafetensors(await writeTrainingState(partsOf([1, 2]), progress, identity))
    const parts = partsOf([7, 8])
    const file = writeSafetensors(tensors, { identity: JSON.stringify(identity), ...metadata })
    expect(() => restoreTrainingState(file, parts, identity)).toThrow(expect.objectContaining({ code: 'checkpoint-invalid' }))
    expect([...((await readTensors(parts.weights)).get('w')?.data ?? [])]).toEqual([7, 8])
  })
})
