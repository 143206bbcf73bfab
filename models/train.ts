/** `npm run train`: a recipe's name and a data file in, a folder with a trained checkpoint out. */
import { Problem } from '../src/domain/problem.ts'
import { outliveReader } from '../src/terminal/outlive-reader.ts'
import { BACKEND_NAMES, chooseBackend, parseBackendName } from './backend/choose-backend.ts'
import { parseCommand } from './command.ts'
import type { DataSet } from './data/data-set.ts'
import { isTable, openDataSet } from './data/open-data-set.ts'
import { TRAINING_FIT } from './data/read-image-folder.ts'
import { adaptRecipe } from './recipes/adapt-recipe.ts'
import { findRecipe, RECIPES } from './recipes/find-recipe.ts'
import type { Recipe } from './recipes/recipe.ts'
import { readGivenWeights } from './starting-point/given-weights.ts'
import { readStartingPoint, type StartingPoint } from './starting-point/read-starting-point.ts'
import { createProgressPrinter } from './training/progress-line.ts'
import { openRunStore } from './training/run-store.ts'
import { freshWeights, runTraining } from './training/run-training.ts'

const HELP = `npm run train -- <recipe> --data <file.npz | table.csv> [options]

Trains a network and leaves its checkpoint in the run's folder: model.safetensors (what the recipe selects on the validation
split), best, averaged and last. The test split is not looked at: see "npm run evaluate".

  --data FILE          a MedMNIST .npz, told by its checksum, an unknown file is refused;
                       or a table (.csv) of PNG, JPEG or DICOM images: columns image (a path) or instance (a SOP Instance UID),
                       class, split (train, validation, test), patient, and frame where files have more than one
  --allow-data SHA256  read this .npz all the same, named by its SHA-256; may be repeated
  --images DIR         of a table: where its images lie (default: the table's folder)
  --classes A,B,...    of a table: the classes in the order of the outputs (default: the training split's names, sorted)
  --cache DIR          of a table: keep the decoded images there for the next run (they are pictures of patients)
  --color              of a table: three channels
  --image-size N       of a table: pixels of the network's side (default: the recipe's)
  --out DIR            the run's folder (default: runs/<recipe>-seed<S>)
  --init PATH          start from the weights of a safetensors file (timm's names, or those of the authors' DCMM release) or of a bundle's folder
  --init-allow A,B,... weights that may be lacking there, of another shape or left over; * stands for any characters
  --resume             go on with the state that the folder holds, to the same weights as an unbroken run
  --backend NAME       ${BACKEND_NAMES.join(', ')} (default: the first that starts)
  --workers N          cut each batch into 4 parts for 1 to 4 threads; the same weights to the bit whatever N, but not those without it
  --epochs N           instead of the recipe's
  --seed S             default 0
  --help               this text

Ctrl-C finishes the step, saves, and exits with 130.

Recipes:
${RECIPES.map(({ name, title }) => `  ${name}\n      ${title}`).join('\n')}
`

const OPTIONS = {
  data: { type: 'string' },
  'allow-data': { type: 'string', multiple: true },
  images: { type: 'string' },
  classes: { type: 'string' },
  cache: { type: 'string' },
  color: { type: 'boolean' },
  'image-size': { type: 'string' },
  init: { type: 'string' },
  'init-allow': { type: 'string' },
  out: { type: 'string' },
  resume: { type: 'boolean' },
  backend: { type: 'string' },
  workers: { type: 'string' },
  epochs: { type: 'string' },
  seed: { type: 'string' },
  help: { type: 'boolean' },
} as const

const INTERRUPTED = 130

outliveReader()
process.exitCode = await main(process.argv.slice(2))

/** The exit status. */
async function main(args: readonly string[]): Promise<number> {
  try {
    return await train(args)
  } catch (error) {
    process.stderr.write(`${error instanceof Problem ? `${error.message} (${error.code})` : String(error instanceof Error ? error.stack : error)}\n`)
    return 1
  }
}

interface DataOptions {
  readonly file: string
  readonly allowed: readonly string[]
  readonly folder: string | null
  readonly classes: readonly string[] | null
  readonly cacheFolder: string | null
  readonly color: boolean
  readonly imageSize: number | null
}

interface Options {
  readonly recipe: Recipe
  readonly data: DataOptions
  readonly init: { readonly path: string; readonly allowed: readonly string[] } | null
  readonly out: string
  readonly resume: boolean
  readonly backend: ReturnType<typeof parseBackendName> | null
  readonly workers: number | null
  readonly seed: number
}

