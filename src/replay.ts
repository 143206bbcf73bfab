/** A kept answer and its file in, whether this installation gives the same again out: `npm run replay -- PREDICTION FILE`. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { answerAsOldAs, captionAsOldAs, jsonAsOldAs, mapAsOldAs } from './artifact/as-old-as.ts'
import { compareAnswers, type Difference } from './artifact/compare-answers.ts'
import { drawnOptions } from './artifact/drawn-options.ts'
import type { ExplanationAnswer, MapAnswer, MapLinks, PredictionAnswer } from './domain/answer.ts'
import type { PerturbationMethod } from './domain/perturbation.ts'
import type { PredictionOptions, RenderOptions, RenderRequest } from './domain/prediction.ts'
import { Problem, toProblemData } from './domain/problem.ts'
import { toAnswer, toArtifacts, toMapAnswer } from './http/to-answer.ts'
import { type Bundle, loadBundle } from './infer/load-bundle.ts'
import { draw, explainByPasses, predict } from './pipeline.ts'
import { outliveReader } from './terminal/outlive-reader.ts'

const ROOT = resolve(import.meta.dirname, '..')

const HELP = `npm run replay -- PREDICTION FILE [options]

Predicts FILE again and compares every number with PREDICTION (the answer's JSON), and every map that lies in it, or beside it
under the name of its link (npy, png, json), byte for byte; a picture is drawn again with the options that it names.
PREDICTION may also be the JSON of an explanation that is done (occlusion, RISE): all of its forward passes are then run again.
Ends with status 0 when all are equal, 1 when not.

  --models DIR   the models folder (default: models/released)
  --json         print one JSON document and nothing else
  --help         this text
`

interface Command {
  readonly prediction: string
  readonly file: string
  readonly models: string
  readonly isJson: boolean
}

interface Replay {
  readonly isEqual: boolean
  readonly comparedNumbers: number
  readonly comparedMaps: number
  readonly differences: readonly Difference[]
  readonly differingMaps: readonly string[]
}

/** Formats of a kept map that are compared. */
const FORMATS = ['npy', 'json', 'png'] as const
/** Links are of the occasion, and not compared. */
const NOWHERE: MapLinks = { png: '', svg: null, npy: '', json: '' }
const OVERLAY: Omit<RenderOptions, 'format'> = { style: 'overlay', alpha: 0.4, head: null, colormap: null, size: 'source' }

function readCommand(args: readonly string[]): Command | null {
  const { values, positionals } = parse(args)
  if (values.help === true) return null
  const [prediction, file] = positionals
  if (prediction === undefined || file === undefined || positionals.length > 2)
    throw new Problem('parameter-invalid', 'give the answer and the file; --help tells more', { parameter: 'FILE' })
  return { prediction, file, models: resolve(ROOT, values.models ?? 'models/released'), isJson: values.json === true }
}

function parse(args: readonly string[]): { values: { models?: string; json?: boolean; help?: boolean }; positionals: string[] } {
  try {
    return parseArgs({ args: [...args], options: { models: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } }, allowPositionals: true })
  } catch (error) {
    throw new Problem('parameter-invalid', (error as Error).message, { parameter: 'options' }, error)
  }
}

async function read(path: string): Promise<Uint8Array> {
  return readFile(path).catch((error: unknown) => {
    throw new Problem('file-unreadable', 'a file cannot be read', {}, error)
  })
}

/** The answer, or the explanation that is done, as far as a replay relies on it. Throws: "parameter-invalid". */
function readAnswer(bytes: Uint8Array): PredictionAnswer | DoneExplanation {
  const refuse = (cause?: unknown): Problem => new Problem('parameter-invalid', 'the first file is no answer of this program', { parameter: 'PREDICTION' }, cause)
  let answer: PredictionAnswer | DoneExplanation
  try {
    answer = JSON.parse(Buffer.from(bytes).toString('utf8')) as PredictionAnswer | DoneExplanation
  } catch (error) {
    throw refuse(error)
  }
  const isMade = typeof answer?.model?.id === 'string' && typeof answer.provenance?.inputSha256 === 'string'
  if (!isMade || !/^[a-z0-9][a-z0-9.-]{0,127}$/.test(answer.model.id)) throw refuse()
  if (isExplanation(answer) ? !isDone(answer) : !Array.isArray(answer.maps) || typeof answer.input?.frame !== 'number') throw refuse()
  return answer
}

/** An explanation with its map. */
type DoneExplanation = ExplanationAnswer & { readonly map: MapAnswer }

function isExplanation(answer: PredictionAnswer | DoneExplanation): answer is DoneExplanation {
  return 'predictionId' in answer
}

function isDone({ state, map, frame, method, baseline, masks, seed, explainedClass }: DoneExplanation): boolean {
  const isComplete = method === 'occlusion' ? baseline === 'mean' || baseline === 'blur' : method === 'rise' && Number.isSafeInteger(masks) && Number.isSafeInteger(seed)
  return state === 'done' && map !== null && isComplete && Number.isSafeInteger(frame) && Number.isSafeInteger(explainedClass?.index)
}

/** What was asked, told by what was answered. */
function optionsOf(answer: PredictionAnswer): PredictionOptions {
  return {
    frame: answer.input.frame,
    maps: answer.maps.map(({ name }) => name),
    explainedClass: answer.explainedClass,
    seed: answer.provenance.seed ?? 0,
    samples: answer.uncertainty?.samples ?? 0,
  }
}

