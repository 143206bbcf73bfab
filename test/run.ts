/** Every check of the project in one command: lint, types, then all tests. Prints `N passed, N failed, N skipped` at its end. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const only = process.argv
  .find((argument) => argument.startsWith('--only='))
  ?.slice('--only='.length)
  .split(',')
const filters = process.argv.slice(2).filter((argument) => !argument.startsWith('--only='))

interface Counts {
  passed: number
  failed: number
  skipped: number
}

function runNode(script: string, args: readonly string[]): boolean {
  const { status } = spawnSync(process.execPath, [join(root, script), ...args], { cwd: root, stdio: 'inherit' })
  return status === 0
}

/** Vitest's own JSON report gives the counts; a run that leaves none has failed as a whole. */
function runTests(): Counts {
  const folder = mkdtempSync(join(tmpdir(), 'attending-test-'))
  const report = join(folder, 'report.json')
  const ok = runNode('node_modules/vitest/vitest.mjs', ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...filters])
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(readFileSync(report, 'utf8'))
    // A file that does not even load fails the run without failing a test.
    const failed = ok ? numFailedTests : Math.max(1, numFailedTests)
    return { passed: numPassedTests, failed, skipped: numPendingTests + numTodoTests }
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const steps: Record<string, () => Counts> = {
  lint: () => asCounts(runNode('node_modules/@biomejs/biome/bin/biome', ['ci', '--error-on-warnings', '--colors=off', '.'])),
  types: () => asCounts(runNode('node_modules/typescript/bin/tsc', ['--noEmit'])),
  tests: runTests,
}

function asCounts(ok: boolean): Counts {
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 }
}

const total: Counts = { passed: 0, failed: 0, skipped: 0 }
for (const [name, run] of Object.entries(steps)) {
  if (only && !only.includes(name)) continue
  console.log(`\n== ${name}`)
  const counts = run()
  total.passed += counts.passed
  total.failed += counts.failed
  total.skipped += counts.skipped
}
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exitCode = total.failed === 0 ? 0 : 1
