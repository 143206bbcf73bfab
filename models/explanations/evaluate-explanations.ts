/** `npm run evaluate -- <bundle> --explanations`: a bundle and a data file in, how far its maps can be trusted as one JSON document out. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { InputTensor } from '../../src/domain/image.ts'
import { Problem } from '../../src/domain/problem.ts'
import { shuffle } from '../../src/explain/validation/coherence.ts'
import { toInputTensor } from '../../src/imaging/to-input-tensor.ts'
import { type BundleFiles, readBundleFiles } from '../../src/infer/bundle-files.ts'
import { type Bundle, openBundle } from '../../src/infer/load-bundle.ts'
import { mixKey } from '../../src/tensor/counter-random.ts'
import { parseCommand } from '../command.ts'
import type { DataSet, SplitName } from '../data/data-set.ts'
import { nearTwins, TWIN_CORRELATION } from '../data/near-twins.ts'
import { readDataSet } from '../data/read-data-set.ts'
import { type Annotations, readAnnotations } from './annotations.ts'
import { chooseDefault } from './choose-default.ts'
import { centerGrid, decodedImage, meanRegionShare, priorMap, strongestPart } from './marked-images.ts'
import { type ImageMeasures, measureImage, type Placed, placeOn, placePixels } from './measure-image.ts'
import { measurePasses, RISE_MASKS } from './measure-passes.ts'
import { randomizeModel } from './randomize-model.ts'
import { bundleOfCheckpoint, bundleOfFolder, repeatMasks, repeatTraining } from './repeat-training.ts'
import { bestThreshold, bestThresholdOf, type PlaceSummary, type Summary, summarize, summarizePlaces, type ThresholdOf } from './summarize.ts'

const HELP = `npm run evaluate -- <bundle folder> --explanations --data <file.npz or its folder> [options]

Prints one JSON document about the maps of a bundle, each image through the server's own preprocessing: deletion and insertion
AUC beside random orders, what a change of class changes, agreement, coherence of communities against shuffles; maps against
those of forgotten weights, of other trainings and of other drawn masks; and, where the file holds masks or boxes, pointing game,
relevance mass and rank, average precision and IoU beside chance, the center and the training split's regions. Thresholds and
the default map are chosen on the validation split; everything else is of the test split, and once more of it without the images
that have a near twin in the training split. Progress goes to standard error.

  --data FILE          a .npz, told by its checksum, or a folder with one
  --allow-data SHA256  read this file all the same; may be repeated
  --images N           of each split, drawn by the seed (default: all where regions are marked, else as many as --curves)
  --curves N           images of each split with deletion and insertion, the long part (default 50)
  --forget N           test images for the forgotten weights and for --seeds; 0 leaves both out (default 10)
  --passes N           images of each split with occlusion and RISE: about a thousand runs of the network each (default 0)
  --seeds A,B,...      other trainings of the same recipe: checkpoints or bundle folders
  --seed N             of drawn images, random orders, shuffles, fresh weights and drawn masks (default 0)
  --help               this text
`

const OPTIONS = {
  explanations: { type: 'boolean' },
  data: { type: 'string' },
  'allow-data': { type: 'string', multiple: true },
  images: { type: 'string' },
  curves: { type: 'string', default: '50' },
  forget: { type: 'string', default: '10' },
  passes: { type: 'string', default: '0' },
  seeds: { type: 'string' },
  seed: { type: 'string', default: '0' },
  help: { type: 'boolean' },
} as const

interface Setting {
  readonly bundle: Bundle
  readonly files: BundleFiles
  readonly data: DataSet
  readonly annotations: Annotations | null
  readonly images: number
  readonly curves: number
  readonly seed: number
  readonly report: (line: string) => void
}

/** What is printed. `report` is given a line now and then, for a person who waits. */
export async function evaluateExplanations(args: readonly string[], report: (line: string) => void): Promise<string> {
  const { values, positionals } = parseCommand(args, OPTIONS)
  const [folder, ...more] = positionals
  if (values.help) return HELP
  if (folder === undefined || more.length > 0) throw new Problem('parameter-invalid', 'one bundle is needed', { parameter: 'model' })
  if (values.data === undefined) throw new Problem('parameter-invalid', 'the data file is missing: --data FILE', { parameter: 'data' })
  const bytes = readOrThrow(dataFileOf(values.data))
  const data = readDataSet(bytes, { allowed: values['allow-data'] ?? [] })
  const annotations = readAnnotations(bytes, data)
  const curves = integer('curves', values.curves)
  const images = values.images === undefined ? (annotations === null ? curves : Number.POSITIVE_INFINITY) : integer('images', values.images)
  const files = await readBundleFiles(folder)
  checkClasses(files, data)
  const bundle = await openBundle(files)
  try {
    const setting = { bundle, files, data, annotations, images, curves, seed: integer('seed', values.seed), report }
    const { splits, prior } = await measureSplits(setting)
    const manyPasses = await measureManyPasses(setting, integer('passes', values.passes))
    const weights = await measureWeights(setting, integer('forget', values.forget), listOf(values.seeds))
    const { model, data: facts, seed, ...measured } = splits
    const document = {
      model,
      data: facts,
      seed,
      default: chooseDefault(splits.validation, prior, weights.randomization?.hasForgotten ?? null),
      ...measured,
      manyPasses,
      ...weights,
    }
    return `${JSON.stringify(document, null, 2)}\n`
  } finally {
    await bundle.release()
  }
}

