/** One process of the training bench: what to run as JSON in, then a step for every line of input, its milliseconds out. */
import * as tf from '@tensorflow/tfjs'
import { ADAM_DEFAULTS, AdamW, decayOfMatrices } from '../../../models/adamw.ts'
import { type BackendName, chooseBackend } from '../../../models/backend/choose-backend.ts'
import { initialWeights } from '../../../models/initial-weights.ts'
import type { NetworkConfig } from '../../../models/network-config.ts'
import { VIT_PNEUMONIA } from '../../../models/recipes/pneumonia-28.ts'
import { type GradientSetting, type GradientSource, wholeGradients } from '../../../models/training/gradient-source.ts'
import { shardedGradients } from '../../../models/training/sharded-gradients.ts'
import { toVariables } from '../../../models/variables.ts'
import { syntheticData } from '../../models/support/synthetic-data.ts'
import { answerTurns } from './turns.ts'

/** What the bench sends. */
export interface StepSetting {
  readonly network: NetworkConfig
  readonly batch: number
  /** null is PyTorch, which reads the same setting in torch_step.py. */
  readonly backend: BackendName | null
  readonly workers: number
}

const setting = JSON.parse(process.argv[2] ?? '') as StepSetting & { readonly backend: BackendName }

await answerTurns(prepareStep)

/** Forward, backward, the norm of all gradients and AdamW, as in a training; no augmentation. Says how many numbers all weights have. */
async function prepareStep(): ReturnType<Parameters<typeof answerTurns>[0]> {
  const { network, batch, workers } = setting
  const backend = await chooseBackend(setting.backend)
  const weights = toVariables(initialWeights(network, 0))
  const optimizer = new AdamW(weights, { ...ADAM_DEFAULTS, groups: decayOfMatrices(0.05) }, backend.updates)
  const data = syntheticData({ train: batch, validation: 1, test: 1, side: network.imageSize })
  const training = { ...VIT_PNEUMONIA.training, batchSize: batch, augmentation: null, dropPath: 0 }
  const of: GradientSetting = { recipe: { ...VIT_PNEUMONIA, network, training }, data, seed: 0, normalization: { mean: [0.5], deviation: [0.25] }, backend }
  const source: GradientSource = workers === 1 ? wholeGradients(of, weights) : await shardedGradients(of, weights, workers)
  let epoch = 0
  const size = [...weights.values()].reduce((sum, weight) => sum + weight.size, 0)
  const turn = async (): Promise<number> => {
    const start = performance.now()
    const { gradients } = await source.gradientsAt({ epoch: epoch++, stepInEpoch: 0 })
    const norm = await backend.updates.globalNorm([...gradients.values()])
    optimizer.apply(gradients, 1e-4, Math.min(1, 1 / norm))
    tf.dispose([...gradients.values()])
    const [last] = [...weights.values()].slice(-1)
    await last?.data() // a backend that works later has worked by now
    return performance.now() - start
  }
  return { said: String(size), turn }
}
