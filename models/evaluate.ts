/** `npm run evaluate`: a checkpoint and a data file in, its figures as one JSON document out. */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Problem } from '../src/domain/problem.ts'
import { BACKEND_NAMES, chooseBackend, parseBackendName } from './backend/choose-backend.ts'
import { readCheckpoint } from './checkpoint.ts'
import { readDataSet } from './data/read-data-set.ts'
import { evaluateCheckpoint } from './evaluate-checkpoint.ts'
import { trainingRecordOf } from './training/training-record.ts'

const HELP = `npm run evaluate -- <checkpoint.safetensors> --data <file.npz> [options]

Prints one JSON document: accuracy, AUC (one-vs-rest), balanced accuracy, recall of each class with 95 % intervals, ECE, Brier,
NLL, before and after temperature scaling, all on the test split; the temperature is fitted on the validation split.

  --data FILE          a MedMNIST .npz; told by its checksum, an unknown file is refused
  --allow-data SHA256  read this file all the same, named by its SHA-256; may be repeated
  --backend NAME       ${BACKEND_NAMES.join(', ')} (default: the first that starts)
  --help               this text
`

process.exitCode = await main(process.argv.slice(2))

/** The exit status. */
async function main(args: readonly string[]): Promise<number> {
  try {
    process.stdout.write(await evaluate(args))
    return 0
  } catch (error) {
    process.stderr.write(`${error instanceof Problem ? `${error.message} (${error.code})` : String(error instanceof Error ? error.stack : error)}\n`)
    return 1
  }
}

/** What is printed. */
async function evaluate(args: readonly string[]): Promise<string> {
  const { values, positionals } = parseOrThrow(args)
  const [checkpointFile, ...more] = positionals
  if (values.help || args.length === 0) return HELP
  if (checkpointFile === undefined || more.length > 0) throw new Problem('parameter-invalid', 'one checkpoint is needed', { parameter: 'checkpoint' })
  if (values.data === undefined) throw new Problem('parameter-invalid', 'the data file is missing: --data FILE', { parameter: 'data' })
  const checkpoint = readCheckpoint(readOrThrow(checkpointFile))
  const data = readDataSet(readOrThrow(values.data), { allowed: values['allow-data'] ?? [] })
  const backend = await chooseBackend(values.backend === undefined ? null : parseBackendName(values.backend))
  const { recipe, seed, selectedEpoch, data: trainedOn } = trainingRecordOf(checkpoint)
  const evaluation = await evaluateCheckpoint(checkpoint, data, backend)
  const model = { recipe, seed, selectedEpoch, network: checkpoint.config.network }
  const set = { id: data.facts.id, sha256: data.sha256, sameAsTraining: data.sha256 === trainedOn.sha256, caveats: data.facts.caveats }
  return `${JSON.stringify({ model, data: set, backend: backend.description, ...evaluation }, null, 2)}\n`
}

function parseOrThrow(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { data: { type: 'string' }, 'allow-data': { type: 'string', multiple: true }, backend: { type: 'string' }, help: { type: 'boolean' } },
    })
  } catch (error) {
    throw new Problem('parameter-invalid', error instanceof Error ? error.message : 'the options are not understood', { parameter: 'options' }, error)
  }
}

function readOrThrow(file: string): Uint8Array {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new Problem('file-unreadable', 'a file cannot be read', {}, error)
  }
}
