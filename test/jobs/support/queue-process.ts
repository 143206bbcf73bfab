/**
 * A server reduced to its queue: it accepts the orders of its arguments, works, and is killed from outside at any moment.
 *
 * argv: the folder, the database's connection string or '', the first order's number, the number of orders.
 * It reports each acceptance as 'accepted <number> <job id>', and 'idle' whenever nothing is left to do.
 * The archive is a folder beside the queue: one file an object, its content a line for each time that it was stored.
 */
import { randomBytes } from 'node:crypto'
import { appendFile, mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { InstanceOrder, JobWork } from '../../../src/domain/job.ts'
import { openPglite, openPostgres } from '../../../src/jobs/database.ts'
import { lockDataFolder } from '../../../src/jobs/lock-data-folder.ts'
import { openJobQueue } from '../../../src/jobs/open-job-queue.ts'

const [folder = '', connectionString = '', first = '0', count = '0'] = process.argv.slice(2)
const archive = join(folder, 'archive')
await mkdir(archive, { recursive: true })
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))

const work: JobWork = {
  async perform(_order, bytes) {
    await pause()
    return {
      kind: 'results',
      modelId: 'm',
      predictionId: null,
      destinations: ['archive'],
      objects: [{ kind: 'sr', studyInstanceUid: '1.2.8', seriesInstanceUid: '1.2.9', sopClassUid: '1.2', sopInstanceUid: `2.25.${bytes[0]}${bytes[1]}`, bytes }],
    }
  },
  async *retrieve() {},
  async deliver(_destination, objects) {
    await pause()
    for (const { sopInstanceUid } of objects) await appendFile(join(archive, sopInstanceUid), `${process.pid}\n`)
  },
}

if (connectionString === '') await lockDataFolder(folder, { processId: process.pid, host: hostname(), since: '' })
const queue = await openJobQueue({
  database: connectionString === '' ? await openPglite(join(folder, 'queue')) : await openPostgres(connectionString, 6),
  folder: join(folder, 'files'),
  work,
  destinations: [{ name: 'archive', concurrency: 4, retry: { limit: 50, delaySeconds: 0, maxDelaySeconds: 1 } }],
  predictConcurrency: 4,
  predictRetry: { limit: 50, delaySeconds: 0, maxDelaySeconds: 1 },
  retentionMs: 3_600_000,
  pollMs: 50,
  heartbeatSeconds: 10,
  now: () => new Date(),
  newId: () => randomBytes(16).toString('hex'),
  log: { info() {}, warn() {}, error() {} },
})
queue.start()
process.send?.('ready')
const order: InstanceOrder = { kind: 'instance', door: 'stow', peer: null, modelId: null, destinations: null }
for (let number = Number(first); number < Number(first) + Number(count); number++) {
  const { job } = await queue.submitInstance(order, Uint8Array.of(1 + Math.floor(number / 100), 100 + (number % 100)), { idempotencyKey: `order-${number}` })
  process.send?.(`accepted ${number} ${job.id}`)
}
setInterval(async () => {
  const { states } = await queue.counts()
  if (states.queued + states.running + states.delivering === 0) process.send?.(`idle ${states.done} ${states.dead} ${states.failed}`)
}, 100)
