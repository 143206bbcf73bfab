/** `npm run chaos`: the whole server killed at random moments of many orders, on either database; prints what the archive holds in the end. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { hasOrthanc, startOrthanc } from '../support/orthanc.ts'
import { hasPostgres, startPostgres } from '../support/postgres.ts'
import { killServer } from './kill-server.ts'

const HELP = `npm run chaos [-- --kills 30 --orders 200 --database pglite|postgres --seed 1]

Sends orders by STOW-RS to a server that is killed (kill -9) at random moments and started again; results go to a real Orthanc. Needs Debian's
orthanc and orthanc-dicomweb, and postgresql for --database postgres. Exits with 1 where a result is lost or doubled.
`

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '30' },
    orders: { type: 'string', default: '200' },
    database: { type: 'string', default: 'pglite' },
    seed: { type: 'string', default: '1' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) process.stdout.write(HELP)
else process.exitCode = await main()

async function main(): Promise<number> {
  const isPostgres = values.database === 'postgres'
  if (!hasOrthanc || (isPostgres && !hasPostgres)) {
    process.stderr.write(HELP)
    return 2
  }
  const folder = mkdtempSync(join(tmpdir(), 'attending-chaos-'))
  const archive = await startOrthanc()
  const postgres = isPostgres ? await startPostgres() : null
  try {
    const databaseUrl = postgres === null ? null : await postgres.createDatabase('chaos')
    const orders = Number(values.orders)
    const report = (line: string): void => void process.stderr.write(`${line}\n`)
    const outcome = await killServer({ kills: Number(values.kills), orders, folder, databaseUrl, archive, seed: Number(values.seed), report })
    process.stdout.write(`${JSON.stringify({ database: values.database, kills: Number(values.kills), orders, ...outcome })}\n`)
    const isWhole = outcome.acknowledged === orders && outcome.states['done'] === orders && Object.values(outcome.studiesByObjects).join() === String(orders)
    return isWhole ? 0 : 1
  } finally {
    await archive.stop()
    await postgres?.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