async function train(args: readonly string[]): Promise<number> {
  const options = readOptions(args)
  if (options === null) {
    process.stdout.write(HELP)
    return 0
  }
  const { seed, out, resume, workers } = options
  const data = await openData(options)
  const recipe = adaptRecipe(options.recipe, data)
  const startingPoint = options.init === null ? null : await readStart(options.init, recipe, seed)
  const store = openRunStore(out)
  if (store.hasState() && !resume) throw new Problem('parameter-invalid', `${out} already holds a run: --resume goes on with it, --out starts another`, { parameter: 'out' })
  const signal = { stop: false }
  const onInterrupt = (): void => {
    signal.stop = true
  }
  process.on('SIGINT', onInterrupt).on('SIGTERM', onInterrupt)
  const backend = await chooseBackend(options.backend)
  process.stdout.write(
    `${recipe.title}\n${data.facts.title}: ${Object.values(data.splits)
      .map(({ count }) => count)
      .join(' / ')} images\nbackend: ${backend.description}\n`,
  )
  if (startingPoint)
    process.stdout.write(`starts from ${startingPoint.sha256.slice(0, 12)}, ${startingPoint.fresh.length} weights fresh, ${startingPoint.unused.length} of the file not used\n`)
  for (const { backend: name, reason } of backend.refused) process.stdout.write(`  not ${name}: ${reason}\n`)

  const printer = createProgressPrinter({ write: (text) => process.stdout.write(text), overwrites: process.stdout.isTTY === true, now: () => performance.now() })
  const outcome = await runTraining({
    recipe,
    data,
    seed,
    backend,
    store,
    ...(startingPoint && { startingPoint }),
    ...(workers && { workers }),
    resume,
    report: printer.report,
    shouldStop: () => signal.stop,
  })
  if (outcome.kind === 'interrupted') {
    process.stdout.write(`\ninterrupted after step ${outcome.stepInEpoch} of epoch ${outcome.epoch + 1}; --resume goes on from there\n`)
    return INTERRUPTED
  }
  process.stdout.write(`${out}/model.safetensors\n`)
  return 0
}

async function readStart({ path, allowed }: NonNullable<Options['init']>, recipe: Recipe, seed: number): Promise<StartingPoint> {
  return readStartingPoint(await readGivenWeights(path), recipe.network, freshWeights(recipe, seed), allowed)
}

/** A table is read at the recipe's input unless the options say otherwise; an archive has its own. */
function openData({ recipe: { network }, data: { file, imageSize, color, ...options } }: Options): Promise<DataSet> {
  const side = imageSize ?? network.imageSize
  const channels = color || network.channels === 3 ? 3 : 1
  return openDataSet(file, { ...options, input: { channels, height: side, width: side, ...TRAINING_FIT } })
}

/** null asks for the help. Throws: "parameter-invalid". */
function readOptions(args: readonly string[]): Options | null {
  const { values, positionals } = parseCommand(args, OPTIONS)
  if (values.help || args.length === 0) return null
  const [name = '', ...more] = positionals
  if (more.length > 0) throw new Problem('parameter-invalid', 'one recipe at a time', { parameter: 'recipe' })
  if (values.data === undefined) throw new Problem('parameter-invalid', 'the data file is missing: --data FILE', { parameter: 'data' })
  const recipe = withEpochs(findRecipe(name), values.epochs)
  const seed = wholeNumber('seed', values.seed ?? '0', 0)
  return {
    recipe,
    data: readDataOptions(values.data, values),
    init: readInitOptions(values),
    out: values.out ?? `runs/${recipe.name}-seed${seed}`,
    resume: values.resume === true,
    backend: values.backend === undefined ? null : parseBackendName(values.backend),
    workers: values.workers === undefined ? null : wholeNumber('workers', values.workers, 1),
    seed,
  }
}

type Values = ReturnType<typeof parseCommand<typeof OPTIONS>>['values']

/** Throws: "parameter-invalid" where an option of tables is given for an archive. */
function readDataOptions(file: string, values: Values): DataOptions {
  const ofTables = (['images', 'classes', 'cache', 'color', 'image-size'] as const).find((name) => values[name] !== undefined)
  if (ofTables !== undefined && !isTable(file)) throw new Problem('parameter-invalid', `--${ofTables} belongs to a table (.csv)`, { parameter: ofTables })
  return {
    file,
    allowed: values['allow-data'] ?? [],
    folder: values.images ?? null,
    classes: values.classes === undefined ? null : listOf(values.classes),
    cacheFolder: values.cache ?? null,
    color: values.color === true,
    imageSize: values['image-size'] === undefined ? null : wholeNumber('image-size', values['image-size'], 1),
  }
}

/** Throws: "parameter-invalid" where weights are allowed to lack and none are read. */
function readInitOptions({ init, 'init-allow': allowed }: Values): Options['init'] {
  if (init === undefined && allowed !== undefined) throw new Problem('parameter-invalid', '--init-allow belongs to --init', { parameter: 'init-allow' })
  return init === undefined ? null : { path: init, allowed: listOf(allowed ?? '') }
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

function withEpochs(recipe: Recipe, epochs: string | undefined): Recipe {
  return epochs === undefined ? recipe : { ...recipe, training: { ...recipe.training, epochs: wholeNumber('epochs', epochs, 1) } }
}

function wholeNumber(parameter: string, text: string, least: number): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < least || value > 0xffffffff) throw new Problem('parameter-invalid', `${parameter} is a whole number from ${least} on`, { parameter })
  return value
}