async function run({ prediction: path, file, models }: Command): Promise<Replay> {
  const before = readAnswer(await read(path))
  const bundle = await loadBundle(join(models, before.model.id))
  try {
    const bytes = await read(file)
    return isExplanation(before) ? await replayExplanation(bundle, before, bytes) : await replayPrediction(bundle, before, bytes, dirname(resolve(path)))
  } finally {
    await bundle.release()
  }
}

/** The map is told by its figures, the hash of its grid among them: no file of it is looked for. */
async function replayExplanation(bundle: Bundle, before: DoneExplanation, bytes: Uint8Array): Promise<Replay> {
  const { frame, explainedClass, provenance } = before
  const options: PredictionOptions = { frame, maps: [], explainedClass: null, seed: provenance.seed ?? 0, samples: 0 }
  const { prediction } = await predict(bundle, { kind: 'predict', modelId: before.model.id, bytes, options }, provenance.software)
  if (prediction.networkInput === undefined) throw new Problem('internal', 'the road kept no input', {})
  const order = { modelId: before.model.id, method: methodOf(before), pixels: prediction.networkInput, classIndex: explainedClass.index, networkSeed: provenance.seed ?? 0 }
  const map = await explainByPasses(bundle, order)
  const { model, explanation, provenance: made } = prediction
  const now = { ...before, model, provenance: made, map: toMapAnswer(map, explanation.classes, NOWHERE) }
  const { differences, compared } = compareAnswers(before, JSON.parse(JSON.stringify(now)))
  return { isEqual: differences.length === 0, comparedNumbers: compared, comparedMaps: 0, differences, differingMaps: [] }
}

function methodOf({ method, baseline, masks, seed }: DoneExplanation): PerturbationMethod {
  return method === 'occlusion' ? { kind: 'occlusion', baseline: baseline ?? 'mean' } : { kind: 'rise', masks: masks ?? 0, seed: seed ?? 0 }
}

async function replayPrediction(bundle: Bundle, before: PredictionAnswer, bytes: Uint8Array, folder: string): Promise<Replay> {
  const request = { kind: 'predict' as const, modelId: before.model.id, bytes, options: optionsOf(before) }
  const { prediction } = await predict(bundle, request, before.provenance.software)
  const now = toAnswer(prediction, before.id, before.createdAt, () => NOWHERE)
  // What was written is JSON: a number that JSON can't hold is compared as JSON has it.
  const { differences, compared } = compareAnswers(before, JSON.parse(JSON.stringify(answerAsOldAs(before, now))))
  const artifacts = toArtifacts(prediction, before.id, before.createdAt)
  const maps = await compareMaps(before, folder, { kind: 'render', ...artifacts })
  return { isEqual: differences.length === 0 && maps.differing.length === 0, comparedNumbers: compared, comparedMaps: maps.compared, differences, differingMaps: maps.differing }
}

/** Every kept map drawn again: those inside the answer as data URLs, and those that lie beside it. */
async function compareMaps(
  answer: PredictionAnswer,
  folder: string,
  request: Omit<RenderRequest, 'map' | 'options'>,
): Promise<{ readonly compared: number; readonly differing: readonly string[] }> {
  const differing: string[] = []
  let compared = 0
  for (const { name, href } of answer.maps) {
    const found = request.maps.find((candidate) => candidate.name === name)
    if (found === undefined) continue
    const map = mapAsOldAs(answer, found)
    for (const format of FORMATS) {
      const kept = await keptMap(href[format], folder)
      if (kept === null) continue
      compared++
      const drawn = { map: format === 'json' ? jsonAsOldAs(kept, map) : map, caption: captionAsOldAs(kept, request.caption) }
      const { bytes } = await draw({ ...request, ...drawn, options: { ...(drawnOptions(kept) ?? OVERLAY), format } })
      if (!Buffer.from(bytes).equals(kept)) differing.push(`${name}.${format}`)
    }
  }
  return { compared, differing }
}

async function keptMap(link: string, folder: string): Promise<Buffer | null> {
  const data = /^data:[^,]*;base64,(.*)$/s.exec(link)?.[1]
  if (data !== undefined) return Buffer.from(data, 'base64')
  // Only a plain file name beside the answer, the last of a server's link: none leads out of the folder.
  const name = /(?:^|\/)([a-z0-9-]+\.(?:npy|json|png))$/.exec(link)?.[1]
  if (name === undefined || !existsSync(join(folder, name))) return null
  return Buffer.from(await read(join(folder, name)))
}

function toText({ isEqual, comparedNumbers, comparedMaps, differences, differingMaps }: Replay): string {
  const lines = [
    ...differences.map(({ path, before, now }) => `${path}: was ${JSON.stringify(before)}, is ${JSON.stringify(now)}`),
    ...differingMaps.map((name) => `${name}: other bytes`),
    `${isEqual ? 'Equal' : 'DIFFERENT'}: ${comparedNumbers} values and ${comparedMaps} map files compared, ${differences.length} values and ${differingMaps.length} map files differ.`,
  ]
  return `${lines.join('\n')}\n`
}

/** The exit status. */
async function main(args: readonly string[]): Promise<number> {
  try {
    const command = readCommand(args)
    if (command === null) {
      process.stdout.write(HELP)
      return 0
    }
    const replay = await run(command)
    process.stdout.write(command.isJson ? `${JSON.stringify(replay, null, 2)}\n` : toText(replay))
    return replay.isEqual ? 0 : 1
  } catch (error) {
    const { code, detail } = toProblemData(error)
    process.stderr.write(`${code}: ${detail}\n`)
    return 1
  }
}

outliveReader()
process.exitCode = await main(process.argv.slice(2))
