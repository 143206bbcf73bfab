/** What the commands of training and export share: options read, failures told in one line. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { Problem } from '../src/domain/problem.ts'
import { outliveReader } from '../src/terminal/outlive-reader.ts'

/** The exit status of a command: 0, or 1 with the failure on standard error. */
export async function runCommand(command: (args: readonly string[]) => Promise<string>, args: readonly string[]): Promise<number> {
  outliveReader()
  try {
    process.stdout.write(await command(args))
    return 0
  } catch (error) {
    process.stderr.write(`${error instanceof Problem ? `${error.message} (${error.code})` : String(error instanceof Error ? error.stack : error)}\n`)
    return 1
  }
}

/** Throws: "parameter-invalid" for options that are not understood. */
export function parseCommand<T extends NonNullable<ParseArgsConfig['options']>>(args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options })
  } catch (error) {
    throw invalid('options', error instanceof Error ? error.message : 'the options are not understood', error)
  }
}

export function invalid(parameter: string, detail: string, cause?: unknown): Problem<'parameter-invalid'> {
  return new Problem('parameter-invalid', detail, { parameter }, cause)
}
