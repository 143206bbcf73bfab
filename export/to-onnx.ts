/** `npm run export`: a trained checkpoint in, a bundle's folder out, if the graph agrees with TF.js. */
import { existsSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BACKEND_NAMES, chooseBackend, parseBackendName } from '../models/backend/choose-backend.ts'
import { readCheckpoint } from '../models/checkpoint.ts'
import { invalid, parseCommand, runCommand } from '../models/command.ts'
import { readDataSet } from '../models/data/read-data-set.ts'
import { plainPrimitives } from '../models/layers/plain-primitives.ts'
import { trainingRecordOf } from '../models/training/training-record.ts'
import { nodeRuntime } from '../src/infer/node-runtime.ts'
import { type OpsForm, sha256 } from './build-manifest.ts'
import { parseDate, parseMask, readFile } from './command.ts'
import { exportBundle } from './export-bundle.ts'
import { parityTable } from './parity-table.ts'

const HELP = `npm run export -- <checkpoint.safetensors> [options]

Writes <out>/<id>/: manifest.json, model.onnx, tail.onnx, golden.json, README.md (the model card). TF.js and ONNX Runtime are
compared at every stage first; a bundle that fails is not written.

  --date DATE          creation date of the bundle, UTC (default: now); where it is given, equal commands give equal bytes
  --data FILE          the data set: adds real inputs to the comparison, and the test figures, calibration and card tables
  --explanations FILE  what "npm run evaluate -- <bundle> --explanations" printed for these weights: default map and card table
  --allow-data SHA256  read this data file though it is no known one; may be repeated
  --ops FORM           function (default: the custom domain's functions) or standard (written out)
  --mask MODE          SBM only: expected (default), sample, threshold:<tau>, topP:<rho>
  --out DIR            default models/released
  --replace            take the place of a bundle of the same id; without it, one that exists is left alone
  --id ID              default <recipe>-v1
  --version V          default 1.0.0
  --backend NAME       TF.js' side: ${BACKEND_NAMES.join(', ')} (default wasm-shipped, which shares no code with us)
  --help               this text
`

const OPTIONS = {
  date: { type: 'string' },
  data: { type: 'string' },
  explanations: { type: 'string' },
  'allow-data': { type: 'string', multiple: true },
  ops: { type: 'string', default: 'function' },
  mask: { type: 'string', default: 'expected' },
  out: { type: 'string', default: 'models/released' },
  replace: { type: 'boolean' },
  id: { type: 'string' },
  version: { type: 'string', default: '1.0.0' },
  backend: { type: 'string', default: 'wasm-shipped' },
  help: { type: 'boolean' },
} as const

process.exitCode = await runCommand(exportCommand, process.argv.slice(2))

async function exportCommand(args: readonly string[]): Promise<string> {
  const { values, positionals } = parseCommand(args, OPTIONS)
  const [checkpointFile, ...more] = positionals
  if (values.help || args.length === 0) return HELP
  if (checkpointFile === undefined || more.length > 0) throw invalid('checkpoint', 'one checkpoint is needed')
  const bytes = readFile(checkpointFile, 'checkpoint')
  const checkpoint = readCheckpoint(bytes)
  const { recipe } = trainingRecordOf(checkpoint)
  const release = {
    id: values.id ?? `${recipe}-v1`,
    version: values.version,
    createdAt: parseDate(values.date ?? `${new Date().toISOString().slice(0, 19)}Z`),
    checkpointSha256: sha256(bytes),
  }
  const folder = join(values.out, release.id)
  if (existsSync(folder) && values.replace !== true) throw invalid('out', `${release.id} exists already: --replace takes its place, --id or --out another`)
  const data = values.data === undefined ? null : readDataSet(readFile(values.data, 'data file'), { allowed: values['allow-data'] ?? [] })
  const mask = parseMask(values.mask)
  await chooseBackend(parseBackendName(values.backend))
  const explanations = values.explanations === undefined ? {} : { explanations: new TextDecoder().decode(readFile(values.explanations, 'report of the maps')) }
  const { files, parity } = await exportBundle({ checkpoint, release, ops: parseOps(values.ops), mask, data, ...explanations }, nodeRuntime, plainPrimitives)
  await writeFolder(folder, files)
  return `${parityTable(parity)}\n${folder}\n`
}

function parseOps(text: string): OpsForm {
  if (text === 'function' || text === 'standard') return text
  throw invalid('ops', 'the form of the operations is function or standard')
}

/** The whole folder or none: written beside, then put in place of what was there. */
async function writeFolder(folder: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const unfinished = `${folder}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { recursive: true })
  for (const [name, bytes] of files) await writeFile(join(unfinished, name), bytes)
  await rm(folder, { recursive: true, force: true })
  await rename(unfinished, folder)
}
