/** `npm run verify`: a bundle's folder in, its parity at each stage out, for both op forms and both runtimes. */
import { join } from 'node:path'
import { BACKEND_NAMES, chooseBackend, parseBackendName } from '../models/backend/choose-backend.ts'
import { readCheckpoint } from '../models/checkpoint.ts'
import { invalid, parseCommand, runCommand } from '../models/command.ts'
import { readDataSet } from '../models/data/read-data-set.ts'
import { plainPrimitives } from '../models/layers/plain-primitives.ts'
import { type BundleFiles, readBundleFiles } from '../src/infer/bundle-files.ts'
import { openBundle } from '../src/infer/load-bundle.ts'
import { nodeRuntime } from '../src/infer/node-runtime.ts'
import { readFile } from './command.ts'
import { parseGoldenFile } from './golden-file.ts'
import { assertParity } from './parity.ts'
import { parityTable, worstByStage } from './parity-table.ts'
import { isBuiltFrom, maskOf, type Verification, verifyBundle, type Weighed } from './verify-bundle.ts'
import { webRuntime } from './web-runtime.ts'

const HELP = `npm run verify -- <bundle's folder> [options]

Loads the bundle as the server does, then compares the graph with golden.json: as it is and written out in standard operations, in
ONNX Runtime and in ONNX Runtime Web. With the checkpoint, TF.js is a second witness and a standard graph is compared with its
function form too. Exits 1 where a stage is out of the manifest's bound.

  --checkpoint FILE    the weights that the bundle was made from
  --data FILE          the data set, for real inputs (with --checkpoint)
  --allow-data SHA256  read this data file though it is no known one; may be repeated
  --backend NAME       TF.js' side: ${BACKEND_NAMES.join(', ')} (default wasm-shipped)
  --json               one JSON document instead of tables
  --help               this text
`

const OPTIONS = {
  checkpoint: { type: 'string' },
  data: { type: 'string' },
  'allow-data': { type: 'string', multiple: true },
  backend: { type: 'string', default: 'wasm-shipped' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const

process.exitCode = await runCommand(verifyCommand, process.argv.slice(2))

async function verifyCommand(args: readonly string[]): Promise<string> {
  const { values, positionals } = parseCommand(args, OPTIONS)
  const [folder, ...more] = positionals
  if (values.help || args.length === 0) return HELP
  if (folder === undefined || more.length > 0) throw invalid('bundle', "one bundle's folder is needed")
  const files = await readBundleFiles(folder)
  await (await openBundle(files)).release()
  const golden = parseGoldenFile(new TextDecoder().decode(readFile(join(folder, 'golden.json'), 'golden file')))
  const weighed = values.checkpoint === undefined ? null : await weigh(files, values.checkpoint, values.data, values['allow-data'] ?? [])
  if (weighed !== null) await chooseBackend(parseBackendName(values.backend))
  const results = await verifyBundle(files, golden, [nodeRuntime, webRuntime], weighed)
  process.stdout.write(values.json ? toJson(files, results) : toText(files, results))
  for (const { reports } of results) assertParity(reports, files.manifest.parity)
  return values.json ? '' : 'every stage is within its bound\n'
}

async function weigh(files: BundleFiles, checkpointFile: string, dataFile: string | undefined, allowed: readonly string[]): Promise<Weighed> {
  const checkpoint = readCheckpoint(readFile(checkpointFile, 'checkpoint'))
  const data = dataFile === undefined ? null : readDataSet(readFile(dataFile, 'data file'), { allowed })
  const weighed = { checkpoint, mask: maskOf(files.manifest), primitives: plainPrimitives, data }
  if (!isBuiltFrom(files, weighed)) throw invalid('checkpoint', 'the bundle was not made from these weights')
  return weighed
}

function toText({ manifest }: BundleFiles, results: readonly Verification[]): string {
  const { absolute, relative } = manifest.parity
  const blocks = results.map(
    ({ runtime, form, witness, reports }) => `${runtime}, ${form}, against ${witness} (${reports.map(({ run }) => run).join('; ')})\n\n${parityTable(reports)}`,
  )
  return `${manifest.id} ${manifest.version}, bound ${absolute} + ${relative} of the value\n\n${blocks.join('\n')}\n`
}

function toJson({ manifest }: BundleFiles, results: readonly Verification[]): string {
  const verifications = results.map(({ reports, ...about }) => ({ ...about, runs: reports.map(({ run }) => run), stages: worstByStage(reports) }))
  return `${JSON.stringify({ id: manifest.id, version: manifest.version, parity: manifest.parity, verifications }, null, 2)}\n`
}
