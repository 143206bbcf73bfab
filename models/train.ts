/** `npm run train`: a recipe's name and a data file in, a folder with a trained checkpoint out. */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Problem } from '../src/domain/problem.ts'
import { BACKEND_NAMES, chooseBackend, parseBackendName } from './backend/choose-backend.ts'
import { readDataSet } from './data/read-data-set.ts'
import { findRecipe, RECIPES } from './recipes/find-recipe.ts'
import type { Recipe } from './recipes/recipe.ts'
import { createProgressPrinter } from './training/progress-line.ts'
import { openRunStore } from './training/run-store.ts'
import { runTraining } from './training/run-training.ts'

const HELP = `npm run train -- <recipe> --data <file.npz> [options]

Trains a network and leaves its checkpoint in the run's folder: model.safetensors (what the recipe selects on the validation
split), best, averaged and last. The test split is not looked at: see "npm run evaluate".

  --data FILE          a MedMNIST .npz; told by its checksum, an unknown file is refused
  --allow-data SHA256  read this file all the same, named by its SHA-256; may be repeated
  --out DIR            the run's folder (default: runs/<recipe>-seed<S>)
  --resume             go on with the state that the folder holds, to the same weights as an unbroken run
  --backend NAME       ${BACKEND_NAMES.join(', ')} (default: the first that starts)
  --epochs N           instead of the recipe's
  --seed S             default 0
  --help               this text

Ctrl-C finishes the step, saves, and exits with 130.

Recipes:
${RECIPES.map(({ name, title }) => `  ${name}\n      ${title}`).join('\n')}
`

const INTERRUPTED = 130

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

interface Options {
  readonly recipe: Recipe
  readonly dataFile: string
  readonly allowed: readonly string[]
  readonly out: string
  readonly resume: boolean
  readonly backend: ReturnType<typeof parseBackendName> | null
  readonly seed: number
}

async function train(args: readonly string[]): Promise<number> {
  const options = readOptions(args)
  if (options === null) {
    process.stdout.write(HELP)
    return 0
  }
  const { recipe, seed, out, resume } = options
  const data = readDataSet(readFileOrThrow(options.dataFile), { allowed: options.allowed })
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
  for (const { backend: name, reason } of backend.refused) process.stdout.write(`  not ${name}: ${reason}\n`)

  const printer = createProgressPrinter({ write: (text) => process.stdout.write(text), overwrites: process.stdout.isTTY === true, now: () => performance.now() })
  const outcome = await runTraining({ recipe, data, seed, backend, store, resume, report: printer.report, shouldStop: () => signal.stop })
  if (outcome.kind === 'interrupted') {
    process.stdout.write(`\ninterrupted after step ${outcome.stepInEpoch} of epoch ${outcome.epoch + 1}; --resume goes on from there\n`)
    return INTERRUPTED
  }
  process.stdout.write(`${out}/model.safetensors\n`)
  return 0
}

/** null asks for the help. Throws: "parameter-invalid". */
function readOptions(args: readonly string[]): Options | null {
  const { values, positionals } = parseOrThrow(args)
  if (values.help || args.length === 0) return null
  const [name = '', ...more] = positionals
  if (more.length > 0) throw new Problem('parameter-invalid', 'one recipe at a time', { parameter: 'recipe' })
  if (values.data === undefined) throw new Problem('parameter-invalid', 'the data file is missing: --data FILE', { parameter: 'data' })
  const recipe = withEpochs(findRecipe(name), values.epochs)
  const seed = wholeNumber('seed', values.seed ?? '0', 0)
  return {
    recipe,
    dataFile: values.data,
    allowed: values['allow-data'] ?? [],
    out: values.out ?? `runs/${recipe.name}-seed${seed}`,
    resume: values.resume === true,
    backend: values.backend === undefined ? null : parseBackendName(values.backend),
    seed,
  }
}

function parseOrThrow(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        data: { type: 'string' },
        'allow-data': { type: 'string', multiple: true },
        out: { type: 'string' },
        resume: { type: 'boolean' },
        backend: { type: 'string' },
        epochs: { type: 'string' },
        seed: { type: 'string' },
        help: { type: 'boolean' },
      },
    })
  } catch (error) {
    throw new Problem('parameter-invalid', error instanceof Error ? error.message : 'the options are not understood', { parameter: 'options' }, error)
  }
}

function withEpochs(recipe: Recipe, epochs: string | undefined): Recipe {
  return epochs === undefined ? recipe : { ...recipe, training: { ...recipe.training, epochs: wholeNumber('epochs', epochs, 1) } }
}

function wholeNumber(parameter: string, text: string, least: number): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < least || value > 0xffffffff) throw new Problem('parameter-invalid', `${parameter} is a whole number from ${least} on`, { parameter })
  return value
}

function readFileOrThrow(file: string): Uint8Array {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new Problem('file-unreadable', 'the data file cannot be read', {}, error)
  }
}
