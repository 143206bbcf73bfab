/** Golden networks on the webgpu backend, in a process of its own whose environment names the driver: which tensors miss their bound, as one line of JSON. */
import * as tf from '@tensorflow/tfjs'
import { ADAM_DEFAULTS, AdamW, decayOfEverything } from '../../../models/adamw.ts'
import { chooseBackend } from '../../../models/backend/choose-backend.ts'
import { forward } from '../../../models/forward.ts'
import { classificationLoss } from '../../../models/loss.ts'
import { lossAndGradients, readTensors, toVariables } from '../../../models/variables.ts'
import { excess, GOLDEN_TOLERANCE, type Golden, loadGolden } from './golden.ts'

const backend = await chooseBackend('webgpu')
const automatic = await chooseBackend(null)
await tf.setBackend('webgpu')
const networks: Record<string, object> = {}
for (const name of ['vit', 'dcmm', 'sbm-masked'] as const) networks[name] = await misses(loadGolden(name))
process.stdout.write(
  `${JSON.stringify({ running: tf.getBackend(), description: backend.description, automatic: { name: automatic.name, refused: automatic.refused }, networks })}\n`,
)
process.exit(0)

/** How many gradients and final weights were compared, and those beyond their bound with how many times over. */
async function misses(golden: Golden): Promise<object> {
  const variables = toVariables(golden.weights)
  const optimizer = new AdamW(variables, { ...ADAM_DEFAULTS, groups: decayOfEverything(golden.weightDecay) }, backend.updates)
  const compared = new Map<string, number>()
  for (let step = 0; step < 5; step++) {
    const { loss, gradients } = lossAndGradients(variables, () => lossOf(golden, variables))
    if (step === 0)
      for (const [name, gradient] of await readTensors(gradients)) compared.set(`grad.${name}`, excess(gradient, golden.expected.get(`grad.${name}`)!, GOLDEN_TOLERANCE))
    optimizer.apply(gradients, golden.learningRate)
    tf.dispose([loss, ...gradients.values()])
  }
  for (const [name, weight] of await readTensors(variables)) {
    const expected = golden.expected.get(`adamw.final.${name}`)
    if (expected) compared.set(`adamw.final.${name}`, excess(weight, expected, GOLDEN_TOLERANCE))
  }
  return { compared: compared.size, missed: Object.fromEntries([...compared].filter(([, times]) => !(times <= 1))) }
}

function lossOf({ config, input, mask, targets, labelSmoothing }: Golden, weights: ReadonlyMap<string, tf.Tensor>): tf.Scalar {
  const pixels = tf.tensor4d(input.data, input.shape as [number, number, number, number])
  const { logits, regularization } = forward(config, weights, pixels, { primitives: backend.primitives, mask })
  return tf.add(classificationLoss(logits, tf.oneHot([...targets], config.classes) as tf.Tensor2D, labelSmoothing), regularization)
}
