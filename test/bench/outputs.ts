/** What outputs cost: a run's CPU time with outputs declared but not asked for, and with outputs asked for, over a graph that has only logits. */
import { buildNetwork } from '../../export/networks/build-network.ts'
import { encodeModel } from '../../export/onnx/encode-model.ts'
import { aligned } from '../../export/parity-table.ts'
import { feedsOf } from '../../export/stages.ts'
import { initialWeights } from '../../models/initial-weights.ts'
import { DCMM_RELEASED, type NetworkConfig, SBM_RELEASED } from '../../models/network-config.ts'
import { checkGraph } from '../../src/infer/check-graph.ts'
import { inlineFunctions } from '../../src/infer/inline-functions.ts'
import { nodeRuntime } from '../../src/infer/node-runtime.ts'
import type { Session } from '../../src/infer/runtime.ts'
import { randomBits } from '../../src/tensor/counter-random.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'
import { median, medianRatio } from './support/median.ts'

const tiny: NetworkConfig = {
  network: 'dcmm-vit',
  imageSize: 28,
  channels: 1,
  patchSize: 4,
  patchOverlap: 2,
  width: 64,
  depth: 6,
  heads: 4,
  mlpRatio: 4,
  classes: 2,
  layerNormEps: 1e-6,
  structuredLayers: [5],
  dcmm: { ...DCMM_RELEASED, communities: 12, thetaActivation: 'softplus' },
  sbm: null,
}
const NETWORKS: readonly [string, NetworkConfig][] = [
  ['DCMM-ViT tiny, 28 px, last layer', tiny],
  ['SBM-ViT tiny, 28 px, every layer', { ...tiny, network: 'sbm-vit', structuredLayers: [0, 1, 2, 3, 4, 5], dcmm: null, sbm: { ...SBM_RELEASED, communities: 16 } }],
  [
    'DCMM-ViT small, 224 px, last layer',
    { ...tiny, imageSize: 224, channels: 3, patchSize: 16, patchOverlap: 0, width: 384, depth: 12, heads: 12, structuredLayers: [11], dcmm: DCMM_RELEASED },
  ],
]

/** Rounds; in each every variant runs once in turn, and a ratio is the median over rounds. */
const ROUNDS = { tiny: 300, small: 15 }

export async function bench(): Promise<string> {
  const blocks: string[] = []
  for (const [name, config] of NETWORKS) blocks.push(await benchNetwork(name, config))
  return `CPU time of a run with one image, over that of a graph that declares logits alone (${nodeRuntime.name}, one thread, medians of interleaved rounds; 'here' is what this machine took).\n\n${blocks.join('\n')}`
}

async function benchNetwork(name: string, config: NetworkConfig): Promise<string> {
  const { model } = buildNetwork(config, initialWeights(config, 1))
  const logits = model.graph.outputs.filter((output) => output.name === 'logits')
  const bare = await nodeRuntime.open(encodeModel({ ...model, graph: { ...model.graph, outputs: logits } }))
  const bytes = encodeModel(model)
  const full = await nodeRuntime.open(bytes)
  const writtenOut = await nodeRuntime.open(inlineFunctions(checkGraph(bytes)))
  const last = config.depth - 1
  const common = ['logits', `attention.${last}`]
  const structure = config.sbm === null ? [`membership.${last}`, `degree.${last}`, `bias.${last}`] : [`query_loading.${last}`, `key_loading.${last}`, `mask.${last}`]
  const variants: [string, Session, readonly string[], boolean][] = [
    ['only logits declared', bare, ['logits'], false],
    ['all declared, logits asked for', full, ['logits'], false],
    ['the same, functions written out', writtenOut, ['logits'], false],
    ['and last attention', full, common, false],
    ["and the last layer's structure", full, [...common, ...structure], false],
    ['and what the tail needs', full, [...common, ...structure, 'scores', 'values', 'residual'], false],
    ['everything', full, full.outputNames, false],
  ]
  if (config.sbm !== null) variants.push(['logits, masks drawn', full, ['logits'], true])
  const times = await interleaved(config, variants)
  await bare.release()
  await full.release()
  await writtenOut.release()
  const rows = variants.map(([variant], i) => [variant, medianRatio(times[i] ?? [], times[0] ?? []).toFixed(3), `${median(times[i] ?? []).toFixed(2)} ms`])
  return aligned([[name, 'ratio', 'here'], ...rows])
}

async function interleaved(config: NetworkConfig, variants: readonly [string, Session, readonly string[], boolean][]): Promise<number[][]> {
  const size = config.channels * config.imageSize ** 2
  const pixels = tensorOf(
    Float32Array.from({ length: size }, (_, i) => Math.sin(i)),
    [1, config.channels, config.imageSize, config.imageSize],
  )
  const times: number[][] = variants.map(() => [])
  const rounds = config.imageSize > 100 ? ROUNDS.small : ROUNDS.tiny
  for (let round = -2; round < rounds; round++) {
    for (const [i, [, session, fetches, sampled]] of shuffled([...variants.entries()], round)) {
      const feeds = feedsOf(config, pixels, { structure: 'as-trained', seeds: sampled ? [round + 3] : null })
      const start = process.cpuUsage()
      await session.run(feeds, fetches)
      const { user, system } = process.cpuUsage(start) // microseconds of this process alone: what other processes take doesn't count
      if (round >= 0) times[i]?.push((user + system) / 1000) // the first rounds warm up
    }
  }
  return times
}

/** Another order each round, so that no variant always runs in the caches of the same other one. */
function shuffled<T>(items: readonly T[], round: number): readonly T[] {
  return items
    .map((item, i) => ({ item, key: randomBits(round + 1000, i) }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item)
}
