/** Every tensor of test/golden, which PyTorch computed in float64 straight from the formulas, against the networks on each backend. */
import * as tf from '@tensorflow/tfjs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADAM_DEFAULTS, AdamW, decayOfEverything } from '../../models/adamw.ts'
import { plainUpdates } from '../../models/backend/plain-updates.ts'
import { type ForwardOptions, forward } from '../../models/forward.ts'
import { plainPrimitives } from '../../models/layers/plain-primitives.ts'
import type { StageTap } from '../../models/layers/stages.ts'
import { classificationLoss } from '../../models/loss.ts'
import { runNetwork } from '../../models/run-network.ts'
import { lossAndGradients, readTensors, toTfTensors, toVariables } from '../../models/variables.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'
import { excess, GOLDEN_NAMES, GOLDEN_TOLERANCE, type Golden, type GoldenName, loadGolden } from './support/golden.ts'
import { TEST_BACKENDS, useBackend } from './support/use-backend.ts'

/** The names that missed their bound, with how many times over: empty when all are met. */
function misses(actual: ReadonlyMap<string, Tensor>, expected: ReadonlyMap<string, Tensor>, prefix: string): Record<string, number> {
  const bad: Record<string, number> = {}
  for (const [name, value] of expected) {
    if (!name.startsWith(prefix)) continue
    const found = actual.get(name.slice(prefix.length))
    const times = found === undefined ? Number.NaN : excess(found, value, GOLDEN_TOLERANCE)
    if (!(times <= 1)) bad[name] = times
  }
  return bad
}

/** 64 nodes and weights of Gauss and Legendre on [0, 1], by Newton's method on the Legendre polynomial. */
function gaussLegendre(count: number): { node: number; weight: number }[] {
  return Array.from({ length: count }, (_, i) => {
    let x = Math.cos((Math.PI * (i + 0.75)) / (count + 0.5))
    let derivative = 0
    for (let step = 0; step < 100; step++) {
      let [previous, value] = [1, x]
      for (let n = 2; n <= count; n++) [previous, value] = [value, ((2 * n - 1) * x * value - (n - 1) * previous) / n]
      derivative = (count * (x * value - previous)) / (x * x - 1)
      const change = value / derivative
      x -= change
      if (Math.abs(change) < 1e-15) break
    }
    return { node: (1 + x) / 2, weight: 1 / ((1 - x * x) * derivative ** 2) }
  })
}

const pixelsOf = ({ input }: Golden): tf.Tensor4D => tf.tensor4d(input.data, input.shape as [number, number, number, number])

/** d logit[class] / d stage for each image and class, [batch, class, ...stage without batch], the stage changed by `tap` first. */
function stageGradient(golden: Golden, stage: string, tap: StageTap): tf.Tensor {
  const weights = toTfTensors(golden.weights)
  const pixels = pixelsOf(golden)
  const zero = tf.zeros([2, golden.config.heads, 17, 17])
  const byClass = Array.from({ length: golden.config.classes }, (_, index) =>
    tf.grad((added) => {
      const withAdded: StageTap = (name, value) => (name === stage ? tf.add(tap(name, value), added) : tap(name, value))
      const { logits } = forward(golden.config, weights, pixels, { primitives: plainPrimitives, mask: golden.mask, tap: withAdded })
      return tf.sum(tf.slice(logits, [0, index], [-1, 1]))
    })(zero),
  )
  return tf.stack(byClass, 1) // [batch, class, head, token, token]
}

/** The class token's row: [batch, class, head, token, token] becomes [batch, class, head, token]. */
const classTokenRow = (x: tf.Tensor): tf.Tensor => tf.squeeze(tf.slice(x, [0, 0, 0, 0, 0], [-1, -1, -1, 1, -1]), [3])

const same: StageTap = (_name, value) => value

