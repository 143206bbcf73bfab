/** A network's graph and its tail in a runtime: started from the graph's own outputs, the tail must give the graph's logits again. */
import type { NetworkConfig } from '../models/network-config.ts'
import type { Manifest } from '../src/domain/manifest.ts'
import { Problem } from '../src/domain/problem.ts'
import type { Session } from '../src/infer/runtime.ts'
import { createTailRunner } from '../src/infer/tail-runner.ts'
import { at, type Tensor, tensorOf } from '../src/tensor/tensor.ts'
import { compareTensors, type ParityInput, type ParityReport, type StageParity } from './parity.ts'
import { feedsOf } from './stages.ts'

type Results = ReadonlyMap<string, Tensor>

/** One report an input: 'tail.logits' as trained, and with the structure removed where it is in the last layer alone. */
export async function compareTail(
  config: NetworkConfig,
  session: Session,
  tail: Session,
  inputs: readonly ParityInput[],
  bound: Manifest['parity'],
): Promise<readonly ParityReport[]> {
  const reports: ParityReport[] = []
  for (const { name, pixels } of inputs) {
    const asTrained = await session.run(feedsOf(config, pixels, { structure: 'as-trained', seeds: null }), fetchesOf(config))
    const removed = isLastAlone(config) ? await session.run(feedsOf(config, pixels, { structure: 'removed', seeds: null }), ['logits']) : null
    const stages: StageParity[] = []
    for (let image = 0; image < (pixels.shape[0] ?? 0); image++) stages.push(...(await compareImage(config, tail, asTrained, removed, image, bound)))
    reports.push({ run: `${name}, tail`, stages })
  }
  return reports
}

async function compareImage(
  config: NetworkConfig,
  tail: Session,
  asTrained: Results,
  removed: Results | null,
  image: number,
  bound: Manifest['parity'],
): Promise<readonly StageParity[]> {
  const take = (name: string): Tensor => imageOf(asTrained, name, image)
  const scores = take('scores')
  const [heads = 0, tokens = 0] = scores.shape
  const run = createTailRunner({ whole: tail, logits: tail }, { asTrained: { scores, values: take('values'), residual: take('residual') }, withoutStructure: null })
  if (run === null) throw new Problem('output-missing', 'the graph lacks what the tail starts from', { output: 'scores' })
  const { bias, keep } = lastStructure(config, take, heads, tokens)
  // The gradient has no counterpart in the graph; its witnesses are the golden files.
  const direction = tensorOf(new Float32Array(config.classes).fill(1), [1, config.classes])
  const withStructure = await run({ alpha: Float32Array.of(1), bias, keep, direction })
  const stages = [compareTensors('tail.logits', withStructure.logits, oneRow(take('logits')), bound)]
  if (removed === null) return stages
  const all = tensorOf(new Float32Array(heads * tokens).fill(1), [1, heads, tokens])
  const without = await run({ alpha: Float32Array.of(0), bias, keep: all, direction })
  return [...stages, compareTensors('tail.logits, structure removed', without.logits, oneRow(imageOf(removed, 'logits', image)), bound)]
}

function fetchesOf(config: NetworkConfig): readonly string[] {
  const structure = structureName(config)
  return ['logits', 'scores', 'values', 'residual', ...(structure === null ? [] : [structure])]
}

/** The graph's name of what the last layer adds to its scores, or null where that layer is plain. */
function structureName({ depth, structuredLayers, sbm }: NetworkConfig): string | null {
  if (!structuredLayers.includes(depth - 1)) return null
  return `${sbm === null ? 'bias' : 'mask'}.${depth - 1}`
}

function isLastAlone({ depth, structuredLayers }: NetworkConfig): boolean {
  return structuredLayers.length === 1 && structuredLayers[0] === depth - 1
}

/** The class token's row of bias and kept keys, [1, head, token]: a mask is its logarithm where it is not 0, and drops the key where it is. */
function lastStructure(config: NetworkConfig, take: (name: string) => Tensor, heads: number, tokens: number): { readonly bias: Tensor; readonly keep: Tensor } {
  const name = structureName(config)
  const shape = [1, heads, tokens]
  const entries = Float32Array.from({ length: heads * tokens }, (_, i) => (name === null ? 0 : (take(name).data[Math.floor(i / tokens) * tokens * tokens + (i % tokens)] ?? 0)))
  const isMask = name !== null && config.sbm !== null
  const keep = entries.map((entry) => (isMask && entry === 0 ? 0 : 1))
  const bias = isMask ? entries.map((entry) => (entry === 0 ? 0 : Math.log(entry))) : entries
  return { bias: tensorOf(bias, shape), keep: tensorOf(keep, shape) }
}

function imageOf(results: Results, name: string, image: number): Tensor {
  const tensor = results.get(name)
  if (tensor === undefined) throw new Problem('output-missing', `the graph gave no ${name}`, { output: name })
  return at(tensor, image)
}

function oneRow({ shape, data }: Tensor): Tensor {
  return tensorOf(data, [1, ...shape])
}
