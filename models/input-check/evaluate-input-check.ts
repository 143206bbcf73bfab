/** `npm run evaluate -- <bundle> --input-check`: a bundle, its own data and data that it was not made for in, how well the input check tells them apart as one JSON document out. */
import { readFileSync } from 'node:fs'
import type { DecodedImage } from '../../src/domain/image.ts'
import type { ScopeCheck } from '../../src/domain/input-check.ts'
import { Problem } from '../../src/domain/problem.ts'
import { checkInput } from '../../src/explain/input-check.ts'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { toInputTensor } from '../../src/imaging/to-input-tensor.ts'
import { type Bundle, loadBundle } from '../../src/infer/load-bundle.ts'
import { quantileOf } from '../../src/tensor/mahalanobis.ts'
import { parseCommand } from '../command.ts'
import type { DataSet } from '../data/data-set.ts'
import { readDataSet } from '../data/read-data-set.ts'
import { decodedImage } from '../explanations/marked-images.ts'
import { CHANGES } from './changed-images.ts'
import { type ImageScores, type Limits, reportGroup, type ScoreName } from './scores.ts'

const HELP = `npm run evaluate -- <bundle folder> --input-check --data <file.npz> [options]

Prints one JSON document: how far the bundle's input check tells the test split of its own data from other images, by each score:
AUROC, the part above the limit that 99 % of the validation images keep, and the part of each verdict. The test split itself
is the rate of false alarms. Its images inverted, mirrored, upside down, and noise, are always measured.

  --data FILE          the .npz that the bundle was trained on, told by its checksum
  --against FILE       another .npz: all of its images; may be repeated
  --image FILE         a DICOM, PNG or JPEG file: its verdict and its findings; may be repeated
  --allow-data SHA256  read this .npz all the same; may be repeated
  --help               this text
`

const OPTIONS = {
  'input-check': { type: 'boolean' },
  data: { type: 'string' },
  against: { type: 'string', multiple: true },
  image: { type: 'string', multiple: true },
  'allow-data': { type: 'string', multiple: true },
  help: { type: 'boolean' },
} as const

/** What is printed. */
export async function evaluateInputCheck(args: readonly string[]): Promise<string> {
  const { values, positionals } = parseCommand(args, OPTIONS)
  const [folder, ...more] = positionals
  if (values.help) return HELP
  if (folder === undefined || more.length > 0) throw new Problem('parameter-invalid', 'one bundle is needed', { parameter: 'model' })
  if (values.data === undefined) throw new Problem('parameter-invalid', 'the data file is missing: --data FILE', { parameter: 'data' })
  const read = (file: string): DataSet => readDataSet(readOrThrow(file), { allowed: values['allow-data'] ?? [] })
  const data = read(values.data)
  const others = (values.against ?? []).map(read)
  const bundle = await loadBundle(folder)
  try {
    const report = await measure(bundle, data, others)
    const images = []
    for (const file of values.image ?? []) images.push(await describe(bundle, readOrThrow(file)))
    return `${JSON.stringify({ ...report, images }, null, 2)}\n`
  } finally {
    await bundle.release()
  }
}

async function measure(bundle: Bundle, data: DataSet, others: readonly DataSet[]): Promise<object> {
  const { id, version, graph, inputCheck } = bundle.manifest
  if (!inputCheck?.embedding) throw new Problem('parameter-invalid', 'the bundle has no statistics of its training images', { parameter: 'model' })
  const validation = await scoresOf(bundle, imagesOf(data, 'validation'))
  const own = await scoresOf(bundle, imagesOf(data, 'test'))
  const limitOf = (name: ScoreName): number =>
    quantileOf(
      validation.map((scores) => scores[name]),
      inputCheck.quantile,
    )
  const limits: Limits = {
    histogram: inputCheck.histogram.unusualAbove,
    embedding: inputCheck.embedding.unusualAbove,
    saturated: limitOf('saturated'),
    missingEntropy: limitOf('missingEntropy'),
  }
  const groups: Record<string, object> = { validation: reportGroup(validation, own, limits), test: reportGroup(own, own, limits) }
  for (const [name, change] of Object.entries(CHANGES)) groups[name] = reportGroup(await scoresOf(bundle, imagesOf(data, 'test').map(change)), own, limits)
  for (const other of others) {
    const images = (['train', 'validation', 'test'] as const).flatMap((split) => imagesOf(other, split))
    groups[other.facts.id] = reportGroup(await scoresOf(bundle, images), own, limits)
  }
  const outOfScopeAbove = { histogram: inputCheck.histogram.outOfScopeAbove, embedding: inputCheck.embedding.outOfScopeAbove }
  return { model: { id, version, graphSha256: graph.sha256 }, data: { id: data.facts.id, sha256: data.sha256 }, limits, outOfScopeAbove, groups }
}

function imagesOf(data: DataSet, split: 'train' | 'validation' | 'test'): DecodedImage[] {
  const shown = { ...data, splits: { ...data.splits, test: data.splits[split] } }
  return Array.from({ length: data.splits[split].count }, (_, index) => decodedImage(shown, index))
}

async function checkOf(bundle: Bundle, image: DecodedImage): Promise<ReturnType<typeof checkInput>> {
  const input = toInputTensor(image, bundle.manifest.input)
  const outputs = await bundle.run(input, { outputs: ['logits', 'embedding'], withoutStructure: false, seed: 0, samples: 0 })
  return checkInput(bundle.manifest, image, input, outputs)
}

async function scoresOf(bundle: Bundle, images: readonly DecodedImage[]): Promise<ImageScores[]> {
  const scores: ImageScores[] = []
  for (const image of images) {
    const { verdict, findings, statistics } = await checkOf(bundle, image)
    const distance = (check: ScopeCheck): number => findings.find((finding) => finding.check === check)?.distance ?? 0
    scores.push({
      verdict,
      histogram: distance('gray-histogram'),
      embedding: distance('embedding'),
      saturated: statistics.saturatedShare,
      missingEntropy: 5 - statistics.entropyBits,
    })
  }
  return scores
}

/** A file's check as the server would answer it, the file named by its bytes alone. */
async function describe(bundle: Bundle, bytes: Uint8Array): Promise<object> {
  const { image } = await decodeImage(bytes, { frame: 1 })
  const { modality, rows, columns } = image.facts
  return { modality, rows, columns, ...(await checkOf(bundle, image)) }
}

function readOrThrow(file: string): Uint8Array {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new Problem('file-unreadable', 'a file cannot be read', {}, error)
  }
}
