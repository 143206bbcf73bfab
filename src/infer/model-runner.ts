/** One input tensor in, its outputs by their manifest names out: rows of a batch are built here, and every output is checked. */
import type { InputTensor } from '../domain/image.ts'
import type { Manifest } from '../domain/manifest.ts'
import type { ModelOutputs, NamedOutputs, OutputName } from '../domain/outputs.ts'
import { Problem } from '../domain/problem.ts'
import { allFinite } from '../tensor/all-finite.ts'
import { mixKey } from '../tensor/counter-random.ts'
import { at, type Tensor, tensorOf } from '../tensor/tensor.ts'
import { refuse } from './check-graph.ts'
import { assembleOutput, expectedShape, graphNames } from './read-output.ts'
import type { RunRequest } from './run-request.ts'
import type { Feed, Session } from './runtime.ts'

/** Images of one run while masks are drawn: bounds the memory, changes no bit. */
const SAMPLES_PER_RUN = 8
/** What is fetched of a drawn mask's run beside the logits, where it was asked for. */
const PER_SAMPLE: readonly OutputName[] = ['attention', 'classTokenAttention']

/** One row of a batch: the same pixels, with or without the structure, its mask drawn or not. */
interface Row {
  readonly structure: 0 | 1
  readonly sampled: 0 | 1
  readonly seed: number
}

export interface ModelRunner {
  run(input: InputTensor, request: RunRequest): Promise<ModelOutputs>
  /** The logits of many images in one call, as trained: see Bundle. */
  forward(pixels: Tensor, seed: number): Promise<Tensor>
  /** Runs every declared output once on zeros, so that a graph that doesn't fit its manifest is found at the start. */
  warm(): Promise<void>
}

/** Throws: "bundle-refused" where the graph's inputs or outputs are not those of the manifest. */
export function createModelRunner(manifest: Manifest, session: Session): ModelRunner {
  checkNames(manifest, session)
  const runRows = (pixels: Tensor, rows: readonly Row[], outputs: readonly OutputName[]) => runBatch(manifest, session, pixels, rows, outputs)
  return {
    async run({ pixels }, request): Promise<ModelOutputs> {
      checkInput(manifest, pixels)
      return runRequest(manifest, pixels, request, runRows)
    },
    async forward(pixels, seed): Promise<Tensor> {
      for (let image = 0; image < (pixels.shape[0] ?? 0); image++) checkInput(manifest, at(pixels, image))
      return runImages(manifest, session, pixels, seed)
    },
    async warm(): Promise<void> {
      const { channels, height, width } = manifest.input
      const zeros = tensorOf(new Float32Array(channels * height * width), [channels, height, width])
      await runRows(zeros, [{ structure: 1, sampled: 0, seed: 0 }], Object.keys(manifest.outputs) as OutputName[])
    },
  }
}

type RunRows = (pixels: Tensor, rows: readonly Row[], outputs: readonly OutputName[]) => Promise<readonly NamedOutputs[]>

async function runRequest(manifest: Manifest, pixels: Tensor, request: RunRequest, runRows: RunRows): Promise<ModelOutputs> {
  const sampled = manifest.structure?.maskMode === 'sample' ? 1 : 0
  const outputs: OutputName[] = [...new Set<OutputName>(['logits', ...request.outputs])]
  const rows: Row[] = [{ structure: 1, sampled, seed: request.seed }]
  const canRemove = typeof manifest.structure?.structureInput === 'string'
  if (request.withoutStructure && canRemove) rows.push({ structure: 0, sampled: 0, seed: request.seed })
  const [asTrained = {}, withoutStructure = null] = await runRows(pixels, rows, outputs)
  if (request.samples === 0) return { asTrained, withoutStructure }
  return { asTrained, withoutStructure, samples: await runSamples(manifest, pixels, request, runRows) }
}

/** Mask number r has the seed mixKey(request seed, r): a longer series begins with a shorter one. */
async function runSamples(manifest: Manifest, pixels: Tensor, request: RunRequest, runRows: RunRows): Promise<readonly NamedOutputs[]> {
  if (typeof manifest.structure?.sampledInput !== 'string') throw new Problem('parameter-invalid', 'this model draws no masks', { parameter: 'samples' })
  const rows = Array.from({ length: request.samples }, (_, sample): Row => ({ structure: 1, sampled: 1, seed: mixKey(request.seed, sample) }))
  const outputs: OutputName[] = ['logits', ...PER_SAMPLE.filter((name) => request.outputs.includes(name))]
  const results: NamedOutputs[] = []
  for (let start = 0; start < rows.length; start += SAMPLES_PER_RUN) results.push(...(await runRows(pixels, rows.slice(start, start + SAMPLES_PER_RUN), outputs)))
  return results
}

async function runBatch(manifest: Manifest, session: Session, pixels: Tensor, rows: readonly Row[], outputs: readonly OutputName[]): Promise<readonly NamedOutputs[]> {
  const fetches = [...new Set(outputs.flatMap((output) => graphNames(manifest, output)))]
  const results = await session.run(feedsOf(manifest, pixels, rows), fetches)
  for (const [name, tensor] of results) if (!allFinite(tensor)) throw new Problem('output-not-finite', `${name} holds a value that is not finite`, { output: name })
  return rows.map((_, row) => Object.fromEntries(outputs.map((output) => [output, assembleOutput(manifest, output, results, row, rows.length)])) as NamedOutputs)
}

