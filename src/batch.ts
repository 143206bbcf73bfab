/**
 * Folder mode: `npm run batch -- --input DIR --output DIR`. A folder of images in, their DICOM results and results.json out.
 *
 * For marketplaces and routers that hand work over in folders. No network: nothing this file imports opens a connection. A run that
 * was broken off goes on where it stopped: what is done is known by the digest of its bytes.
 */
import { createHash } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'
import { parseArgs } from 'node:util'
import type { Deidentification } from './domain/deidentification.ts'
import type { ClassOutput, Counterfactual } from './domain/explanation.ts'
import { NOTICE } from './domain/prediction.ts'
import { Problem, type ProblemData, toProblemData } from './domain/problem.ts'
import { readModels } from './engine/read-models.ts'
import { type Bundle, loadBundle } from './infer/load-bundle.ts'
import { processInstance } from './instance-road.ts'
import { checkDeidentification, DUMMY_TIME, deidentifyPrediction, deidentifyProblem, pseudonym } from './results/deidentify.ts'
import type { InstanceResult } from './routing/instance.ts'
import { parseRules, type Rules } from './routing/rules-file.ts'
import { outliveReader } from './terminal/outlive-reader.ts'

const ROOT = resolve(import.meta.dirname, '..')

const HELP = `npm run batch -- --input DIR --output DIR [options]

Predicts every DICOM instance, PNG and JPEG below a folder and writes DICOM results and results.json. Without network; a run that
was broken off goes on where it stopped.

  --input DIR    the images, in subfolders too
  --output DIR   <SOP Instance UID>.dcm for each result, and results.json
  --model ID     the model for every image (default: the only one there is)
  --rules FILE   instead of --model: rules choose the model, and skip what no rule takes
  --models DIR   the models folder (default: models/released)
  --deidentify   results that hold nothing of the patient: PS3.15 basic profile, by whitelist. Names, dates and UIDs are replaced, in
                 results.json the paths and digests as well; no picture of pixels that may have text burned in
  --deidentify-key FILE
                 the secret that the pseudonyms come from, at least 16 random bytes; the same key gives the same ones again
  --pixels-are-clean
                 with --deidentify: whoever runs this has seen that no text is burned into images that do not say so themselves
  --json         print results.json on standard output and nothing else
  --help         this text

Exit codes: 0 every image was predicted or skipped by a rule; 2 some failed; 3 there was no image; 1 the command itself failed.
`

