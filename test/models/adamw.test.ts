import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, it } from 'vitest'
import { ADAM_DEFAULTS, AdamW, decayOfEverything, decayOfMatrices, type ParameterGroup } from '../../models/adamw.ts'
import { plainUpdates } from '../../models/backend/plain-updates.ts'
import { initialWeights } from '../../models/initial-weights.ts'
import { readTensors, toVariables } from '../../models/variables.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'
import { smallDcmm, smallSbm } from './support/small-network.ts'
import { useBackend } from './support/use-backend.ts'

const optimizerOf = (variables: ReadonlyMap<string, tf.Variable>, groups: readonly ParameterGroup[]): AdamW => new AdamW(variables, { ...ADAM_DEFAULTS, groups }, plainUpdates)
const one = (value: number): Map<string, tf.Variable> => toVariables(new Map([['w.weight', tensorOf(Float32Array.of(value, value), [1, 2])]]))
const gradient = (...values: number[]): Map<string, tf.Tensor> => new Map([['w.weight', tf.tensor2d(values, [1, 2])]])

describe('AdamW', () => {
  beforeAll(() => useBackend('cpu'))

  it('takes a first step of the learning rate against the sign of the gradient, whatever its size', async () => {
    // Bias-corrected, m / sqrt v is g / |g| in the first step.
    const variables = one(1)
    optimizerOf(variables, decayOfEverything(0)).apply(gradient(1e-3, -500), 0.1)
    const [up, down] = (await readTensors(variables)).get('w.weight')!.data
    expect(up).toBeCloseTo(0.9, 4)
    expect(down).toBeCloseTo(1.1, 6)
  })

  it('decays apart from the gradient: by learningRate x decay of the weight', async () => {
    const variables = one(2)
    optimizerOf(variables, decayOfEverything(0.5)).apply(gradient(0, 0), 0.1)
    expect([...(await readTensors(variables)).get('w.weight')!.data]).toEqual([expect.closeTo(1.9, 6), expect.closeTo(1.9, 6)])
  })

  it('meets the algorithm in float64 over twenty steps of a changing gradient', async () => {
    const variables = one(1)
    const optimizer = optimizerOf(variables, decayOfEverything(0.02))
    let [w, m, v] = [1, 0, 0]
    for (let t = 1; t <= 20; t++) {
      const g = Math.sin(t) + 0.2 * t
      optimizer.apply(gradient(g, g), 0.01, 0.5)
      m = 0.9 * m + 0.1 * (g / 2)
      v = 0.999 * v + 0.001 * (g / 2) ** 2
      w = w * (1 - 0.01 * 0.02) - (0.01 * (m / (1 - 0.9 ** t))) / (Math.sqrt(v / (1 - 0.999 ** t)) + 1e-8)
    }
    expect((await readTensors(variables)).get('w.weight')!.data[0]).toBeCloseTo(w, 5)
    expect(optimizer.step).toBe(20)
  })

  it('decays matrices alone in its usual groups, and says which weights are where', () => {
    const groupsOf = (config: ReturnType<typeof smallDcmm>): ReadonlyMap<string, readonly string[]> =>
      optimizerOf(toVariables(initialWeights(config, 1)), decayOfMatrices(0.05)).groups()
    const dcmm = groupsOf(smallDcmm())
    expect(dcmm.get('matrices')).toEqual(
      expect.arrayContaining([
        'patch_embed.proj.weight',
        'blocks.0.attn.qkv.weight',
        'blocks.2.attn.membership.weight',
        'blocks.2.attn.degree.weight',
        'blocks.1.mlp.fc1.weight',
        'head.weight',
      ]),
    )
    expect(dcmm.get('others')).toEqual(
      expect.arrayContaining([
        'cls_token',
        'pos_embed',
        'norm.weight',
        'blocks.0.norm1.weight',
        'blocks.0.attn.qkv.bias',
        'blocks.2.attn.block_logits',
        'blocks.2.attn.bias_scale',
        'head.bias',
      ]),
    )
    expect(dcmm.get('matrices')!.some((name) => /norm|bias|cls_token|pos_embed|block_logits/.test(name))).toBe(false)
    expect(groupsOf(smallSbm()).get('others')).toContain('blocks.0.attn.cluster')
  })

  it('goes on to the same bits from a state that was saved and restored', async () => {
    const gradientAt = (t: number): Map<string, tf.Tensor> => gradient(Math.sin(t), Math.cos(3 * t))
    const straight = one(1)
    const optimizer = optimizerOf(straight, decayOfEverything(0.01))
    for (let t = 0; t < 4; t++) optimizer.apply(gradientAt(t), 0.01)
    const [saved, weights] = [await optimizer.state(), await readTensors(straight)]
    for (let t = 4; t < 9; t++) optimizer.apply(gradientAt(t), 0.01)

    const resumed = toVariables(weights)
    const again = optimizerOf(resumed, decayOfEverything(0.01))
    again.restore(saved)
    expect(again.step).toBe(4)
    for (let t = 4; t < 9; t++) again.apply(gradientAt(t), 0.01)
    expect(await readTensors(resumed)).toEqual(await readTensors(straight))
  })

  it('leaves a weight without a gradient as it is, its moments too', async () => {
    const variables = one(1)
    const optimizer = optimizerOf(variables, decayOfEverything(0.5))
    optimizer.apply(new Map(), 0.1)
    expect([...(await readTensors(variables)).get('w.weight')!.data]).toEqual([1, 1])
    expect([...(await optimizer.state()).first.get('w.weight')!.data]).toEqual([0, 0])
  })

  it('refuses a state of other weights, and weights that no group has', () => {
    const optimizer = optimizerOf(one(1), decayOfEverything(0))
    const wrong = new Map([['w.weight', tensorOf(new Float32Array(3), [1, 3])]])
    expect(() => optimizer.restore({ step: 1, first: wrong, second: wrong })).toThrow(expect.objectContaining({ code: 'checkpoint-invalid' }))
    expect(() => optimizer.restore({ step: 1, first: new Map(), second: new Map() })).toThrow(expect.objectContaining({ code: 'checkpoint-invalid' }))
    expect(() => optimizerOf(one(1), [])).toThrow(RangeError)
  })

  it('leaves no tensor behind', async () => {
    const before = tf.memory().numTensors
    const variables = one(1)
    const optimizer = optimizerOf(variables, decayOfEverything(0.1))
    const g = gradient(1, 2)
    optimizer.apply(g, 0.1)
    await optimizer.state()
    optimizer.dispose()
    tf.dispose([...variables.values(), ...g.values()])
    expect(tf.memory().numTensors).toBe(before)
  })
})
