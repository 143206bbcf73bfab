import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildChestPhantom } from '../../src/demo/chest-phantom.ts'
import type { JobAnswer } from '../../src/http/to-job-answer.ts'
import { hasPostgres, startPostgres, type TestPostgres } from '../support/postgres.ts'
import { type RunningServer, startServer } from './support/start-server.ts'
import { TINY_DCMM, writeTinyBundles } from './support/write-tiny-bundle.ts'

const ORDERS = 8
let folder: string
let postgres: TestPostgres
let servers: RunningServer[] = []

beforeAll(async () => {
  if (!hasPostgres) return
  folder = mkdtempSync(join(tmpdir(), 'attending-two-'))
  writeTinyBundles(join(folder, 'models'))
  writeFileSync(join(folder, 'rules.json'), '{"version":1,"rules":[]}')
  writeFileSync(join(folder, 'gateway.json'), '{"version":1,"rulesFile":"rules.json"}')
  postgres = await startPostgres()
  const url = await postgres.createDatabase('shared')
  servers = await Promise.all(['a', 'b'].map((name) => startServer({ ...environment(name), DATABASE_URL: url })))
})
afterAll(async () => {
  if (!hasPostgres) return
  await Promise.all(servers.map((server) => server.stop()))
  await postgres.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** A data folder of its own, and the queue's folder shared. */
const environment = (name: string): Record<string, string> => ({
  ATTENDING_MODELS_DIR: join(folder, 'models'),
  ATTENDING_DATA_DIR: join(folder, name),
  ATTENDING_QUEUE_DIR: join(folder, 'queue'),
  ATTENDING_GATEWAY_FILE: join(folder, 'gateway.json'),
  ATTENDING_ENGINES: '1',
})

const order = async (server: RunningServer, seed: number): Promise<number> => {
  const body = buildChestPhantom({ rows: 120, columns: 96, seed, opacity: 0.8 })
  const response = await fetch(`${server.url}/v1/jobs?model=${TINY_DCMM}`, { method: 'POST', headers: { 'content-type': 'application/dicom' }, body })
  await response.arrayBuffer()
  return response.status
}
const jobsAt = async (server: RunningServer): Promise<readonly JobAnswer[]> =>
  ((await (await fetch(`${server.url}/v1/jobs?limit=100`)).json()) as { jobs: readonly JobAnswer[] }).jobs
const predictionsOf = (name: string): string[] => readdirSync(join(folder, name, 'predictions', 'live'))

describe.skipIf(!hasPostgres)(`two servers on one PostgreSQL${hasPostgres ? '' : " (needs Debian's postgresql)"}`, () => {
  it('share the work, and one does what was accepted by the other that was killed', async () => {
    const [first, second] = [servers[0]!, servers[1]!]
    const statuses = await Promise.all(Array.from({ length: ORDERS }, (_, seed) => order(first, seed)))
    expect(statuses).toEqual(Array.from({ length: ORDERS }, () => 202))
    await first.stop('SIGKILL')
    servers = [second]
    await expect.poll(async () => (await jobsAt(second)).map(({ state }) => state), { timeout: 150_000, interval: 500 }).toEqual(Array.from({ length: ORDERS }, () => 'done'))
    const jobs = await jobsAt(second)
    // What the dead one had finished lies in its own folder; the rest, at least one, is here.
    const [there, here] = [predictionsOf('a'), predictionsOf('b')]
    expect([...new Set([...there, ...here])].sort()).toEqual(jobs.map(({ id }) => id).sort())
    expect(here.length).toBeGreaterThan(0)
    for (const id of here) expect((await fetch(`${second.url}/v1/predictions/${id}/results/sr.dcm`)).status).toBe(200)
  }, 240_000)
})