/** The maps of the bundle itself, on validation and test. */
async function measureSplits(setting: Setting) {
  const { bundle, data, annotations, seed } = setting
  const { manifest } = bundle
  const validation = await measureSplit(setting, 'validation')
  const test = await measureSplit(setting, 'test')
  const baselines = annotations === null ? null : baselinesOf(setting, annotations)
  const onValidation = summarize(validation)
  const thresholdOf: ThresholdOf = (name) => bestThresholdOf(validation, name)
  const splits = {
    model: { id: manifest.id, version: manifest.version, graphSha256: manifest.graph.sha256 },
    data: { id: data.facts.id, sha256: data.sha256, annotation: annotations?.kind ?? null },
    seed,
    validation: onValidation,
    test: summarize(test, thresholdOf),
    twins: withoutTwins(setting, test, thresholdOf),
    baselines,
  }
  return { splits, prior: baselines?.validation.prior ?? null }
}

/** The test split's summary again without the images that training has seen nearly the same of. */
interface Twins {
  readonly correlationAbove: number
  readonly images: number
  /** Null where no image has a twin: `test` is the answer. */
  readonly testWithoutThem: Summary | null
}

function withoutTwins(setting: Setting, test: readonly ImageMeasures[], thresholdOf: ThresholdOf): Twins {
  const twins = new Set(nearTwins(setting.data, 'test'))
  const indices = imagesOf(setting, 'test')
  const others = test.filter((_, number) => !twins.has(indices[number] ?? -1))
  const images = test.length - others.length
  return { correlationAbove: TWIN_CORRELATION, images, testWithoutThem: images === 0 ? null : summarize(others, thresholdOf) }
}

/** Which images of a split are measured: all, or as many as were asked for, drawn by the seed, since a file's first ones may be of one class. */
function imagesOf({ images, data, seed }: Setting, split: SplitName): readonly number[] {
  return drawn(images, data.splits[split].count, seed)
}

/** `count` of the numbers below `total`, ascending; the same for the same seed. */
function drawn(count: number, total: number, seed: number): readonly number[] {
  const all = Array.from({ length: total }, (_, index) => index)
  return count >= total ? all : [...shuffle(all, seed)].slice(0, count).sort((a, b) => a - b)
}

function inputOf({ bundle, data }: Setting, split: SplitName, index: number): InputTensor {
  return toInputTensor(decodedImage(data, index, split), bundle.manifest.input)
}

async function measureSplit(setting: Setting, split: SplitName): Promise<readonly ImageMeasures[]> {
  const { bundle, annotations, curves, seed, report } = setting
  const images = imagesOf(setting, split)
  const withCurves = new Set(drawn(curves, images.length, seed))
  const measures: ImageMeasures[] = []
  for (const [number, index] of images.entries()) {
    const region = annotations?.regionOf(split, index) ?? null
    measures.push(await measureImage(bundle, inputOf(setting, split, index), region, mixKey(seed, index), withCurves.has(number)))
    if ((number + 1) % 10 === 0 || number + 1 === images.length) report(`${split}: ${number + 1} of ${images.length} images`)
  }
  return measures
}

interface Baselines {
  readonly center: PlaceSummary | null
  /** The training split's regions, added up: the same map for every image. */
  readonly prior: PlaceSummary | null
  /** Mean IoU of the prior's strongest part, as large as this split's regions are on average. */
  readonly priorIouAtMeanArea: number
}

