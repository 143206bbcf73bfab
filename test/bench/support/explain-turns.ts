/** One process of the explanation bench: what to do as JSON in, then a turn of it for every line of input, the CPU milliseconds of one time out. */
import sharp from 'sharp'
import { buildGraphs } from '../../../export/build-graphs.ts'
import { buildManifest } from '../../../export/build-manifest.ts'
import { initialWeights } from '../../../models/initial-weights.ts'
import type { NetworkConfig } from '../../../models/network-config.ts'
import type { InputTensor } from '../../../src/domain/image.ts'
import { statedOnBlank } from '../../../src/explain/blank-patches.ts'
import { explain, outputsNeeded } from '../../../src/explain/explain.ts'
import { needsRunWithoutStructure } from '../../../src/explain/structure-layers.ts'
import { decodeImage } from '../../../src/imaging/decode-image.ts'
import { toInputTensor } from '../../../src/imaging/to-input-tensor.ts'
import { type Bundle, openBundle } from '../../../src/infer/load-bundle.ts'
import { drawOverlay } from '../../../src/render/draw-map.ts'
import { chooseLook } from '../../../src/render/map-look.ts'
import { renderMap } from '../../../src/render/render-map.ts'
import { gridOf, labelMapOf, mapOf, requestOf, wholePlacement } from '../../render/render-case.ts'
import { answerTurns } from './turns.ts'

/** An answer of a network with drawn weights. */
export interface AnswerTask {
  readonly network: NetworkConfig
  /** Whether the picture is decoded and preprocessed each time. */
  readonly decodes: boolean
  /** Names of maps, the default ones, or logits alone. */
  readonly maps: readonly string[] | 'default' | 'none'
}

/** A picture that is written. */
export interface PictureTask {
  readonly picture: 'libvips level 6' | 'libvips level 1' | 'overlay' | 'communities' | 'heat map'
}

/** Rows and columns of the picture that is predicted from and drawn over. */
const SIDE = 1024
/** Times before the first turn, while compilers work. */
const WARM_UP = 25
/** Times in a row that a turn counts, with the garbage that they make, after one that fills the processor's caches again. */
const COUNTED = 5

await answerTurns(async () => {
  const task = JSON.parse(process.argv[2] ?? '') as AnswerTask | PictureTask
  const { said, once } = 'picture' in task ? { said: '', once: pictureOf(task) } : await answerOf(task)
  for (let i = 0; i < WARM_UP; i++) await once()
  const turn = async (): Promise<number> => {
    await once()
    const start = process.cpuUsage()
    for (let i = 0; i < COUNTED; i++) await once()
    const { user, system } = process.cpuUsage(start)
    return (user + system) / 1000 / COUNTED
  }
  return { said, turn }
})

type Once = () => Promise<unknown>

/** Says how many communities the network finds. */
async function answerOf({ network, decodes, maps }: AnswerTask): Promise<{ readonly said: string; readonly once: Once }> {
  const bundle = await openBundle(bundleOf(network))
  const picture = await sharp(wavesOf(SIDE), { raw: { width: SIDE, height: SIDE, channels: 1 } })
    .toColourspace('b-w')
    .png()
    .toBuffer()
  const decoded = await inputFrom(bundle, picture)
  const inputOf = async (): Promise<InputTensor> => (decodes ? inputFrom(bundle, picture) : decoded)
  const once = async (): Promise<unknown> => answered(bundle, await inputOf(), maps)
  const { communities } = await explained(bundle, decoded, null)
  return { said: String(communities.length), once }
}

async function answered(bundle: Bundle, input: InputTensor, maps: AnswerTask['maps']): Promise<unknown> {
  if (maps === 'none') return bundle.run(input, { outputs: ['logits'], withoutStructure: false, seed: 0, samples: 0 })
  return explained(bundle, input, maps === 'default' ? null : maps)
}

async function explained(bundle: Bundle, input: InputTensor, maps: readonly string[] | null): ReturnType<typeof explain> {
  const { manifest } = bundle
  const outputs = await bundle.run(input, { outputs: outputsNeeded(manifest, maps), withoutStructure: needsRunWithoutStructure(manifest), seed: 0, samples: 0 })
  return statedOnBlank(await explain(manifest, outputs, bundle.tailFor(outputs), { frame: 1, maps, explainedClass: null, seed: 0, samples: 0 }), manifest, input)
}

async function inputFrom({ manifest }: Bundle, picture: Uint8Array): Promise<InputTensor> {
  const { image } = await decodeImage(picture, { frame: 1 })
  return toInputTensor(image, manifest.input)
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

function pictureOf({ picture }: PictureTask): Once {
  const display = { rows: SIDE, columns: SIDE, channels: 1 as const, pixels: xRayLike() }
  const attention = mapOf(gridOf(14, 14, (row, column) => Math.exp(-((row - 7) ** 2 + (column - 4) ** 2) / 9)))
  const request = requestOf(attention, display, wholePlacement(SIDE, SIDE))
  if (picture === 'overlay') return () => renderMap(request)
  if (picture === 'heat map') return () => renderMap(requestOf(attention, display, request.placement, { style: 'heat' }))
  if (picture === 'communities') {
    const labels = labelMapOf(gridOf(14, 14, (row, column) => (row >> 2) + (column >> 3)))
    return () => renderMap(requestOf(labels, display, request.placement))
  }
  const canvas = { width: SIDE, height: SIDE, source: { top: 0, left: 0, height: SIDE, width: SIDE } }
  const drawn = drawOverlay(display, request.placement, chooseLook(attention, request.options), canvas, 0.4)
  const raw = { raw: { width: SIDE, height: SIDE, channels: 3 as const } }
  return () =>
    sharp(drawn.pixels, raw)
      .png({ compressionLevel: picture === 'libvips level 6' ? 6 : 1 })
      .toBuffer()
}

/** Bytes with the noise of an X-ray. */
function xRayLike(): Uint8Array {
  return Uint8Array.from({ length: SIDE * SIDE }, (_, i) => 128 + 80 * Math.sin(i / 300_000) + 30 * Math.sin((i % SIDE) / 90) + (((i * 2654435761) >>> 24) % 9))
}
