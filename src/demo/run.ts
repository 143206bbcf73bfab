/**
 * `npm run demo [-- FILE]`: from nothing to an overlay.
 *
 * Starts the real server on a free port of this machine, sends it a synthetic chest phantom as DICOM (or the given file), prints the
 * answer as a small table, writes the overlays, and stops the server.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import type { PredictionAnswer } from '../domain/answer.ts'
import { inheritedFlags } from '../engine/node-flags.ts'
import { decodeImage } from '../imaging/decode-image.ts'
import { toAnswerTable } from '../terminal/answer-table.ts'
import { type Choosable, chooseModel } from '../terminal/choose-model.ts'
import { outliveReader } from '../terminal/outlive-reader.ts'
import { buildChestPhantom } from './chest-phantom.ts'

const HELP = `npm run demo [-- FILE] [--out DIR] [--model ID]
npm run demo -- --phantom FILE

Starts a server of its own, sends it a synthetic chest phantom (or FILE: DICOM, PNG or JPEG), prints the answer and writes the overlays.

  --out DIR     where the overlays go (default: data/demo)
  --model ID    default: the first that was made for the file's modality
  --phantom F   only write the phantom to the file F
`

const PHANTOM = { rows: 640, columns: 560, seed: 1, opacity: 0.9 }
const ROOT = resolve(import.meta.dirname, '../..')

interface RunningServer {
  readonly process: ChildProcess
  readonly origin: string
}

/** The server as a process of its own, once it listens. */
async function startServer(dataFolder: string): Promise<RunningServer> {
  const settings = { ATTENDING_PORT: '0', ATTENDING_ENGINES: '1', ATTENDING_DATA_DIR: dataFolder, ATTENDING_LOG_LEVEL: 'warn' }
  const child = spawn(process.execPath, [...inheritedFlags(process.execArgv), join(ROOT, 'src/main.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...settings },
  })
  for await (const line of createInterface({ input: child.stdout })) {
    const origin = /http:\/\/\S+/.exec(line)?.[0]
    if (origin !== undefined) return { process: child, origin }
  }
  throw new Error('the server ended before it listened')
}

async function stopServer({ process: child }: RunningServer): Promise<void> {
  const ended = new Promise((done) => child.once('exit', done))
  child.kill('SIGTERM')
  await ended
}

/** The body of an answer that must be a success; a problem's detail is the error's text. */
async function fetchOk(url: string, init?: RequestInit): Promise<Response> {
  const response = await fetch(url, init)
  if (response.ok) return response
  const { code, detail } = (await response.json()) as { code: string; detail: string }
  throw new Error(`${code}: ${detail}`)
}

async function modelFor(origin: string, bytes: Uint8Array): Promise<string> {
  const { models } = (await (await fetchOk(`${origin}/v1/models`)).json()) as { models: readonly Choosable[] }
  const { image } = await decodeImage(bytes, { frame: 1 })
  return chooseModel(models, image.facts.modality).id
}

async function demonstrate(origin: string, bytes: Uint8Array<ArrayBuffer>, wantedModel: string | undefined, out: string): Promise<void> {
  const model = wantedModel ?? (await modelFor(origin, bytes))
  const answer = (await (
    await fetchOk(`${origin}/v1/models/${encodeURIComponent(model)}/predictions`, { method: 'POST', headers: { 'content-type': mediaTypeOf(bytes) }, body: bytes })
  ).json()) as PredictionAnswer
  process.stdout.write(`${toAnswerTable(answer)}\n\n`)
  await mkdir(out, { recursive: true })
  const { href } = answer.maps[0] ?? {}
  const pictures = answer.maps.map(({ name, href: { png } }) => ({ file: `${name}.png`, path: png }))
  if (href) pictures.push({ file: 'panel.png', path: `${href.png}?style=panel` })
  for (const { file, path } of pictures) {
    await writeFile(join(out, file), new Uint8Array(await (await fetchOk(origin + path)).arrayBuffer()))
    process.stdout.write(`  ${join(out, file)}\n`)
  }
  process.stdout.write(`\n${answer.notice}\n`)
}

/** By the first bytes; what is neither PNG nor JPEG is left to the server to judge as DICOM. */
function mediaTypeOf(bytes: Uint8Array): string {
  if (bytes[0] === 0x89) return 'image/png'
  return bytes[0] === 0xff ? 'image/jpeg' : 'application/dicom'
}

/** The exit status. */
async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { out: { type: 'string', default: 'data/demo' }, model: { type: 'string' }, phantom: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  if (values.phantom !== undefined) {
    await writeFile(values.phantom, buildChestPhantom(PHANTOM))
    return 0
  }
  const [file] = positionals
  const bytes = file === undefined ? buildChestPhantom(PHANTOM) : new Uint8Array(await readFile(file))
  process.stdout.write(file === undefined ? 'A synthetic chest phantom with an opacity in its right lung, as DICOM:\n\n' : 'The given file:\n\n')
  const dataFolder = await mkdtemp(join(tmpdir(), 'attending-demo-'))
  try {
    const server = await startServer(dataFolder)
    try {
      await demonstrate(server.origin, bytes, values.model, resolve(values.out))
    } finally {
      await stopServer(server)
    }
    return 0
  } finally {
    await rm(dataFolder, { recursive: true, force: true })
  }
}

outliveReader()
main(process.argv.slice(2)).then(
  (status) => (process.exitCode = status),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  },
)