/** What can be had without looking at an image. */
function baselinesOf(setting: Setting, annotations: Annotations): Record<'validation' | 'test', Baselines> {
  const prior = priorMap(annotations, setting.data)
  const placesOf = (split: SplitName): { readonly center: readonly Placed[]; readonly prior: readonly Placed[]; readonly area: number } => {
    const indices = imagesOf(setting, split)
    const regions = indices.map((index) => annotations.regionOf(split, index))
    const part = strongestPart(prior, meanRegionShare(regions))
    const center = centerGrid(setting.bundle.manifest.patchGrid)
    const present = (places: readonly (Placed | null)[]): readonly Placed[] => places.filter((placed) => placed !== null)
    return {
      center: present(regions.map((region, number) => placeOn(center, inputOf(setting, split, indices[number] ?? 0), region))),
      prior: present(regions.map((region) => placePixels(prior, region))),
      area: summarizePlaces(present(regions.map((region) => placePixels(part, region))))?.bestThresholdIouUpperBound ?? 0,
    }
  }
  const validation = placesOf('validation')
  const test = placesOf('test')
  const summaryOf = ({ center, prior: placed, area }: typeof test, thresholds: { readonly center: number | null; readonly prior: number | null }): Baselines => ({
    center: summarizePlaces(center, thresholds.center),
    prior: summarizePlaces(placed, thresholds.prior),
    priorIouAtMeanArea: area,
  })
  return {
    validation: summaryOf(validation, { center: null, prior: null }),
    test: summaryOf(test, { center: bestThreshold(validation.center), prior: bestThreshold(validation.prior) }),
  }
}

/** Occlusion and RISE on the first images of each split, beside what needs no image on the same ones; null where none are asked for, or nothing is marked. */
async function measureManyPasses(setting: Setting, count: number): Promise<object | null> {
  const { annotations } = setting
  if (count === 0 || annotations === null) return null
  const few = { ...setting, images: Math.min(count, setting.images) }
  const validation = await passesOfSplit(few, annotations, 'validation')
  const test = await passesOfSplit(few, annotations, 'test')
  const maps = [...validation.keys()].map((name) => {
    const [onValidation = [], onTest = []] = [validation.get(name), test.get(name)]
    return [name, { validation: summarizePlaces(onValidation), test: summarizePlaces(onTest, bestThreshold(onValidation)) }] as const
  })
  return { riseMasks: RISE_MASKS, maps: Object.fromEntries(maps), baselines: baselinesOf(few, annotations) }
}

/** By map its places on the split's images that have a region. */
async function passesOfSplit(setting: Setting, { regionOf }: Annotations, split: SplitName): Promise<ReadonlyMap<string, readonly Placed[]>> {
  const { bundle, seed, report } = setting
  const images = imagesOf(setting, split)
  const places = new Map<string, Placed[]>()
  for (const [number, index] of images.entries()) {
    const found = await measurePasses(bundle, inputOf(setting, split, index), regionOf(split, index), mixKey(seed, index))
    for (const [name, placed] of Object.entries(found)) places.set(name, [...(places.get(name) ?? []), ...(placed === null ? [] : [placed])])
    report(`many passes, ${split}: ${number + 1} of ${images.length} images`)
  }
  return places
}

/** What becomes of the maps under other weights and other masks. */
async function measureWeights(setting: Setting, count: number, seeds: readonly string[]) {
  const { bundle, files, data, seed, report } = setting
  const inputs = drawn(count, data.splits.test.count, seed).map((index) => inputOf(setting, 'test', index))
  if (inputs.length === 0) return { randomization: null, seeds: null, masks: null }
  const isOurs = files.manifest.training?.['network'] !== undefined
  const randomization = isOurs ? await randomizeModel(files, inputs, seed, (stage) => report(`forgotten weights: ${stage}`)) : null
  return { randomization, seeds: seeds.length === 0 ? null : await measureSeeds(setting, inputs, seeds), masks: await repeatMasks(bundle, inputs, seed) }
}

async function measureSeeds({ bundle, files, report }: Setting, inputs: readonly InputTensor[], seeds: readonly string[]): Promise<object> {
  const others: Bundle[] = []
  try {
    for (const path of seeds) others.push(await (isFolder(path) ? bundleOfFolder(files, path) : bundleOfCheckpoint(files, readOrThrow(path))))
    report(`seeds: ${others.length + 1} trainings, ${inputs.length} images`)
    return await repeatTraining([bundle, ...others], inputs)
  } finally {
    for (const other of others) await other.release()
  }
}

function checkClasses({ manifest }: BundleFiles, { facts }: DataSet): void {
  if (manifest.classes.length === facts.classes.length) return
  throw new Problem('shape-mismatch', 'the data has other classes than the bundle', { expected: [manifest.classes.length], actual: [facts.classes.length] })
}

/** The file itself, or the only .npz of a folder. Throws: "file-unreadable". */
function dataFileOf(path: string): string {
  if (!isFolder(path)) return path
  const [name, ...more] = readdirSync(path).filter((file) => file.endsWith('.npz'))
  if (name === undefined || more.length > 0) throw new Problem('file-unreadable', 'the folder of --data does not hold exactly one .npz', {})
  return join(path, name)
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

function listOf(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
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
