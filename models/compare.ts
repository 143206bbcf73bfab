/** `npm run compare`: the records of the runs in, docs/comparison.md out; or a checkpoint in, its record out. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Problem } from '../src/domain/problem.ts'
import { BACKEND_NAMES, chooseBackend, parseBackendName } from './backend/choose-backend.ts'
import { readCheckpoint } from './checkpoint.ts'
import { invalid, parseCommand, runCommand } from './command.ts'
import { comparisonPage } from './comparison/comparison-page.ts'
import { type RunRecord, recordRun } from './comparison/run-record.ts'
import { readDataSet } from './data/read-data-set.ts'
import { trainingRecordOf } from './training/training-record.ts'

const ROOT = resolve(import.meta.dirname, '..')
export const RECORDS = join(ROOT, 'models/records')
export const PAGE = join(ROOT, 'docs/comparison.md')

const HELP = `npm run compare
npm run compare -- record <checkpoint.safetensors>... --data <file.npz> [options]

Without arguments: writes docs/comparison.md, the table of the seeds, from the records in models/records.
record evaluates checkpoints on the test split and writes one record each; a run that has one is refused, since the test split is looked at once.

  --data FILE     the .npz that the checkpoints were trained on
  --again         evaluate a run anew that has a record
  --backend NAME  ${BACKEND_NAMES.join(', ')} (default: the first that starts)
  --help          this text
`

const OPTIONS = { data: { type: 'string' }, again: { type: 'boolean' }, backend: { type: 'string' }, help: { type: 'boolean' } } as const

if (import.meta.main) process.exitCode = await runCommand(compare, process.argv.slice(2))

async function compare(args: readonly string[]): Promise<string> {
  const { values, positionals } = parseCommand(args, OPTIONS)
  if (values.help) return HELP
  const [verb, ...files] = positionals
  if (verb === undefined) return writePage()
  if (verb !== 'record') throw invalid('verb', `there is no ${verb}; --help tells more`)
  if (files.length === 0 || values.data === undefined) throw invalid('data', 'checkpoints and --data FILE are needed')
  const data = readDataSet(readBytes(values.data), { allowed: [] })
  const backend = await chooseBackend(values.backend === undefined ? null : parseBackendName(values.backend))
  const lines: string[] = []
  for (const file of files) {
    const bytes = readBytes(file)
    const { recipe, seed } = trainingRecordOf(readCheckpoint(bytes))
    const path = join(RECORDS, `${recipe}-seed${seed}.json`)
    if (existsSync(path) && values.again !== true) throw invalid('checkpoint', `${recipe}, seed ${seed}, has its record; --again evaluates it anew`)
    const record = await recordRun(bytes, data, backend)
    writeFileSync(path, `${JSON.stringify(record)}\n`)
    lines.push(`${recipe} seed ${seed}: test AUC ${record.test.auc.toFixed(3)}, accuracy ${record.test.accuracy.toFixed(3)}\n`)
  }
  return lines.join('')
}

function writePage(): string {
  const records = readRecords()
  writeFileSync(PAGE, comparisonPage(records))
  return `docs/comparison.md, from ${records.length} records\n`
}

/** Every committed record, in the order of the files' names. */
export function readRecords(): readonly RunRecord[] {
  return readdirSync(RECORDS)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => JSON.parse(readFileSync(join(RECORDS, file), 'utf8')) as RunRecord)
}

function readBytes(file: string): Uint8Array {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new Problem('file-unreadable', 'a file cannot be read', {}, cause)
  }
}
