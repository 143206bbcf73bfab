import { describe, expect, it } from 'vitest'
import { modelFacts } from '../../export/model-facts.ts'
import type { NetworkConfig } from '../../models/network-config.ts'
import { DCMM_VIT_PNEUMONIA } from '../../models/recipes/pneumonia-28.ts'
import type { StructureDiagnostics } from '../../models/training/structure-diagnostics.ts'
import type { TrainingRecord } from '../../models/training/training-record.ts'
import { smallSbm } from '../models/support/small-network.ts'

const { network } = DCMM_VIT_PNEUMONIA
const record = {
  recipe: DCMM_VIT_PNEUMONIA.name,
  title: 'A title',
  seed: 0,
  settings: DCMM_VIT_PNEUMONIA.training,
  backend: 'cpu',
  data: {
    id: 'unknown',
    title: 'Set',
    classes: ['a', 'b'],
    modalities: ['CR'],
    licence: 'CC BY 4.0',
    attributions: ['MedMNIST', 'A'],
    caveats: [],
    sha256: 'a'.repeat(64),
    images: { train: 5, validation: 1, test: 1 },
  },
  normalization: { mean: [0.5], deviation: [0.2] },
  selectedEpoch: 1,
  curves: [],
} satisfies TrainingRecord
const release = { id: 'm', version: '1.0.0', createdAt: '2026-01-01T00:00:00Z', checkpointSha256: 'b'.repeat(64) }
const factsOf = (start?: TrainingRecord['start']) => modelFacts(network, start ? { ...record, start } : record, null, release)
const start = { sha256: 'c'.repeat(64), fresh: [], unused: [] }
const other = { id: 'o', title: 'Other', licence: 'CC0', attributions: ['MedMNIST', 'B'], sha256: 'd'.repeat(64), images: 9 }

describe('modelFacts', () => {
  it('gives the licence and the attributions of the data', () => {
    expect(factsOf()).toMatchObject({ licence: 'CC BY 4.0', attributions: ['MedMNIST', 'A'] })
  })

  it('gives those of the data behind the starting weights as well, each once', () => {
    const facts = factsOf({ ...start, sources: [other] })
    expect(facts).toMatchObject({ licence: 'CC BY 4.0; CC0', attributions: ['MedMNIST', 'A', 'B'] })
    expect(facts.limits.join()).not.toContain('do not tell')
  })

  it('names starting weights that do not tell their data as a limit', () => {
    expect(factsOf({ ...start, sources: null }).limits).toContainEqual(expect.stringContaining('do not tell their data'))
  })

  it('says for which frequencies of the classes its probabilities are meant, where the training made up for them', () => {
    const limitsOf = (logitAdjustment?: number) =>
      modelFacts(network, { ...record, settings: { ...record.settings, ...(logitAdjustment && { logitAdjustment }) } }, null, release).limits.join()
    expect(limitsOf(1)).toContain('meant for where all classes are equally frequent')
    expect(limitsOf(0.5)).toContain('more alike in frequency')
    expect(limitsOf()).not.toContain('frequen')
  })

  it('says of an SBM that its last layer’s masks change no prediction, unless they may mask the class token', () => {
    const sbm = smallSbm({ classTokenAlwaysOn: true })
    const limitsOf = (config: NetworkConfig) => modelFacts(config, record, null, release).limits.join()
    expect(limitsOf(sbm)).toContain('no mask of that layer changes a prediction')
    for (const other of [smallSbm({ classTokenAlwaysOn: false }), { ...sbm, structuredLayers: [0, 1] }]) expect(limitsOf(other)).not.toContain('no mask of that layer')
  })

  it('says in which layers the structure is dead', () => {
    const alive = { layer: 1, density: 0.2, headDensities: [0.2], maskDeviation: 0.1 }
    const dead = { ...alive, layer: 0, maskDeviation: 0.001 }
    const curve = { epoch: 1, trainingLoss: 1, validationLoss: 1, validationAccuracy: 0.5, validationAuc: 0.5 }
    const limitsOf = (structure: StructureDiagnostics) => modelFacts(network, { ...record, curves: [{ ...curve, structure }] }, null, release).limits.join()
    expect(limitsOf([dead, alive])).toContain('The structure of layer 0 (from 0) is dead')
    expect(limitsOf([dead])).toContain('The structure is dead')
    expect(limitsOf([alive])).not.toContain('dead')
  })

  it('says plainly which community was supervised with masks, as data and as a limit', () => {
    const settings = { ...record.settings, maskSupervision: { name: 'lesion', community: 0, layers: [5], weight: 1 } }
    const facts = modelFacts(network, { ...record, settings, masks: { images: 546, marked: 452 } }, null, release)
    expect(facts.supervised).toEqual({ community: 0, name: 'lesion', layers: [5], images: 546, marked: 452 })
    expect(facts.limits).toContainEqual(
      expect.stringMatching(/^Community 0 \(from 0\) of layer 5, “lesion”, was supervised with lesion masks of the training split \(452 of 546 images have one\)/),
    )
  })

  it('says nothing of masks where none were looked at', () => {
    expect(factsOf()).not.toHaveProperty('supervised')
    expect(factsOf().limits.join()).not.toContain('supervised')
  })
})
