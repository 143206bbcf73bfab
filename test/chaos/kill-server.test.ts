import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { hasOrthanc, startOrthanc } from '../support/orthanc.ts'
import { hasPostgres, startPostgres, type TestPostgres } from '../support/postgres.ts'
import { killServer, OBJECTS } from './kill-server.ts'

/** `npm run chaos` is the long run that docs/reliability.md reports. */
const [KILLS, ORDERS] = [3, 12]

const databases: readonly { name: string; isThere: boolean; start: () => Promise<TestPostgres | null> }[] = [
  { name: 'PGlite', isThere: true, start: async () => null },
  { name: `PostgreSQL${hasPostgres ? '' : " (needs Debian's postgresql)"}`, isThere: hasPostgres, start: startPostgres },
]

describe.skipIf(!hasOrthanc)(`the whole server killed at random moments${hasOrthanc ? '' : ' (needs orthanc and orthanc-dicomweb)'}`, () => {
  for (const { name, isThere, start } of databases) {
    it.skipIf(!isThere)(`brings the results of each acknowledged instance to the archive once, on ${name}`, { timeout: 300_000 }, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'attending-chaos-'))
      const [archive, postgres] = [await startOrthanc(), await start()]
      try {
        const databaseUrl = postgres === null ? null : await postgres.createDatabase('chaos')
        const outcome = await killServer({ kills: KILLS, orders: ORDERS, folder, databaseUrl, archive, seed: 7, report: () => undefined })
        expect(outcome).toMatchObject({ acknowledged: ORDERS, states: { done: ORDERS }, studiesByObjects: { [OBJECTS]: ORDERS } })
        // One kill amid acceptance, one amid a prediction, one after the archive has stored and before the server knows: asked by QIDO-RS, it is not sent again.
        expect(outcome.killRecords.map(({ aim, point }) => point ?? aim)).toEqual(['accept', 'predict', 'stored'])
        expect(outcome).toMatchObject({ objects: ORDERS * OBJECTS, storedAgain: 0, sentDifferently: 0, keptDifferently: 0 })
      } finally {
        await archive.stop()
        await postgres?.stop()
        rmSync(folder, { recursive: true, force: true })
      }
    })
  }
})