const OPTIONS = {
  input: { type: 'string' },
  output: { type: 'string' },
  model: { type: 'string' },
  rules: { type: 'string' },
  models: { type: 'string', default: 'models/released' },
  deidentify: { type: 'boolean', default: false },
  'deidentify-key': { type: 'string' },
  'pixels-are-clean': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

const EXIT = { done: 0, commandFailed: 1, someFailed: 2, nothingThere: 3 } as const
/** What a run knows of itself, inside the output folder. */
const RECORDS = '.attending-batch'
/** Marks, among the records, a folder of results of nobody. */
const DEIDENTIFIED = 'deidentified'
const RESULTS = 'results.json'
const MAX_FILE_BYTES = 2 ** 31 - 1
/** How often a file may take the whole process down before it is left alone. */
const MAX_STARTS = 2

interface Command {
  readonly input: string
  readonly output: string
  readonly modelId: string | null
  readonly rules: Rules
  readonly modelsFolder: string
  readonly deidentification: Deidentification | null
  readonly isJson: boolean
}

interface ResultFile {
  readonly kind: string
  readonly map: string | null
  readonly file: string
}

interface FrameRecord {
  readonly frame: number
  readonly predictedClass: string
  readonly classes: readonly ClassOutput[]
  readonly counterfactual: Counterfactual | null
}

/** One image of results.json. */
interface ImageRecord {
  /** Path below the input folder, with slashes. */
  readonly input: string
  readonly sha256: string
  readonly status: 'done' | 'skipped' | 'failed'
  readonly modelId: string | null
  readonly reason: string | null
  readonly problem: ProblemData | null
  readonly frames: readonly FrameRecord[]
  readonly results: readonly ResultFile[]
  /** Objects that this image allows none of, and why. */
  readonly omitted: readonly { readonly kind: string; readonly map: string | null; readonly reason: string }[]
}

/** The exit status. */
async function main(args: readonly string[]): Promise<number> {
  try {
    const command = await readCommand(args)
    if (command === null) {
      process.stdout.write(HELP)
      return EXIT.done
    }
    return await runBatch(command)
  } catch (error) {
    const { code, detail } = toProblemData(error)
    process.stderr.write(`${code}: ${detail}\n`)
    return EXIT.commandFailed
  }
}

async function readCommand(args: readonly string[]): Promise<Command | null> {
  const values = parse(args)
  if (values.help) return null
  if (values.input === undefined || values.output === undefined) throw new Problem('parameter-invalid', 'give --input and --output; --help tells more', { parameter: 'input' })
  if (values.model !== undefined && values.rules !== undefined) throw new Problem('parameter-invalid', 'give --model or --rules, not both', { parameter: 'rules' })
  const [input, output] = [resolve(values.input), resolve(values.output)]
  // Results would be taken for images by the next run.
  if (`${output}${sep}`.startsWith(`${input}${sep}`)) throw new Problem('parameter-invalid', 'the output folder must not lie inside the input folder', { parameter: 'output' })
  const modelsFolder = resolve(ROOT, values.models)
  const models = (await readModels(modelsFolder)).map(({ manifest }) => manifest.id)
  const rules = values.rules === undefined ? { version: 1 as const, rules: [] } : parseRules(await readText(resolve(values.rules)), { models, destinations: [] })
  const deidentification = await readDeidentification(values)
  return { input, output, deidentification, modelId: values.rules === undefined ? chooseModel(models, values.model) : null, rules, modelsFolder, isJson: values.json }
}

function parse(args: readonly string[]): ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'] {
  try {
    return parseArgs({ options: OPTIONS, args: [...args] }).values
  } catch (error) {
    throw new Problem('parameter-invalid', (error as Error).message, { parameter: 'options' }, error)
  }
}

/** Throws: "parameter-invalid" where one of the options comes without the others or the key is too short. */
async function readDeidentification(values: ReturnType<typeof parse>): Promise<Deidentification | null> {
  const keyFile = values['deidentify-key']
  if (!values.deidentify) {
    if (keyFile !== undefined || values['pixels-are-clean'])
      throw new Problem('parameter-invalid', '--deidentify-key and --pixels-are-clean belong to --deidentify', { parameter: 'deidentify' })
    return null
  }
  if (keyFile === undefined) throw new Problem('parameter-invalid', '--deidentify needs --deidentify-key FILE; --help tells more', { parameter: 'deidentify-key' })
  const key = await readFile(resolve(keyFile)).catch((error: unknown) => {
    throw new Problem('file-unreadable', 'the key cannot be read', {}, error)
  })
  const deidentification = { key, pixelsAreClean: values['pixels-are-clean'] }
  checkDeidentification(deidentification)
  return deidentification
}

function chooseModel(models: readonly string[], wanted: string | undefined): string {
  const [only, another] = models
  if (wanted === undefined && only !== undefined && another === undefined) return only
  if (wanted !== undefined && models.includes(wanted)) return wanted
  throw new Problem('model-unknown', `give --model; there are ${models.join(', ')}`, {})
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    throw new Problem('file-unreadable', 'the file cannot be read', {}, error)
  })
}

async function runBatch(command: Command): Promise<number> {
  const files = await findFiles(command.input)
  const road = await openRoad(command)
  const stop = { isWanted: false }
  // The image under way is finished; the next run takes up the rest.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => (stop.isWanted = true))
  const records: ImageRecord[] = []
  try {
    for (const file of files) {
      if (stop.isWanted) break
      records.push(await processFile(command, road, file))
      showProgress(command, records.length, files.length)
    }
  } finally {
    for (const bundle of road.bundles.values()) await bundle.release()
  }
  return report(command, road, records, files.length)
}

/** Regular files, in the order of their paths; a link may lead out of the folder and is not followed. */
async function findFiles(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    throw new Problem('file-unreadable', 'the input folder cannot be read', {}, error)
  })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

interface Road {
  readonly bundles: ReadonlyMap<string, Bundle>
  readonly software: string
  /** When the run began; a run that goes on keeps it, so that its results are the same bytes. ISO 8601, UTC. */
  readonly createdAt: string
}

