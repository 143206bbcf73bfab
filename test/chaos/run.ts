/** `npm run chaos`: the whole server killed at random moments of many orders, on either database; prints what the archive holds in the end. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { hasOrthanc, startOrthanc } from '../support/orthanc.ts'
import { hasPostgres, startPostgres } from '../support/postgres.ts'
import { type ChaosOutcome, type KillRecord, killServer, OBJECTS } from './kill-server.ts'

const HELP = `npm run chaos [-- --kills 30 --orders 200 --database pglite|postgres --seed 1]

Sends orders by STOW-RS to a server that is killed (kill -9) and started again; results go to a real Orthanc behind a wire that counts what it
stores. The kills are spread over the whole of the work, and fall in turn amid acceptance, prediction and delivery, at moments drawn from the
seed. Needs Debian's orthanc and orthanc-dicomweb, and postgresql for --database postgres. Exits with 1 where a result is lost, or stored in
different forms. Prints what each kill fell on, and in the end one line of JSON.
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
    const { killRecords, ...counts } = outcome
    process.stdout.write(`${JSON.stringify({ database: values.database, kills: Number(values.kills), orders, ...counts, killsAmid: countKills(killRecords) })}\n`)
    return isWhole(outcome, orders) ? 0 : 1
  } finally {
    await archive.stop()
    await postgres?.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function isWhole({ acknowledged, states, studiesByObjects, objects, sentDifferently, keptDifferently }: ChaosOutcome, orders: number): boolean {
  const isEachThere = acknowledged === orders && states['done'] === orders && studiesByObjects[OBJECTS] === orders && objects === orders * OBJECTS
  return isEachThere && sentDifferently === 0 && keptDifferently === 0
}

/** A kill may fall on several steps at once: each of them counts it. */
function countKills(records: readonly KillRecord[]): Record<string, number> {
  const count = (isSo: (record: KillRecord) => boolean): number => records.filter(isSo).length
  const { queued = 0, running = 0, delivering = 0 } = records.at(-1)?.states ?? {}
  return {
    acceptance: count(({ isAccepting }) => isAccepting),
    prediction: count(({ states }) => (states['running'] ?? 0) > 0),
    delivery: count(({ states }) => (states['delivering'] ?? 0) > 0),
    store: count(({ openStores }) => openStores > 0),
    openAtTheLast: queued + running + delivering,
  }
}
