import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { hasOrthanc, startOrthanc } from '../support/orthanc.ts'
import { hasPostgres, startPostgres, type TestPostgres } from '../support/postgres.ts'
import { killServer } from './kill-server.ts'

/** `npm run chaos` is the long run that docs/reliability.md reports. */
const [KILLS, ORDERS] = [3, 12]
/** Report, secondary capture, segmentation and key object selection of a radiograph. */
const OBJECTS = 4

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
      } finally {
        await archive.stop()
        await postgres?.stop()
        rmSync(folder, { recursive: true, force: true })
      }
    })
  }
})
