/** `npm run bench`: a table's name in, the table out. Every figure is a ratio of things measured side by side, so that a busy machine moves both. */
import { readdirSync } from 'node:fs'

/** A bench's file exports this: it returns the table's lines, and reads no clock but performance.now. */
export type Bench = (args: readonly string[]) => Promise<string>

const benches = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts' && !file.endsWith('.test.ts'))
  .map((file) => file.slice(0, -'.ts'.length))
  .sort()

const HELP = `npm run bench -- <name> [options]

${benches.map((name) => `  ${name}`).join('\n')}
`

const [name, ...args] = process.argv.slice(2)
if (name !== undefined && benches.includes(name)) {
  const { bench } = (await import(`./${name}.ts`)) as { bench: Bench }
  process.stdout.write(await bench(args))
} else {
  process.stdout.write(HELP)
  process.exitCode = name === undefined || name === '--help' ? 0 : 1
}
