/**
 * What explanations cost: CPU time of a run with maps over that of the same run with logits alone, and of both with the picture decoded and
 * preprocessed before; of a drawn overlay over one that libvips writes.
 */
import sharp from 'sharp'
import { buildGraphs } from '../../export/build-graphs.ts'
import { buildManifest } from '../../export/build-manifest.ts'
import { aligned } from '../../export/parity-table.ts'
import { initialWeights } from '../../models/initial-weights.ts'
import { DCMM_RELEASED, type NetworkConfig } from '../../models/network-config.ts'
import type { Explanation } from '../../src/domain/explanation.ts'
import type { InputTensor } from '../../src/domain/image.ts'
import { statedOnBlank } from '../../src/explain/blank-patches.ts'
import { explain, outputsNeeded } from '../../src/explain/explain.ts'
import { needsRunWithoutStructure } from '../../src/explain/structure-layers.ts'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { toInputTensor } from '../../src/imaging/to-input-tensor.ts'
import { type Bundle, openBundle } from '../../src/infer/load-bundle.ts'
import { drawOverlay } from '../../src/render/draw-map.ts'
import { chooseLook } from '../../src/render/map-look.ts'
import { renderMap } from '../../src/render/render-map.ts'
import { gridOf, labelMapOf, mapOf, requestOf, wholePlacement } from '../render/render-case.ts'

const middle: NetworkConfig = {
  network: 'dcmm-vit',
  imageSize: 128,
  channels: 1,
  patchSize: 8,
  patchOverlap: 0,
  width: 192,
  depth: 6,
  heads: 6,
  mlpRatio: 4,
  classes: 2,
  layerNormEps: 1e-6,
  structuredLayers: [5],
  dcmm: { ...DCMM_RELEASED, communities: 16, thetaActivation: 'softplus' },
  sbm: null,
}
const NETWORKS: readonly [string, NetworkConfig, number][] = [
  ['DCMM-ViT 128 px, patch 8, width 192, 6 layers', middle, 40],
  ['DCMM-ViT small, 224 px, patch 16', { ...middle, imageSize: 224, channels: 3, patchSize: 16, width: 384, depth: 12, heads: 12, structuredLayers: [11] }, 12],
]
/** Rows and columns of the picture that is predicted from and drawn over. */
const SIDE = 1024
const SETS: readonly [string, readonly string[] | null][] = [
  ['counterfactual and attention', ['attention']],
  ['the default maps', null],
  ['default and knock-out', ['communities', 'attention', 'degree', 'delta', 'evidence', 'structure-attribution', 'knockout']],
  ['default and Shapley values', ['communities', 'attention', 'degree', 'delta', 'evidence', 'structure-attribution', 'shapley']],
]

export async function bench(): Promise<string> {
  const blocks: string[] = []
  for (const [name, config, rounds] of NETWORKS) blocks.push(await benchNetwork(name, config, rounds))
  blocks.push(await benchOverlay())
  return `CPU time of one image, medians of interleaved rounds; 'here' is what this machine took.\n\n${blocks.join('\n')}`
}

async function benchNetwork(name: string, config: NetworkConfig, rounds: number): Promise<string> {
  const bundle = await openBundle(bundleOf(config))
  const picture = await sharp(wavesOf(SIDE), { raw: { width: SIDE, height: SIDE, channels: 1 } })
    .png()
    .toBuffer()
  const input = await inputFrom(bundle, picture)
  const logits = async (of: InputTensor): Promise<unknown> => bundle.run(of, { outputs: ['logits'], withoutStructure: false, seed: 0, samples: 0 })
  const bare: readonly Variant[] = [
    ['logits alone', () => logits(input)],
    ['decoded, preprocessed, logits', async () => logits(await inputFrom(bundle, picture))],
  ]
  const rows: string[][] = []
  // Each set beside the bare runs alone: the garbage of one set would else be swept during another.
  for (const [set, maps] of SETS) {
    const variants: readonly Variant[] = [...bare, [set, () => explained(bundle, input, maps)], [set, async () => explained(bundle, await inputFrom(bundle, picture), maps)]]
    const [alone = [], prediction = [], mapped = [], answered = []] = await interleaved(variants, rounds)
    if (rows.length === 0) rows.push(['logits alone', '1.000', '', milliseconds(alone)], ['a prediction: decoded, preprocessed, logits', '', '1.000', milliseconds(prediction)])
    rows.push([set, ratio(mapped, alone), ratio(answered, prediction), milliseconds(mapped)])
  }
  const { communities } = await explained(bundle, input, null)
  await bundle.release()
  return aligned([[`${name}; ${communities.length} communities`, 'over logits', 'over a prediction', 'here'], ...rows])
}

async function inputFrom({ manifest }: Bundle, picture: Uint8Array): Promise<InputTensor> {
  const { image } = await decodeImage(picture, { frame: 1 })
  return toInputTensor(image, manifest.input)
}

