/** A picture or DICOM object in, which model, input and settings made it out: `npm run check-artifact -- FILE`. */
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { readArtifact } from './artifact/read-artifact.ts'
import { Problem, toProblemData } from './domain/problem.ts'
import { outliveReader } from './terminal/outlive-reader.ts'

const HELP = `npm run check-artifact -- FILE [--json]

Tells which model, input hash and settings made an overlay (PNG) or a DICOM object of this program.

  --json   print one JSON document and nothing else
  --help   this text
`

async function run(args: readonly string[]): Promise<string> {
  const { values, positionals } = parse(args)
  if (values.help) return HELP
  const [path] = positionals
  if (path === undefined || positionals.length > 1) throw new Problem('parameter-invalid', 'give exactly one file; --help tells more', { parameter: 'FILE' })
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new Problem('file-unreadable', 'the file cannot be read', {}, error)
  })
  const artifact = readArtifact(bytes)
  if (values.json) return `${JSON.stringify(artifact, null, 2)}\n`
  const width = Math.max(...Object.keys(artifact.facts).map((name) => name.length))
  return Object.entries(artifact.facts)
    .map(([name, value]) => `${name.padEnd(width)}  ${value}\n`)
    .join('')
}

function parse(args: readonly string[]): { values: { json?: boolean; help?: boolean }; positionals: string[] } {
  try {
    return parseArgs({ args: [...args], options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } }, allowPositionals: true })
  } catch (error) {
    throw new Problem('parameter-invalid', (error as Error).message, { parameter: 'options' }, error)
  }
}

outliveReader()
try {
  process.stdout.write(await run(process.argv.slice(2)))
} catch (error) {
  const { code, detail } = toProblemData(error)
  process.stderr.write(`${code}: ${detail}\n`)
  process.exitCode = 1
}
