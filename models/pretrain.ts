/** `npm run pretrain`: unlabeled images in, an encoder for `npm run train -- ... --init` out. */
import { readFileSync } from 'node:fs'
import { Problem } from '../src/domain/problem.ts'
import { BACKEND_NAMES, chooseBackend, parseBackendName } from './backend/choose-backend.ts'
import { invalid, parseCommand, runCommand } from './command.ts'
import { readDataSet } from './data/read-data-set.ts'
import { PRETRAINING_RECIPES, type PretrainingRecipe } from './pretraining/pretraining-recipe.ts'
import { type PretrainingEvent, runPretraining } from './pretraining/run-pretraining.ts'
import { unlabeledImages } from './pretraining/unlabeled-images.ts'
import { openRunStore } from './training/run-store.ts'

const HELP = `npm run pretrain -- <recipe> --data <file.npz> [--data <file.npz> ...] [options]

Trains a backbone to say what hidden patches hold, on the training splits of all files together; no label and no test image is looked at.
Leaves model.safetensors in the run's folder: npm run train -- <recipe> --init <run>/model.safetensors --init-allow 'head.*,...'

  --data FILE          an .npz, told by its checksum, an unknown file is refused; repeat it for the union; color for a recipe in color alone
  --allow-data SHA256  read this .npz all the same, named by its SHA-256; may be repeated
  --out DIR            the run's folder (default: runs/<recipe>-seed<S>)
  --resume             go on with the state that the folder holds
  --epochs N           instead of the recipe's
  --seed S             default 0
  --backend NAME       ${BACKEND_NAMES.join(', ')} (default: the first that starts)
  --help               this text

Ctrl-C finishes the step, saves, and exits with 130.

Recipes:
${PRETRAINING_RECIPES.map(({ name, title }) => `  ${name}\n      ${title}`).join('\n')}
`

const OPTIONS = {
  data: { type: 'string', multiple: true },
  'allow-data': { type: 'string', multiple: true },
  out: { type: 'string' },
  resume: { type: 'boolean' },
  epochs: { type: 'string' },
  seed: { type: 'string', default: '0' },
  backend: { type: 'string' },
  help: { type: 'boolean' },
} as const

const INTERRUPTED = 130

let wasInterrupted = false
const status = await runCommand(pretrain, process.argv.slice(2))
process.exitCode = wasInterrupted ? INTERRUPTED : status

async function pretrain(args: readonly string[]): Promise<string> {
  const { values, positionals } = parseCommand(args, OPTIONS)
  if (values.help || args.length === 0) return HELP
  const recipe = withEpochs(findRecipe(positionals), values.epochs)
  const seed = wholeNumber('seed', values.seed, 0)
  const files = values.data ?? []
  if (files.length === 0) throw invalid('data', 'the data files are missing: --data FILE')
  const sets = files.map((file) => readDataSet(readBytes(file), { allowed: values['allow-data'] ?? [] }))
  const out = values.out ?? `runs/${recipe.name}-seed${seed}`
  const store = openRunStore(out)
  const resume = values.resume === true
  if (store.hasState() && !resume) throw invalid('out', `${out} already holds a run: --resume goes on with it, --out starts another`)
  const shape = { side: recipe.network.imageSize, channels: recipe.network.channels === 3 ? 3 : 1 } as const
  const training = unlabeledImages(sets, 'train', shape)
  const validation = unlabeledImages(sets, 'validation', shape)
  const backend = await chooseBackend(values.backend === undefined ? null : parseBackendName(values.backend))
  process.stdout.write(
    `${recipe.title}\n${sets.map(({ facts }) => facts.title).join(', ')}: ${training.count} images, ${validation.count} to watch\nbackend: ${backend.description}\n`,
  )
  const signal = { stop: false }
  const onInterrupt = (): void => {
    signal.stop = true
  }
  process.on('SIGINT', onInterrupt).on('SIGTERM', onInterrupt)
  const outcome = await runPretraining({ recipe, training, validation, seed, backend, store, resume, report: createReporter(), shouldStop: () => signal.stop })
  if (outcome.kind === 'finished') return `${out}/model.safetensors\n`
  wasInterrupted = true
  return `\ninterrupted after step ${outcome.stepInEpoch} of epoch ${outcome.epoch + 1}; --resume goes on from there\n`
}

/** A line for each epoch, and one every half minute between. */
function createReporter(): (event: PretrainingEvent) => void {
  const startedAt = performance.now()
  let [printedAt, firstStep] = [startedAt, -1]
  return (event) => {
    if (event.kind === 'epoch') {
      const { epoch, trainingLoss, validationLoss } = event.curve
      process.stdout.write(`epoch ${epoch}/${event.epochs}  loss ${trainingLoss.toFixed(4)}  validation loss ${validationLoss.toFixed(4)}\n`)
      return
    }
    if (firstStep < 0) firstStep = event.step - 1
    const now = performance.now()
    if (now - printedAt < 30_000) return
    printedAt = now
    const msPerStep = (now - startedAt) / (event.step - firstStep)
    process.stdout.write(
      `epoch ${event.epoch} step ${event.step}/${event.steps}  loss ${event.loss.toFixed(4)}  ${msPerStep.toFixed(0)} ms/step  ${Math.round(((event.steps - event.step) * msPerStep) / 60_000)} min left\n`,
    )
  }
}

function findRecipe([name, ...more]: readonly string[]): PretrainingRecipe {
  const recipe = more.length === 0 ? PRETRAINING_RECIPES.find((candidate) => candidate.name === name) : undefined
  if (recipe === undefined) throw invalid('recipe', `no such recipe; there are ${PRETRAINING_RECIPES.map((candidate) => candidate.name).join(', ')}`)
  return recipe
}

function withEpochs(recipe: PretrainingRecipe, epochs: string | undefined): PretrainingRecipe {
  return epochs === undefined ? recipe : { ...recipe, epochs: wholeNumber('epochs', epochs, 1) }
}

function wholeNumber(parameter: string, text: string, least: number): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < least || value > 0xffffffff) throw invalid(parameter, `${parameter} is a whole number from ${least} on`)
  return value
}

function readBytes(file: string): Uint8Array {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new Problem('file-unreadable', 'a file of --data cannot be read', {}, cause)
  }
}