type Variant = readonly [string, () => Promise<unknown>]

async function explained(bundle: Bundle, input: InputTensor, maps: readonly string[] | null): Promise<Explanation> {
  const { manifest } = bundle
  const outputs = await bundle.run(input, { outputs: outputsNeeded(manifest, maps), withoutStructure: needsRunWithoutStructure(manifest), seed: 0, samples: 0 })
  return statedOnBlank(await explain(manifest, outputs, bundle.tailFor(outputs), { frame: 1, maps, explainedClass: null, seed: 0, samples: 0 }), manifest, input)
}

function bundleOf(config: NetworkConfig): Parameters<typeof openBundle>[0] {
  const graphs = buildGraphs(config, initialWeights(config, 1), 'function', { mode: 'expected' })
  const words = { id: 'bench', version: '1', title: 'bench', createdAt: '2026-01-01T00:00:00Z', intendedUse: '', limits: [], licence: '', attributions: [] }
  const classes = ['a', 'b'].map((name) => ({ name, code: null }))
  const normalization = Array.from({ length: config.channels }, () => 0.5)
  const input = { fit: 'crop' as const, resize: 'bilinear-antialias' as const, mean: normalization, deviation: normalization, modalities: [] }
  const manifest = buildManifest(config, graphs, { ...words, input, classes, temperature: null, training: null, metrics: [] })
  return { manifest, manifestBytes: new TextEncoder().encode(JSON.stringify(manifest)), graph: graphs.graph, tail: graphs.tail, signature: null }
}

/** Waves that networks with drawn weights see eight communities in: as many as there can be. */
function wavesOf(side: number): Uint8Array {
  const wave = (x: number, y: number): number => 128 + 100 * Math.sin(x / 23 + y / 131) * Math.cos(y / 37)
  return Uint8Array.from({ length: side * side }, (_, i) => wave(i % side, Math.floor(i / side)) + (((i * 2654435761) >>> 24) % 9))
}

/** Bytes with the noise of an X-ray. */
function xRayLike(): Uint8Array {
  return Uint8Array.from({ length: SIDE * SIDE }, (_, i) => 128 + 80 * Math.sin(i / 300_000) + 30 * Math.sin((i % SIDE) / 90) + (((i * 2654435761) >>> 24) % 9))
}

async function benchOverlay(): Promise<string> {
  const side = SIDE
  const pixels = xRayLike()
  const display = { rows: side, columns: side, channels: 1 as const, pixels }
  const attention = mapOf(gridOf(14, 14, (row, column) => Math.exp(-((row - 7) ** 2 + (column - 4) ** 2) / 9)))
  const labels = labelMapOf(gridOf(14, 14, (row, column) => (row >> 2) + (column >> 3)))
  const request = requestOf(attention, display, wholePlacement(side, side))
  const canvas = { width: side, height: side, source: { top: 0, left: 0, height: side, width: side } }
  const drawn = drawOverlay(display, request.placement, chooseLook(attention, request.options), canvas, 0.4)
  const raw = { raw: { width: side, height: side, channels: 3 as const } }
  const variants: readonly Variant[] = [
    ['libvips writes a ready overlay, level 6', () => sharp(drawn.pixels, raw).png({ compressionLevel: 6 }).toBuffer()],
    ['libvips writes a ready overlay, level 1', () => sharp(drawn.pixels, raw).png({ compressionLevel: 1 }).toBuffer()],
    ['overlay drawn and written', () => renderMap(request)],
    ['overlay of communities', () => renderMap(requestOf(labels, display, request.placement))],
    ['heat map, indexed', () => renderMap(requestOf(attention, display, request.placement, { style: 'heat' }))],
  ]
  return aligned([['overlay of 1024 x 1024', 'ratio', 'here'], ...tableRows(variants, await interleaved(variants, 15))])
}

/** As many rounds again come first and are not counted: compilers work beside them. */
async function interleaved(variants: readonly Variant[], rounds: number): Promise<number[][]> {
  const times: number[][] = variants.map(() => [])
  for (let round = -rounds; round < rounds; round++) {
    for (const [i, [, run]] of variants.entries()) {
      const start = process.cpuUsage()
      await run()
      const { user, system } = process.cpuUsage(start)
      if (round >= 0) times[i]?.push((user + system) / 1000)
    }
  }
  return times
}

/** A row a variant: its name, the median of its ratios to the first, and its median. */
function tableRows(variants: readonly Variant[], times: readonly number[][]): string[][] {
  return variants.map(([variant], i) => [variant, ratio(times[i] ?? [], times[0] ?? []), milliseconds(times[i] ?? [])])
}

/** The median of the rounds' ratios. */
function ratio(times: readonly number[], base: readonly number[]): string {
  return median(times.map((time, round) => time / (base[round] ?? Number.NaN))).toFixed(3)
}

function milliseconds(times: readonly number[]): string {
  return `${median(times).toFixed(1)} ms`
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
