/** The golden tensors, which PyTorch computed in float64, against the networks on the fused kernels and the in-place AdamW. */
import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, it } from 'vitest'
import { ADAM_DEFAULTS, AdamW, decayOfEverything } from '../../../models/adamw.ts'
import { type ChosenBackend, chooseBackend } from '../../../models/backend/choose-backend.ts'
import { forward } from '../../../models/forward.ts'
import { classificationLoss } from '../../../models/loss.ts'
import { lossAndGradients, readTensors, toVariables } from '../../../models/variables.ts'
import { excess, GOLDEN_NAMES, GOLDEN_TOLERANCE, loadGolden } from '../support/golden.ts'

let backend: ChosenBackend
beforeAll(async () => {
  backend = await chooseBackend('wasm')
})

describe.each(GOLDEN_NAMES)('%s on the fused kernels', (name) => {
  const golden = loadGolden(name)
  const loss = (weights: ReadonlyMap<string, tf.Tensor>): tf.Scalar => {
    const pixels = tf.tensor4d(golden.input.data, golden.input.shape as [number, number, number, number])
    const { logits, regularization } = forward(golden.config, weights, pixels, { primitives: backend.primitives, mask: golden.mask })
    return tf.add(classificationLoss(logits, tf.oneHot([...golden.targets], golden.config.classes) as tf.Tensor2D, golden.labelSmoothing), regularization)
  }

  it('meets the gradient of every weight', async () => {
    const variables = toVariables(golden.weights)
    const { gradients } = lossAndGradients(variables, () => loss(variables))
    const found = await readTensors(gradients)
    expect([...found.keys()].sort()).toEqual([...golden.weights.keys()].sort())
    for (const [weight, gradient] of found) expect(excess(gradient, golden.expected.get(`grad.${weight}`)!, GOLDEN_TOLERANCE), weight).toBeLessThanOrEqual(1)
  })

  it('meets the loss curve of five AdamW steps and the weights after them', async () => {
    const variables = toVariables(golden.weights)
    const optimizer = new AdamW(variables, { ...ADAM_DEFAULTS, groups: decayOfEverything(golden.weightDecay) }, backend.updates)
    const curve = new Float32Array(5)
    for (let step = 0; step < 5; step++) {
      const result = lossAndGradients(variables, () => loss(variables))
      curve[step] = (await result.loss.data())[0]!
      optimizer.apply(result.gradients, golden.learningRate)
      tf.dispose([result.loss, ...result.gradients.values()])
    }
    expect(excess({ shape: [5], data: curve }, golden.expected.get('adamw.loss')!, GOLDEN_TOLERANCE)).toBeLessThanOrEqual(1)
    const finals = [...golden.expected].filter(([key]) => key.startsWith('adamw.final.'))
    expect(finals.length).toBeGreaterThan(0)
    const weights = await readTensors(variables)
    for (const [key, expected] of finals) expect(excess(weights.get(key.slice('adamw.final.'.length))!, expected, GOLDEN_TOLERANCE), key).toBeLessThanOrEqual(1)
  })
})
