/** `npm run evaluate`: a bundle or a checkpoint and a data file in, its figures as one JSON document out. */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import type { DecodedImage } from '../src/domain/image.ts'
import { Problem } from '../src/domain/problem.ts'
import { toInputTensor } from '../src/imaging/to-input-tensor.ts'
import { type Bundle, loadBundle } from '../src/infer/load-bundle.ts'
import { type Tensor, tensorOf } from '../src/tensor/tensor.ts'
import { BACKEND_NAMES, chooseBackend, parseBackendName } from './backend/choose-backend.ts'
import { readCheckpoint } from './checkpoint.ts'
import { parseCommand, runCommand } from './command.ts'
import type { DataSet, SplitName } from './data/data-set.ts'
import { openDataSet } from './data/open-data-set.ts'
import { type InputShape, TRAINING_FIT } from './data/read-image-folder.ts'
import { evaluateCheckpoint, evaluateLogits } from './evaluate-checkpoint.ts'
import { evaluateExplanations } from './explanations/evaluate-explanations.ts'
import { evaluateInputCheck } from './input-check/evaluate-input-check.ts'
import { metricsOf } from './metrics.ts'
import { evaluationReport, type ReportSubject } from './report/evaluation-report.ts'
import { type TrainingRecord, trainingRecordOf } from './training/training-record.ts'

const HELP = `npm run evaluate -- <bundle folder or checkpoint.safetensors> --data <file.npz | table.csv> [options]

Prints one JSON document: accuracy, AUC (one-vs-rest), balanced accuracy, recall of each class with 95 % intervals, ECE, Brier,
NLL, before and after temperature scaling, all on the test split; the temperature is fitted on the validation split.
A bundle runs as it is served, in ONNX Runtime, each image through the server's own preprocessing; a checkpoint runs in TF.js.

  --data FILE          a MedMNIST .npz, told by its checksum, an unknown file is refused; or a table (.csv) of images, see "npm run train"
  --allow-data SHA256  read this .npz all the same, named by its SHA-256; may be repeated
  --images DIR         of a table: where its images lie (default: the table's folder)
  --cache DIR          of a table: keep the decoded images there for the next run (they are pictures of patients)
  --backend NAME       of a checkpoint: ${BACKEND_NAMES.join(', ')} (default: the first that starts)
  --report FILE        also write an HTML page with ROC, reliability and learning curves, which needs nothing beside it
  --explanations       measure the maps of a bundle instead; has options of its own: --explanations --help
  --input-check        measure how far a bundle's input check tells other images apart instead; options of its own: --input-check --help
  --help               this text
`

const OPTIONS = {
  data: { type: 'string' },
  'allow-data': { type: 'string', multiple: true },
  images: { type: 'string' },
  cache: { type: 'string' },
  backend: { type: 'string' },
  report: { type: 'string' },
  help: { type: 'boolean' },
} as const

process.exitCode = await runCommand(evaluate, process.argv.slice(2))

/** What is printed. */
async function evaluate(args: readonly string[]): Promise<string> {
  if (args.includes('--explanations')) return evaluateExplanations(args, (line) => process.stderr.write(`${line}\n`))
  if (args.includes('--input-check')) return evaluateInputCheck(args)
  const { values, positionals } = parseCommand(args, OPTIONS)
  const [model, ...more] = positionals
  if (values.help || args.length === 0) return HELP
  if (model === undefined || more.length > 0) throw new Problem('parameter-invalid', 'one bundle or checkpoint is needed', { parameter: 'model' })
  if (values.data === undefined) throw new Problem('parameter-invalid', 'the data file is missing: --data FILE', { parameter: 'data' })
  const file = values.data
  const options = { allowed: values['allow-data'] ?? [], folder: values.images ?? null, cacheFolder: values.cache ?? null }
  /** A table is read as the model wants it: its input, its classes in their order. */
  const open: OpenData = (input, classes) => openDataSet(file, { ...options, input, classes })
  const { figures, subject } = isFolder(model) ? await evaluateBundle(model, open) : await evaluateFile(model, open, values.backend)
  if (values.report !== undefined) writeFileSync(values.report, evaluationReport(subject))
  return `${JSON.stringify(figures, null, 2)}\n`
}

interface Evaluated {
  /** What is printed. */
  readonly figures: object
  /** What the page is made of. */
  readonly subject: ReportSubject
}

type OpenData = (input: InputShape, classes: readonly string[]) => Promise<DataSet>

