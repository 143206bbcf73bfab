/** The fuzzing command as the tests run it: a target and a time in, its report out, its counts printed. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { FUZZ_TARGETS } from './fuzz-target.ts'

/** The most that the gate takes; the time ends it before. */
const MOST_CASES = 200_000
/** However slow the machine is: what the tests say of the outcomes needs some. */
const LEAST_CASES = 150

export interface FuzzReport {
  readonly cases: number
  readonly taken: number
  readonly refused: Readonly<Record<string, number>>
  readonly finds: readonly { readonly case: number; readonly what: string }[]
}

export async function runFuzz(target: string, seconds: number): Promise<FuzzReport> {
  const args = ['test/fuzz/run.ts', target, '--cases', String(MOST_CASES), '--seconds', String(seconds), '--least', String(LEAST_CASES), '--json']
  // with finds it exits with 1, and its report is as good
  const { stdout } = await promisify(execFile)(process.execPath, args).catch((error: { stdout: string }) => error)
  const report = JSON.parse(stdout) as FuzzReport
  const { cases, taken } = report
  process.stdout.write(`fuzzing: ${cases} ${FUZZ_TARGETS[target]!.cases} in ${seconds} s, ${taken} ${FUZZ_TARGETS[target]!.taken}, ${cases - taken} refused\n`)
  return report
}
