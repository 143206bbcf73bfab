/** `npm run rules -- check FILE`: a DICOM file and the rules in, the decision and why out; `npm run rules -- validate`: the rules alone. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Problem, toProblemData } from './domain/problem.ts'
import { type Arrival, decideRoute, type Route } from './routing/decide-route.ts'
import { readRoutingFacts } from './routing/routing-facts.ts'
import { parseRules, type Rules } from './routing/rules-file.ts'
import { outliveReader } from './terminal/outlive-reader.ts'

const ROOT = resolve(import.meta.dirname, '..')

const HELP = `npm run rules -- check FILE.dcm [options]
npm run rules -- validate [options]

Explains which rule decides about an instance, condition by condition, or checks the rules file alone.

  --rules FILE   the rules (default: rules.json)
  --door NAME    the door that it would come through: stow, c-store, folder, pull, ups (default: stow)
  --peer NAME    the AE title or archive that it would come from
  --json         print the decision as one JSON document and nothing else
  --help         this text

The exit code is 0 where the instance would be predicted, 3 where it would be skipped, and 1 on failure.
`

const OPTIONS = {
  rules: { type: 'string', default: 'rules.json' },
  door: { type: 'string', default: 'stow' },
  peer: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

const SKIPPED = 3

/** The exit status. */
async function main(args: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parse(args)
    if (values.help) {
      process.stdout.write(HELP)
      return 0
    }
    const [verb, file] = positionals
    const rules = parseRules((await read(resolve(ROOT, values.rules))).toString('utf8'), null)
    if (verb === 'validate') return validate(rules)
    if (verb !== 'check' || file === undefined) throw new Problem('parameter-invalid', 'say check FILE, or validate; --help tells more', { parameter: 'command' })
    return explain(readRoutingFacts(await read(resolve(file))), { door: values.door, peer: values.peer ?? null }, rules, values.json)
  } catch (error) {
    const { code, detail } = toProblemData(error)
    process.stderr.write(`${code}: ${detail}\n`)
    return 1
  }
}

function parse(args: readonly string[]): ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>> {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: true, args: [...args] })
  } catch (error) {
    throw new Problem('parameter-invalid', (error as Error).message, { parameter: 'options' }, error)
  }
}

async function read(path: string): Promise<Buffer> {
  return readFile(path).catch((error: unknown) => {
    throw new Problem('file-unreadable', 'the file cannot be read', {}, error)
  })
}

function validate({ rules }: Rules): number {
  process.stdout.write(`The rules are valid: ${rules.length} of them. Models and destinations are checked when the server starts.\n`)
  return 0
}

function explain(facts: Parameters<typeof decideRoute>[0], arrival: Arrival, rules: Rules, isJson: boolean): number {
  const route = decideRoute(facts, arrival, rules)
  process.stdout.write(isJson ? `${JSON.stringify(route, null, 2)}\n` : toText(route))
  return route.decision.kind === 'predict' ? 0 : SKIPPED
}

function toText({ decision, tried }: Route): string {
  const rules = tried.flatMap(({ rule, holds, conditions }) => [
    `${holds ? 'takes' : 'leaves'}  ${rule}`,
    ...(conditions.length === 0 ? ['          no conditions'] : conditions.map(({ condition, holds: isMet }) => `          ${isMet ? 'holds   ' : 'does not'}  ${condition}`)),
  ])
  return `${[...rules, '', toSentence(decision)].join('\n')}\n`
}

function toSentence(decision: Route['decision']): string {
  if (decision.kind === 'skip') return `Skipped: ${decision.reason}.`
  const { modelId, frames, destinations } = decision
  const frameText = frames.length === 1 ? `frame ${frames[0]}` : `${frames.length} frames`
  return `Predicted: ${frameText} by ${modelId}, results to ${destinations.join(', ') || 'no destination'}.`
}

outliveReader()
process.exitCode = await main(process.argv.slice(2))
