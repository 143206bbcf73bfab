/** The road without a server: `npm run predict -- FILE`. A file's path in, the answer and its overlays out. */
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { PredictionAnswer } from './domain/answer.ts'
import type { PredictionOptions } from './domain/prediction.ts'
import { Problem, toProblemData } from './domain/problem.ts'
import { readModels } from './engine/read-models.ts'
import { toAnswer, toArtifacts } from './http/to-answer.ts'
import { decodeImage } from './imaging/decode-image.ts'
import { loadBundle } from './infer/load-bundle.ts'
import { draw, predict } from './pipeline.ts'
import { toAnswerTable } from './terminal/answer-table.ts'
import { chooseModel } from './terminal/choose-model.ts'
import { outliveReader } from './terminal/outlive-reader.ts'

const ROOT = resolve(import.meta.dirname, '..')

const HELP = `npm run predict -- FILE [options]

Predicts one DICOM instance, PNG or JPEG without a server, and writes an overlay for each map.

  --model ID       a bundle of the models folder (default: the first that was made for the file's modality)
  --models DIR     the models folder (default: models/released)
  --frame N        from 1
  --maps a,b       names of maps (default: the cheap ones)
  --class NAME     the class that class-specific maps explain (default: the predicted one)
  --seed N         of sampled masks, where the network samples
  --samples N      masks drawn for the uncertainty, where the network samples
  --out DIR        where answer.json and the overlays go (default: nothing is written)
  --json           print the answer as one JSON document and nothing else
  --help           this text
`

const OPTIONS = {
  model: { type: 'string' },
  models: { type: 'string', default: 'models/released' },
  frame: { type: 'string', default: '1' },
  maps: { type: 'string' },
  class: { type: 'string' },
  seed: { type: 'string', default: '0' },
  samples: { type: 'string', default: '0' },
  out: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

interface Command {
  readonly file: string
  readonly modelId: string | null
  readonly modelsFolder: string
  readonly options: PredictionOptions
  readonly out: string | null
  readonly isJson: boolean
}

function readCommand(args: readonly string[]): Command | null {
  const { values, positionals } = parse(args)
  if (values.help) return null
  const [file] = positionals
  if (file === undefined || positionals.length > 1) throw new Problem('parameter-invalid', 'give exactly one file; --help lists the options', { parameter: 'FILE' })
  return {
    file,
    modelId: values.model ?? null,
    modelsFolder: resolve(ROOT, values.models),
    options: {
      frame: toInteger('frame', values.frame, 1),
      maps: values.maps?.split(',') ?? null,
      explainedClass: values.class ?? null,
      seed: toInteger('seed', values.seed, 0),
      samples: toInteger('samples', values.samples, 0),
    },
    out: values.out === undefined ? null : resolve(values.out),
    isJson: values.json,
  }
}

function parse(args: readonly string[]): ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>> {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: true, args: [...args] })
  } catch (error) {
    throw new Problem('parameter-invalid', (error as Error).message, { parameter: 'options' }, error)
  }
}

function toInteger(name: string, text: string, least: number): number {
  if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text)
  throw new Problem('parameter-invalid', `--${name} must be a whole number from ${least}`, { parameter: name })
}

async function run({ file, modelId, modelsFolder, options, out }: Command): Promise<PredictionAnswer> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw new Problem('file-unreadable', 'the file cannot be read', {}, error)
  })
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  const models = await readModels(modelsFolder)
  const choices = models.map(({ manifest }) => ({ id: manifest.id, modalities: manifest.input.modalities }))
  const wanted = modelId ?? chooseModel(choices, await modalityOf(bytes, options.frame)).id
  const model = models.find(({ manifest }) => manifest.id === wanted)
  if (model === undefined) throw new Problem('model-unknown', `there is no such model; there are ${models.map(({ manifest }) => manifest.id).join(', ')}`, {})
  const bundle = await loadBundle(join(modelsFolder, model.manifest.id))
  try {
    const { prediction } = await predict(bundle, { kind: 'predict', modelId: model.manifest.id, bytes, options }, `attending ${version}`)
    // No server gives an id or a time: the id is derived, and the file's own picture bears the day of nothing, so that equal files give equal bytes.
    const id = createHash('sha256').update(prediction.provenance.inputSha256).update(prediction.model.graphSha256).update(JSON.stringify(options)).digest('hex').slice(0, 32)
    const createdAt = '1970-01-01T00:00:00.000Z'
    const answer = toAnswer(prediction, id, createdAt, ({ name }) => ({ png: `${name}.png`, svg: null, npy: `${name}.npy`, json: `${name}.json` }))
    if (out !== null) {
      await mkdir(out, { recursive: true })
      await writeFile(join(out, 'answer.json'), `${JSON.stringify(answer, null, 2)}\n`)
      const artifacts = toArtifacts(prediction, id, createdAt)
      for (const map of artifacts.maps) {
        for (const format of ['png', 'npy', 'json'] as const) {
          const drawn = await draw({ kind: 'render', ...artifacts, map, options: { format, style: 'overlay', alpha: 0.4, head: null, colormap: null, size: 'source' } })
          await writeFile(join(out, `${map.name}.${format}`), drawn.bytes)
        }
      }
    }
    return answer
  } finally {
    await bundle.release()
  }
}

async function modalityOf(bytes: Uint8Array, frame: number): Promise<string | null> {
  return (await decodeImage(bytes, { frame })).image.facts.modality
}

/** The exit status. */
async function main(args: readonly string[]): Promise<number> {
  try {
    const command = readCommand(args)
    if (command === null) {
      process.stdout.write(HELP)
      return 0
    }
    const answer = await run(command)
    process.stdout.write(command.isJson ? `${JSON.stringify(answer, null, 2)}\n` : `${toAnswerTable(answer)}\n\n${answer.notice}\n`)
    if (command.out !== null && !command.isJson) process.stdout.write(`Overlays and answer.json are in ${command.out}\n`)
    return 0
  } catch (error) {
    const { code, detail } = toProblemData(error)
    process.stderr.write(`${code}: ${detail}\n`)
    return 1
  }
}

outliveReader()
process.exitCode = await main(process.argv.slice(2))