/**
 * The logits of images that differ in their pixels alone.
 *
 * pixels   [batch, channel, height, width]
 * returns  [batch, class]
 */
async function runImages(manifest: Manifest, session: Session, pixels: Tensor, seed: number): Promise<Tensor> {
  const images = Array.from({ length: pixels.shape[0] ?? 0 }, (_, image) => at(pixels, image))
  const row: Row = { structure: 1, sampled: manifest.structure?.maskMode === 'sample' ? 1 : 0, seed }
  const feeds = {
    ...structureFeeds(
      manifest,
      images.map(() => row),
    ),
    ...pixelFeed(
      manifest,
      images.map((image) => inLayout(manifest, image)),
    ),
  }
  const results = await session.run(feeds, graphNames(manifest, 'logits'))
  const logits = images.map((_, image) => assembleOutput(manifest, 'logits', results, image, images.length))
  if (!logits.every(allFinite)) throw new Problem('output-not-finite', 'logits hold a value that is not finite', { output: 'logits' })
  const classes = manifest.classes.length
  const data = new Float32Array(images.length * classes)
  logits.forEach((one, image) => {
    data.set(one.data, image * classes)
  })
  return tensorOf(data, [images.length, classes])
}

function feedsOf(manifest: Manifest, pixels: Tensor, rows: readonly Row[]): Record<string, Feed> {
  const image = inLayout(manifest, pixels)
  return {
    ...pixelFeed(
      manifest,
      rows.map(() => image),
    ),
    ...structureFeeds(manifest, rows),
  }
}

/** [channel, height, width] in the layout of the graph. */
function inLayout({ input }: Manifest, pixels: Tensor): Tensor {
  return input.layout === 'nchw' ? pixels : toChannelsLast(pixels)
}

/** images  each in the layout of the graph; the feed has them one after the other. */
function pixelFeed({ input }: Manifest, images: readonly Tensor[]): Record<string, Feed> {
  const [first] = images
  const size = first?.data.length ?? 0
  const data = new Float32Array(images.length * size)
  images.forEach((image, row) => {
    data.set(image.data, row * size)
  })
  return { [input.name]: { type: 'float32', data, shape: [images.length, ...(first?.shape ?? [])] } }
}

function structureFeeds({ structure }: Manifest, rows: readonly Row[]): Record<string, Feed> {
  const feeds: Record<string, Feed> = {}
  const perRow = (of: (row: Row) => number): Feed => ({ type: 'float32', data: Float32Array.from(rows, of), shape: [rows.length] })
  if (typeof structure?.structureInput === 'string') feeds[structure.structureInput] = perRow((row) => row.structure)
  if (typeof structure?.sampledInput === 'string') feeds[structure.sampledInput] = perRow((row) => row.sampled)
  if (typeof structure?.seedInput === 'string') feeds[structure.seedInput] = { type: 'uint32', data: Uint32Array.from(rows, ({ seed }) => seed), shape: [rows.length] }
  return feeds
}

/** [channel, height, width] as [height, width, channel] */
function toChannelsLast({ shape, data }: Tensor): Tensor {
  const [channels = 1, height = 1, width = 1] = shape
  const plane = height * width
  return tensorOf(
    Float32Array.from(data, (_, i) => data[(i % channels) * plane + Math.floor(i / channels)] ?? 0),
    [height, width, channels],
  )
}

function checkInput({ input }: Manifest, pixels: Tensor): void {
  const expected = [input.channels, input.height, input.width]
  if (pixels.shape.join() !== expected.join()) throw new Problem('shape-mismatch', 'the input tensor does not have the shape of the manifest', { expected, actual: pixels.shape })
  if (!allFinite(pixels)) throw new Problem('output-not-finite', 'the input tensor holds a value that is not finite', { output: input.name })
}

function checkNames(manifest: Manifest, session: Session): void {
  const { structure } = manifest
  const given = [manifest.input.name, structure?.structureInput, structure?.sampledInput, structure?.seedInput].filter((name) => typeof name === 'string')
  const missing = session.inputNames.filter((name) => !given.includes(name))
  if (missing.length > 0) throw refuse('input-mismatch', `the graph wants ${missing.length} inputs that the manifest does not name`)
  const unknown = given.filter((name) => !session.inputNames.includes(name))
  if (unknown.length > 0) throw refuse('input-mismatch', `the manifest names ${unknown.length} inputs that the graph does not have`)
  if (manifest.outputs.logits === undefined) throw refuse('output-mismatch', 'the manifest names no logits')
  for (const output of Object.keys(manifest.outputs) as OutputName[]) {
    const absent = graphNames(manifest, output).find((name) => !session.outputNames.includes(name))
    if (absent !== undefined) throw new Problem('output-missing', `the graph does not declare what the manifest calls ${output}`, { output })
    expectedShape(manifest, output)
  }
}
