/** A file's path in, one JSON object about its image out: `npm run inspect -- FILE [--frame N]`. */
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { Problem, toProblemData } from './domain/problem.ts'
import { inspectImage } from './imaging/inspect-image.ts'
import { outliveReader } from './terminal/outlive-reader.ts'

const HELP = `npm run inspect -- FILE [--frame N]

Prints one JSON object: format, transferSyntaxUid, photometricInterpretation, rows, columns, frames, bitsAllocated, bitsStored,
pixelRepresentation, window; storedPixels {sha256, min, max, mean} of all frames; display {sha256, mean} of frame N (default 1) as 8-bit gray;
warnings. Or {problem: {code, detail}}, and the exit code 1.
`

interface Report {
  readonly text: string
  readonly exitCode: 0 | 1
}

/** What the command prints for its arguments, and its exit code. */
export async function inspect(args: readonly string[]): Promise<Report> {
  try {
    const { values, positionals } = parse(args)
    if (values.help) return { text: HELP, exitCode: 0 }
    const [path] = positionals
    if (path === undefined || positionals.length > 1) throw new Problem('parameter-invalid', 'give exactly one file', { parameter: 'FILE' })
    const inspection = await inspectImage(await read(path), toFrame(values.frame))
    return { text: `${JSON.stringify(inspection, null, 2)}\n`, exitCode: 0 }
  } catch (error) {
    const { code, detail } = toProblemData(error)
    return { text: `${JSON.stringify({ problem: { code, detail } }, null, 2)}\n`, exitCode: 1 }
  }
}

function parse(args: readonly string[]): ReturnType<typeof parseArgs<typeof OPTIONS>> {
  try {
    return parseArgs({ ...OPTIONS, args: [...args] })
  } catch (error) {
    throw new Problem('parameter-invalid', 'the options are --frame N and --help', { parameter: 'options' }, error)
  }
}

const OPTIONS = { options: { frame: { type: 'string' }, help: { type: 'boolean', short: 'h' } }, allowPositionals: true } as const

function toFrame(text: string | undefined): number {
  if (text === undefined) return 1
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Problem('parameter-invalid', 'frame must be a positive integer', { parameter: 'frame' })
  return Number(text)
}

async function read(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new Problem('file-unreadable', 'the file cannot be read', {}, error)
  }
}

if (import.meta.main) {
  outliveReader()
  const { text, exitCode } = await inspect(process.argv.slice(2))
  process.stdout.write(text)
  process.exitCode = exitCode
}