async function evaluateFile(file: string, open: OpenData, backendName: string | undefined): Promise<Evaluated> {
  const checkpoint = readCheckpoint(readOrThrow(file))
  const backend = await chooseBackend(backendName === undefined ? null : parseBackendName(backendName))
  const { recipe, seed, selectedEpoch, data: trainedOn, curves } = trainingRecordOf(checkpoint)
  const { channels, imageSize } = checkpoint.config
  const data = await open({ channels: channels === 3 ? 3 : 1, height: imageSize, width: imageSize, ...TRAINING_FIT }, trainedOn.classes)
  const model = { recipe, seed, selectedEpoch, network: checkpoint.config.network }
  const seen = new Map<SplitName, Tensor>()
  const evaluation = await evaluateCheckpoint(checkpoint, data, backend, (split, logits) => seen.set(split, logits))
  return {
    figures: { model, data: dataFacts(data, trainedOn.sha256), runtime: backend.description, ...evaluation },
    subject: { title: `${recipe}, seed ${seed}`, facts: { network: checkpoint.config.network, runtime: backend.description }, data, evaluation, testLogits: testOf(seen), curves },
  }
}

function testOf(seen: ReadonlyMap<SplitName, Tensor>): Tensor {
  const logits = seen.get('test')
  if (logits === undefined) throw new RangeError('the test split was not evaluated')
  return logits
}

async function evaluateBundle(folder: string, open: OpenData): Promise<Evaluated> {
  const bundle = await loadBundle(folder)
  try {
    const { manifest } = bundle
    const classNames = manifest.classes.map(({ name }) => name)
    const data = await open(manifest.input, classNames)
    if (manifest.classes.length !== data.facts.classes.length) {
      throw new Problem('shape-mismatch', 'the data has other classes than the bundle', { expected: [manifest.classes.length], actual: [data.facts.classes.length] })
    }
    const trainedOn = (manifest.training?.['data'] as { sha256?: string } | undefined)?.sha256 ?? null
    const model = { id: manifest.id, version: manifest.version, network: manifest.network, graphSha256: manifest.graph.sha256 }
    const seen = new Map<SplitName, Tensor>()
    const figures = await evaluateLogits(async (split) => {
      const logits = await bundleLogits(bundle, data, split, false)
      seen.set(split, logits)
      return logits
    }, data)
    const removed = manifest.structure === null ? null : await bundleLogits(bundle, data, 'test', true)
    const withoutStructure = removed === null ? null : { split: 'test' as const, ...metricsOf(removed, data.splits.test.labels) }
    const evaluation = { ...figures, withoutStructure }
    const curves = (manifest.training?.['curves'] as TrainingRecord['curves'] | undefined) ?? null
    return {
      figures: { model, data: dataFacts(data, trainedOn), runtime: bundle.runtime, ...evaluation },
      subject: {
        title: `${manifest.id} ${manifest.version}`,
        facts: { network: manifest.network, 'SHA-256 of the graph': manifest.graph.sha256, runtime: bundle.runtime },
        data,
        evaluation,
        testLogits: testOf(seen),
        curves,
      },
    }
  } finally {
    await bundle.release()
  }
}

function dataFacts(data: DataSet, trainedOn: string | null): object {
  return { id: data.facts.id, sha256: data.sha256, sameAsTraining: data.sha256 === trainedOn, caveats: data.facts.caveats }
}

/** Logits [image, class] of a split from a bundle, image by image, with the structure as trained or removed. */
async function bundleLogits(bundle: Bundle, data: DataSet, split: SplitName, withoutStructure: boolean): Promise<Tensor> {
  const { count } = data.splits[split]
  const classes = bundle.manifest.classes.length
  const logits = new Float32Array(count * classes)
  for (let index = 0; index < count; index++) {
    const input = toInputTensor(decodedImage(data, split, index), bundle.manifest.input)
    const outputs = await bundle.run(input, { outputs: ['logits'], withoutStructure, seed: 0, samples: 0 })
    const row = (withoutStructure ? outputs.withoutStructure : outputs.asTrained)?.logits
    if (row === undefined) throw new Problem('output-missing', 'the bundle gave no logits', { output: 'logits' })
    logits.set(row.data, index * classes)
  }
  return tensorOf(logits, [count, classes])
}

/** An image of the data set as if it had been sent as a PNG: [rows, columns, channel] in [0, 1]. */
function decodedImage({ splits, height, width, channels }: DataSet, split: SplitName, index: number): DecodedImage {
  const size = height * width * channels
  const pixels = Float32Array.from(splits[split].images.subarray(index * size, (index + 1) * size), (byte) => byte / 255)
  const facts: DecodedImage['facts'] = {
    format: 'png',
    rows: height,
    columns: width,
    frame: 1,
    frames: 1,
    modality: null,
    transferSyntaxUid: null,
    photometricInterpretation: null,
    bitsStored: 8,
    window: { center: 127.5, width: 255, function: 'NONE' },
    warnings: [],
  }
  return { facts, pixels: tensorOf(pixels, [height, width, channels]) }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

function readOrThrow(file: string): Uint8Array {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new Problem('file-unreadable', 'a file cannot be read', {}, error)
  }
}
