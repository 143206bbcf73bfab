import { describe, expect, it } from 'vitest'
import { buildGraphs } from '../../export/build-graphs.ts'
import { buildManifest } from '../../export/build-manifest.ts'
import { modelCard } from '../../export/model-card.ts'
import { modelFacts } from '../../export/model-facts.ts'
import { initialWeights } from '../../models/initial-weights.ts'
import { DCMM_VIT_PNEUMONIA } from '../../models/recipes/pneumonia-28.ts'
import type { TrainingRecord } from '../../models/training/training-record.ts'
import type { ExplanationRecord } from '../../src/domain/manifest.ts'
import { smallDcmm } from '../models/support/small-network.ts'

const config = smallDcmm({}, { channels: 1 })
const facts = { id: 'unlisted', title: 'Set', classes: ['a', 'b', 'c'], modalities: ['US'], licence: 'CC BY 4.0', attributions: ['A'], caveats: [] }
const plain: TrainingRecord = {
  recipe: 'dcmm-vit-small.test',
  title: 'A title',
  seed: 0,
  settings: DCMM_VIT_PNEUMONIA.training,
  backend: 'cpu',
  data: { ...facts, sha256: 'a'.repeat(64), images: { train: 10, validation: 1, test: 1 } },
  normalization: { mean: [0.5], deviation: [0.2] },
  selectedEpoch: 1,
  curves: [],
}
const supervised: TrainingRecord = {
  ...plain,
  settings: { ...plain.settings, maskSupervision: { name: 'lesion', community: 1, layers: [2], weight: 1 } },
  masks: { images: 10, marked: 7 },
}

function cardOf(record: TrainingRecord, explanations: ExplanationRecord | null = null): string {
  const graphs = buildGraphs(config, initialWeights(config, 0), 'function', { mode: 'expected' })
  const release = { id: 'dcmm-vit-small-patch4-12.test-v1', version: '1.0.0', createdAt: '2026-01-01T00:00:00Z', checkpointSha256: 'b'.repeat(64) }
  const manifest = buildManifest(config, graphs, { ...modelFacts(config, record, null, release, explanations), explanations })
  return modelCard({ manifest, config, record, evaluation: null, parity: [], runtime: 'a runtime' })
}

describe('the card', () => {
  it('says plainly which community was supervised with masks, where it is measured and among the limits', () => {
    const card = cardOf(supervised)
    expect(card).toContain('**Community 1 (from 0) of layer 2 was supervised with lesion masks of the training split** (7 of 10 images have one)')
    const [, limits = ''] = card.split('## Limits')
    expect(limits).toContain('was supervised with lesion masks of the training split')
    expect(limits).toContain('it shows what it was taught, and does not explain the answer')
    expect(card).toContain('"name":"lesion"')
  })

  it('says how much of each map lies where the image shows nothing, and among the limits where most of the attention does', () => {
    const measured = (blankShare: number): ExplanationRecord => ({
      default: 'attention',
      by: 'insertion minus deletion',
      value: 0.1,
      baseline: { name: 'random order', value: 0.2 },
      dataSha256: 'a'.repeat(64),
      images: { validation: 4, test: 5 },
      maps: [{ name: 'attention', classSpecific: false, validation: 0.1, test: 0.1, hasForgotten: true, blankShare }],
    })
    expect(cardOf(plain, measured(0.625))).toContain('| **attention** | 0.100 | 0.100 | fails | yes | 0.625 |')
    expect(cardOf(plain, measured(0.625))).toContain('63 % of the class token’s attention lies on patches where the image shows nothing')
    expect(cardOf(plain, measured(0.5))).not.toContain('of the class token’s attention lies')
  })

  it('says in one table how alive the structure of each layer is', () => {
    const alive = {
      zeroDegreeShare: 0.25,
      meanDegree: 0.512345,
      largestClassTokenBias: 3.2,
      classTokenBiasSpread: 0.4,
      effectiveCommunities: 6.5,
      membershipConfidence: 0.75,
      distinctCommunities: 5.5,
    }
    const curves = [{ epoch: 1, trainingLoss: 0.4, validationLoss: 0.5, validationAccuracy: 0.8, validationAuc: 0.9, structure: [1, 2].map((layer) => ({ layer, ...alive })) }]
    const card = cardOf({ ...plain, curves })
    expect(card.match(/Measured on validation images/g)).toHaveLength(1)
    expect(card).toContain('| layer | zero degrees | mean degree | largest bias of the class token | its spread | communities | of which in one image | largest membership |')
    expect(card).toContain('| 2 | 0.25 | 0.5123 | 3.2 | 0.4 | 6.5 | 5.5 | 0.75 |')
  })

  it('says nothing of masks where none were looked at', () => {
    expect(cardOf(plain)).not.toMatch(/supervis|masks of|taught/)
  })
})
