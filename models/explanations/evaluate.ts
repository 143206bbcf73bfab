/** A bundle and a data file in, how faithful, coherent and well-placed its maps are as one JSON document out. */
import { readFileSync } from 'node:fs'
import { Problem } from '../../src/domain/problem.ts'
import { toInputTensor } from '../../src/imaging/to-input-tensor.ts'
import { type Bundle, loadBundle } from '../../src/infer/load-bundle.ts'
import { mixKey } from '../../src/tensor/counter-random.ts'
import { parseCommand, runCommand } from '../command.ts'
import type { DataSet } from '../data/data-set.ts'
import { readDataSet } from '../data/read-data-set.ts'
import { centerGrid, decodedImage, type Masks, meanMask, priorGrid, readMasks, regionOf } from './marked-images.ts'
import { type ImageMeasures, measureImage, type Placed, placeOn } from './measure-image.ts'
import { summarize, summarizePlaces } from './summarize.ts'

const HELP = `node launch.mjs models/explanations/evaluate.ts <bundle folder> --data <file.npz> [options]

Prints one JSON document about the maps of a bundle on test images, each through the server's own preprocessing:
deletion and insertion AUC beside random order, agreement, what a change of class changes, coherence of communities against
shuffles, and, where the file holds masks, pointing game, relevance mass and rank, average precision and IoU beside chance,
the center and the mean mask of the training split.

  --data FILE          a .npz, told by its checksum
  --allow-data SHA256  read this file all the same; may be repeated
  --images N           of the test split, from its start (default 100)
  --seed N             of random orders and shuffles (default 0)
  --help               this text
`

const OPTIONS = {
  data: { type: 'string' },
  'allow-data': { type: 'string', multiple: true },
  images: { type: 'string', default: '100' },
  seed: { type: 'string', default: '0' },
  help: { type: 'boolean' },
} as const

process.exitCode = await runCommand(evaluate, process.argv.slice(2))

async function evaluate(args: readonly string[]): Promise<string> {
  const { values, positionals } = parseCommand(args, OPTIONS)
  const [folder, ...more] = positionals
  if (values.help || args.length === 0) return HELP
  if (folder === undefined || more.length > 0) throw new Problem('parameter-invalid', 'one bundle is needed', { parameter: 'model' })
  if (values.data === undefined) throw new Problem('parameter-invalid', 'the data file is missing: --data FILE', { parameter: 'data' })
  const bytes = readOrThrow(values.data)
  const data = readDataSet(bytes, { allowed: values['allow-data'] ?? [] })
  const bundle = await loadBundle(folder)
  try {
    const report = await measure(bundle, data, readMasks(bytes), Math.min(integer('images', values.images), data.splits.test.count), integer('seed', values.seed))
    return `${JSON.stringify(report, null, 2)}\n`
  } finally {
    await bundle.release()
  }
}

async function measure(bundle: Bundle, data: DataSet, masks: Masks | null, images: number, seed: number): Promise<object> {
  const { manifest } = bundle
  const measures: ImageMeasures[] = []
  const center: Placed[] = []
  const prior: Placed[] = []
  const mean = masks === null ? null : meanMask(masks.train)
  for (let index = 0; index < images; index++) {
    const input = toInputTensor(decodedImage(data, index), manifest.input)
    const region = masks === null ? null : regionOf(masks.test, index)
    measures.push(await measureImage(bundle, input, region, mixKey(seed, index)))
    if (region === null || mean === null) continue
    center.push(...[placeOn(centerGrid(manifest.patchGrid), input, region)].filter((placed) => placed !== null))
    prior.push(...[placeOn(priorGrid(mean, region, manifest.patchGrid), input, region)].filter((placed) => placed !== null))
  }
  return {
    model: { id: manifest.id, version: manifest.version, graphSha256: manifest.graph.sha256 },
    data: { id: data.facts.id, sha256: data.sha256, split: 'test', images },
    seed,
    ...summarize(measures),
    baselines: masks === null ? null : { center: summarizePlaces(center), meanMaskOfTraining: summarizePlaces(prior) },
  }
}

function integer(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new Problem('parameter-invalid', `--${name} must be a whole number`, { parameter: name })
}

function readOrThrow(file: string): Uint8Array {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new Problem('file-unreadable', 'a file cannot be read', {}, error)
  }
}
