/** A kept answer and its file in, whether this installation gives the same again out: `npm run replay -- PREDICTION FILE`. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { compareAnswers, type Difference } from './artifact/compare-answers.ts'
import type { MapAnswer, PredictionAnswer } from './domain/answer.ts'
import type { ExplanationMap } from './domain/explanation.ts'
import type { PredictionOptions, RenderOptions, RenderRequest } from './domain/prediction.ts'
import { Problem, toProblemData } from './domain/problem.ts'
import { toAnswer, toArtifacts } from './http/to-answer.ts'
import { loadBundle } from './infer/load-bundle.ts'
import { draw, predict } from './pipeline.ts'

const ROOT = resolve(import.meta.dirname, '..')

const HELP = `npm run replay -- PREDICTION FILE [options]

Predicts FILE again and compares every number with PREDICTION (the answer's JSON), and every map that lies beside it or in it
(npy, png, json) byte for byte. Ends with status 0 when all are equal, 1 when not.

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

/** The answer, as far as a replay relies on it. Throws: "parameter-invalid". */
function readAnswer(bytes: Uint8Array): PredictionAnswer {
  const refuse = (cause?: unknown): Problem => new Problem('parameter-invalid', 'the first file is no answer of this program', { parameter: 'PREDICTION' }, cause)
  let answer: PredictionAnswer
  try {
    answer = JSON.parse(Buffer.from(bytes).toString('utf8')) as PredictionAnswer
  } catch (error) {
    throw refuse(error)
  }
  const isAnswer =
    typeof answer?.model?.id === 'string' && typeof answer.provenance?.inputSha256 === 'string' && Array.isArray(answer.maps) && typeof answer.input?.frame === 'number'
  if (!isAnswer || !/^[a-z0-9][a-z0-9.-]{0,127}$/.test(answer.model.id)) throw refuse()
  return answer
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
    const request = { kind: 'predict' as const, modelId: before.model.id, bytes: await read(file), options: optionsOf(before) }
    const { prediction } = await predict(bundle, request, before.provenance.software)
    const now = toAnswer(prediction, before.id, before.createdAt, () => ({ png: '', svg: null, npy: '', json: '' }))
    // What was written is JSON: a number that JSON can't hold is compared as JSON has it.
    const { differences, compared } = compareAnswers(before, JSON.parse(JSON.stringify(asOldAs(before, now))))
    const artifacts = toArtifacts(prediction, before.id, before.createdAt)
    const maps = await compareMaps(before, dirname(resolve(path)), { kind: 'render', ...artifacts })
    return { isEqual: differences.length === 0 && maps.differing.length === 0, comparedNumbers: compared, comparedMaps: maps.compared, differences, differingMaps: maps.differing }
  } finally {
    await bundle.release()
  }
}

/** Without what no program said yet when the first answer was made. */
function asOldAs(before: PredictionAnswer, now: PredictionAnswer): PredictionAnswer {
  const maps = now.maps.map((map) => (isWithoutFigures(before, map.name) ? withoutFigures(map) : map))
  if (before.inputCheck !== undefined) return { ...now, maps }
  const { inputCheck: _, ...older } = now
  return { ...older, maps }
}

/** Whether the map was answered before the figures of a map were stated. */
function isWithoutFigures({ maps }: PredictionAnswer, name: string): boolean {
  return maps.some((map) => map.name === name && map.gridSha256 === undefined)
}

function withoutFigures(map: MapAnswer): MapAnswer {
  const { shape: _, layer: _1, head: _2, headRange: _3, explainedClass: _4, marks: _5, formula: _6, statistics: _7, numbers: _8, gridSha256: _9, ...older } = map
  return older
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
    const map = found !== undefined && isWithoutFigures(answer, name) ? drawnWithoutFigures(found) : found
    for (const format of FORMATS) {
      const kept = await keptMap(href[format], folder)
      if (kept === null || map === undefined) continue
      compared++
      const { bytes } = await draw({ ...request, map, options: { ...OVERLAY, format } })
      if (!Buffer.from(bytes).equals(kept)) differing.push(`${name}.${format}`)
    }
  }
  return { compared, differing }
}

function drawnWithoutFigures(map: ExplanationMap): ExplanationMap {
  const { formula: _, statistics: _1, ...older } = map
  return older
}

async function keptMap(link: string, folder: string): Promise<Buffer | null> {
  const data = /^data:[^,]*;base64,(.*)$/s.exec(link)?.[1]
  if (data !== undefined) return Buffer.from(data, 'base64')
  // Only a plain file name beside the answer: a link never leads out of the folder.
  if (!/^[a-z0-9-]+\.(npy|json|png)$/.test(link) || !existsSync(join(folder, link))) return null
  return Buffer.from(await read(join(folder, link)))
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

process.exitCode = await main(process.argv.slice(2))
