/** The retention time in, finished jobs past it and files that no job knows removed out. */
import { removeFiles } from './finish-job.ts'
import type { KeptObject } from './job-record.ts'
import type { QueueContext } from './queue-context.ts'

/** A file is written just before its row: one without a row is given this long. */
const ORPHAN_MS = 24 * 3_600_000

/** How many jobs were removed. A pull goes once all of its orders have gone. */
export async function sweepJobs(context: QueueContext, retentionMs: number): Promise<number> {
  const nowMs = context.now().getTime()
  const { rows } = await context.database.executeSql(
    `DELETE FROM attending.job AS old WHERE finished_at < $1
       AND NOT EXISTS (SELECT 1 FROM attending.job AS child WHERE child.parent_id = old.id) RETURNING payload, results`,
    [new Date(nowMs - retentionMs)],
  )
  for (const row of rows) await removeFiles(context, { payload: row['payload'] as string | null, results: row['results'] as readonly KeptObject[] })
  await removeOrphans(context, new Date(nowMs - ORPHAN_MS))
  return rows.length
}

async function removeOrphans(context: QueueContext, before: Date): Promise<void> {
  for (const key of await context.files.keysBefore(before)) {
    const [id] = key.split('-')
    const { rows } = await context.database.executeSql('SELECT 1 FROM attending.job WHERE id = $1', [id])
    if (rows.length === 0) await context.files.remove(key)
  }
}