async function openRoad({ modelsFolder, modelId, rules, output, deidentification }: Command): Promise<Road> {
  await mkdir(join(output, RECORDS), { recursive: true, mode: 0o700 })
  await claimOutput(join(output, RECORDS), deidentification !== null)
  const wanted = modelId === null ? rules.rules.flatMap(({ action }) => ('model' in action ? [action.model] : [])) : [modelId]
  const bundles = new Map<string, Bundle>()
  for (const id of new Set(wanted)) bundles.set(id, await loadBundle(join(modelsFolder, id)))
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  return { bundles, software: `attending ${version}`, createdAt: deidentification === null ? await startOf(join(output, RECORDS, 'run')) : DUMMY_TIME }
}

/**
 * One folder holds results of patients or results of nobody: whoever shares the second must not share the first along with them.
 *
 * Throws: "parameter-invalid" where the folder was begun in the other manner.
 */
async function claimOutput(records: string, isDeidentified: boolean): Promise<void> {
  const names = await readdir(records)
  const wasDeidentified = names.includes(DEIDENTIFIED)
  if (names.length > 0 && wasDeidentified !== isDeidentified) {
    throw new Problem(
      'parameter-invalid',
      `the output folder holds results of ${wasDeidentified ? 'nobody' : 'patients'}: de-identified and other results need folders of their own`,
      { parameter: 'output' },
    )
  }
  if (isDeidentified) await writeFile(join(records, DEIDENTIFIED), '', { mode: 0o600 })
}

/** The time at which the file was made, which is now where it is made now: a record of the run, not a clock. */
async function startOf(path: string): Promise<string> {
  const file = await open(path, 'wx', 0o600).catch(() => null)
  await file?.close()
  return (await stat(path)).mtime.toISOString()
}

async function processFile(command: Command, road: Road, path: string): Promise<ImageRecord> {
  const { size } = await stat(path)
  if (size > MAX_FILE_BYTES) return failed(shownPath(command, path), '', new Problem('dicom-too-large', 'the file is larger than is read', { limitBytes: MAX_FILE_BYTES }))
  const bytes = await readFile(path)
  const input = shownPath(command, path)
  const digest = createHash('sha256').update(bytes).digest('hex')
  const sha256 = command.deidentification === null ? digest : pseudonym(command.deidentification, 'input', digest)
  const recordFile = join(command.output, RECORDS, `${recordKey(command, road, sha256)}.json`)
  const known = await readRecord(recordFile)
  if (known !== null && 'status' in known && (await hasResults(command.output, known))) return { ...known, input }
  const starts = known !== null && 'starts' in known ? known.starts : 0
  if (starts >= MAX_STARTS) return keep(recordFile, failed(input, sha256, new Problem('engine-lost', `the process ended ${starts} times over this image`, {})))
  await writeWhole(recordFile, JSON.stringify({ starts: starts + 1 }))
  return keep(recordFile, await predictFile(command, road, { input, sha256, bytes }))
}

/** Below the input folder, with slashes; a path can hold a name, and where none may be known it is a pseudonym too. */
function shownPath({ input, deidentification }: Command, path: string): string {
  const shown = relative(input, path).split(sep).join('/')
  return deidentification === null ? shown : pseudonym(deidentification, 'path', shown)
}

/** Changes with anything that would change the results: the image, the models, and what chooses among them. */
function recordKey({ modelId, rules, deidentification }: Command, { bundles, software }: Road, sha256: string): string {
  const models = [...bundles].map(([id, { manifest }]) => [id, manifest.graph.sha256])
  return createHash('sha256')
    .update(JSON.stringify([sha256, modelId, rules, models, software, ...(deidentification === null ? [] : ['deidentified', deidentification.pixelsAreClean])]))
    .digest('hex')
    .slice(0, 32)
}

async function readRecord(path: string): Promise<ImageRecord | { readonly starts: number } | null> {
  const text = await readFile(path, 'utf8').catch(() => null)
  return text === null ? null : JSON.parse(text)
}

async function hasResults(output: string, { results }: ImageRecord): Promise<boolean> {
  const sizes = await Promise.all(
    results.map(({ file }) =>
      stat(join(output, file)).then(
        (found) => found.size,
        () => 0,
      ),
    ),
  )
  return sizes.every((size) => size > 0)
}