describe.each(TEST_BACKENDS)('the networks in TF.js on %s', (backend) => {
  beforeAll(() => useBackend(backend))
  afterAll(() => tf.disposeVariables())

  it('runs on the backend that was asked for', () => {
    expect(tf.getBackend()).toBe(backend)
  })

  describe.each(GOLDEN_NAMES)('%s', (name: GoldenName) => {
    const golden = loadGolden(name)
    const options: ForwardOptions = { primitives: plainPrimitives, mask: golden.mask }
    const loss = (variables: ReadonlyMap<string, tf.Tensor>): tf.Scalar => {
      const { logits, regularization } = forward(golden.config, variables, pixelsOf(golden), options)
      const targets = tf.oneHot([...golden.targets], golden.config.classes) as tf.Tensor2D
      return tf.add(classificationLoss(logits, targets, golden.labelSmoothing), regularization)
    }

    it('meets tokens, every stage of every layer and the logits', async () => {
      const found = await runNetwork(golden.config, golden.weights, golden.input, { ...options, capture: true })
      const stages = new Map([...golden.expected].filter(([key]) => /^(tokens|logits|layer\d)/.test(key)))
      expect(stages.size).toBeGreaterThan(7)
      expect(misses(found, stages, '')).toEqual({})
    })

    it('gives the same logits where the attention is not written out for its stages', async () => {
      const found = await runNetwork(golden.config, golden.weights, golden.input, options)
      expect([...found.keys()].sort()).toEqual(['logits', 'regularization'])
      expect(excess(found.get('logits')!, golden.expected.get('logits')!, GOLDEN_TOLERANCE)).toBeLessThanOrEqual(1)
    })

    it('meets the loss and the gradient of every weight', async () => {
      const variables = toVariables(golden.weights)
      const result = lossAndGradients(variables, () => loss(variables))
      const found = await readTensors(result.gradients)
      expect([...found.keys()].sort()).toEqual([...golden.weights.keys()].sort())
      expect(misses(found, golden.expected, 'grad.')).toEqual({})
      expect(excess({ shape: [1], data: Float32Array.from(await result.loss.data()) }, golden.expected.get('loss')!, GOLDEN_TOLERANCE)).toBeLessThanOrEqual(1)
    })

    it('meets the loss curve of five AdamW steps and the weights after them', async () => {
      const variables = toVariables(golden.weights)
      const optimizer = new AdamW(variables, { ...ADAM_DEFAULTS, groups: decayOfEverything(golden.weightDecay) }, plainUpdates)
      const curve = new Float32Array(5)
      for (let step = 0; step < 5; step++) {
        const result = lossAndGradients(variables, () => loss(variables))
        curve[step] = (await result.loss.data())[0]!
        optimizer.apply(result.gradients, golden.learningRate)
        tf.dispose([result.loss, ...result.gradients.values()])
      }
      expect(excess({ shape: [5], data: curve }, golden.expected.get('adamw.loss')!, GOLDEN_TOLERANCE)).toBeLessThanOrEqual(1)
      expect(misses(await readTensors(variables), golden.expected, 'adamw.final.')).toEqual({})
    })
  })

  describe.each(['dcmm', 'dcmm-all', 'sbm-expected'] as const)('%s, explained', (name: GoldenName) => {
    const golden = loadGolden(name)
    const options: ForwardOptions = { primitives: plainPrimitives, mask: golden.mask }

    it('meets the logits without the structure, in every layer and in the last', async () => {
      const removed = await runNetwork(golden.config, golden.weights, golden.input, { ...options, structure: 'removed' })
      expect(excess(removed.get('logits')!, golden.expected.get('explain.logitsWithoutStructure')!, GOLDEN_TOLERANCE)).toBeLessThanOrEqual(1)
      expect(removed.get('regularization')!.data[0]).toBe(0)

      const last = `layer${golden.config.depth - 1}.bias`
      const tap: StageTap = (stage, value) => (stage === last ? tf.zerosLike(value) : value)
      const removedInLast = await runNetwork(golden.config, golden.weights, golden.input, { ...options, tap })
      expect(excess(removedInLast.get('logits')!, golden.expected.get('explain.logitsWithoutStructureInLastLayer')!, GOLDEN_TOLERANCE)).toBeLessThanOrEqual(1)
    })

    it('meets the gradient of each logit to the last attention, and its integral along the structure', async () => {
      const last = `layer${golden.config.depth - 1}.`
      const found = new Map<string, tf.Tensor>()
      found.set(
        'gradAttention',
        tf.tidy(() => classTokenRow(stageGradient(golden, `${last}attention`, same))),
      )
      const attribution = tf.tidy(() => {
        let bias: tf.Tensor | null = null
        const terms = gaussLegendre(64).map(({ node, weight }) =>
          tf.tidy(() => {
            const scaled: StageTap = (stage, value) => {
              if (stage !== `${last}bias`) return value
              bias ??= tf.keep(tf.clone(value))
              return tf.mul(value, node)
            }
            return tf.mul(stageGradient(golden, `${last}scores`, scaled), weight)
          }),
        )
        return classTokenRow(tf.mul(tf.addN(terms), tf.expandDims(bias!, 1)))
      })
      found.set('structureAttribution', attribution)
      const expected = new Map([...golden.expected].filter(([key]) => /explain\.(gradAttention|structureAttribution)/.test(key)))
      expect(expected.size).toBe(2)
      expect(misses(await readTensors(found), expected, 'explain.')).toEqual({})
    })
  })
})
