/** A graph's session and a data set in, its figures out: the numbers of a card are those of the graph that is served. */
import { evaluationBatch } from '../models/data/batches.ts'
import type { DataSet, SplitName } from '../models/data/data-set.ts'
import type { Normalization } from '../models/data/pixels.ts'
import { type Evaluation, evaluateLogits, type SplitMetrics } from '../models/evaluate-checkpoint.ts'
import { metricsOf } from '../models/metrics.ts'
import type { NetworkConfig } from '../models/network-config.ts'
import { Problem } from '../src/domain/problem.ts'
import type { Session } from '../src/infer/runtime.ts'
import { type Tensor, tensorOf } from '../src/tensor/tensor.ts'
import { type BatchMode, feedsOf } from './stages.ts'

const BATCH = 32

export type GraphEvaluation = Omit<Evaluation, 'structure' | 'sampling'>

/** The figures on validation and test, with the temperature fitted on validation. An SBM that draws its masks uses the image's index as seed. */
export async function evaluateGraph(config: NetworkConfig, session: Session, data: DataSet, normalization: Normalization, sampled: boolean): Promise<GraphEvaluation> {
  checkFit(config, data)
  const logitsOf = (split: SplitName, structure: BatchMode['structure']): Promise<Tensor> => splitLogits(config, session, { data, split, normalization, structure, sampled })
  const evaluation = await evaluateLogits((split) => logitsOf(split, 'as-trained'), data)
  return { ...evaluation, withoutStructure: config.structuredLayers.length === 0 ? null : await withoutStructure(logitsOf, data) }
}

async function withoutStructure(logitsOf: (split: SplitName, structure: BatchMode['structure']) => Promise<Tensor>, data: DataSet): Promise<SplitMetrics> {
  return { split: 'test', ...metricsOf(await logitsOf('test', 'removed'), data.splits.test.labels) }
}

interface SplitRun {
  readonly data: DataSet
  readonly split: SplitName
  readonly normalization: Normalization
  readonly structure: BatchMode['structure']
  readonly sampled: boolean
}

/** [image, class] */
async function splitLogits(config: NetworkConfig, session: Session, { data, split, normalization, structure, sampled }: SplitRun): Promise<Tensor> {
  const { count } = data.splits[split]
  const logits = new Float32Array(count * config.classes)
  for (let start = 0; start < count; start += BATCH) {
    const batch = evaluationBatch(data, split, start, Math.min(start + BATCH, count), normalization)
    const pixels = tensorOf(batch.pixels, [batch.count, data.channels, data.height, data.width])
    const seeds = sampled ? Array.from({ length: batch.count }, (_, i) => start + i) : null
    const results = await session.run(feedsOf(config, pixels, { structure, seeds }), ['logits'])
    logits.set(results.get('logits')?.data ?? [], start * config.classes)
  }
  return tensorOf(logits, [count, config.classes])
}

function checkFit(config: NetworkConfig, data: DataSet): void {
  const expected = [config.channels, config.imageSize, config.imageSize, config.classes]
  const actual = [data.channels, data.height, data.width, data.facts.classes.length]
  if (expected.join() !== actual.join()) throw new Problem('shape-mismatch', 'channels, height, width or classes of the data do not fit the network', { expected, actual })
}