async function keep(path: string, record: ImageRecord): Promise<ImageRecord> {
  await writeWhole(path, JSON.stringify(record))
  return record
}

interface LoadedFile {
  readonly input: string
  readonly sha256: string
  readonly bytes: Uint8Array
}

async function predictFile(command: Command, road: Road, { input, sha256, bytes }: LoadedFile): Promise<ImageRecord> {
  try {
    const { modelId, rules } = command
    const environment = { createdAt: road.createdAt, utcOffsetMinutes: 0, deviceSerialNumber: 'batch' }
    const { deidentification } = command
    const request = {
      bytes,
      arrival: { door: 'folder', peer: null },
      rules,
      modelId,
      destinations: null,
      requestId: sha256.slice(0, 32),
      environment,
      ...(deidentification && { deidentification }),
    }
    return await toRecord(command, { input, sha256 }, await processInstance(road.bundles, request, road.software))
  } catch (error) {
    const record = failed(input, sha256, error)
    return command.deidentification === null || record.problem === null ? record : { ...record, problem: deidentifyProblem(record.problem) }
  }
}

async function toRecord({ output, deidentification }: Command, names: Pick<ImageRecord, 'input' | 'sha256'>, result: InstanceResult): Promise<ImageRecord> {
  if (result.kind === 'skipped') return { ...names, status: 'skipped', modelId: null, reason: result.reason, problem: null, frames: [], results: [], omitted: [] }
  const results: ResultFile[] = []
  for (const { kind, map, sopInstanceUid, bytes } of result.objects) {
    const file = `${sopInstanceUid}.dcm`
    await writeWhole(join(output, file), bytes)
    results.push({ kind, map, file })
  }
  const frames = result.frames.map(({ frame, prediction }) => {
    const { explanation, inputCheck } = deidentification === null ? prediction : deidentifyPrediction(prediction, deidentification)
    return { frame, predictedClass: explanation.predictedClass, classes: explanation.classes, counterfactual: explanation.counterfactual, inputCheck: inputCheck ?? null }
  })
  return { ...names, status: 'done', modelId: result.modelId, reason: null, problem: null, frames, results, omitted: result.omitted }
}

function failed(input: string, sha256: string, error: unknown): ImageRecord {
  return { input, sha256, status: 'failed', modelId: null, reason: null, problem: toProblemData(error), frames: [], results: [], omitted: [] }
}

/** Beside its place, then renamed: a reader, or the next run, never meets half of a file. */
async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  await writeFile(`${path}.part`, content, { mode: 0o600 })
  await rename(`${path}.part`, path)
}

function showProgress({ isJson }: Command, done: number, total: number): void {
  if (isJson) return
  const width = 30
  const filled = Math.round((width * done) / total)
  const bar = `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ${done}/${total}`
  if (process.stderr.isTTY) process.stderr.write(`\r${bar}${done === total ? '\n' : ''}`)
  // A log gets ten lines, not thousands.
  else if (Math.floor((10 * done) / total) > Math.floor((10 * (done - 1)) / total)) process.stderr.write(`${bar}\n`)
}

async function report({ output, isJson, deidentification }: Command, road: Road, records: readonly ImageRecord[], total: number): Promise<number> {
  // The order of true paths is that of names.
  const images = deidentification === null ? records : records.toSorted((a, b) => (a.input < b.input ? -1 : 1))
  const count = (status: ImageRecord['status']): number => images.filter((image) => image.status === status).length
  const counts = { images: total, done: count('done'), skipped: count('skipped'), failed: count('failed'), left: total - images.length }
  const models = [...road.bundles.values()].map(({ manifest }) => ({ id: manifest.id, version: manifest.version, graphSha256: manifest.graph.sha256 }))
  const text = `${JSON.stringify({ software: road.software, createdAt: road.createdAt, models, counts, images, notice: NOTICE }, null, 2)}\n`
  await writeWhole(join(output, RESULTS), text)
  process.stdout.write(isJson ? text : `${counts.done} predicted, ${counts.skipped} skipped, ${counts.failed} failed, ${counts.left} left. ${NOTICE}\n`)
  if (total === 0) return EXIT.nothingThere
  return counts.failed + counts.left > 0 ? EXIT.someFailed : EXIT.done
}

outliveReader()
process.exitCode = await main(process.argv.slice(2))
