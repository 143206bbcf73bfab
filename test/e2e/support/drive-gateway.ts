/** A running server with its doors open, as its peers meet it: images in by dcmtk, the jobs that come of them. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, vi } from 'vitest'
import type { JobAnswer } from '../../../src/http/to-job-answer.ts'
import type { RunningServer } from './start-server.ts'

const run = promisify(execFile)

/** By dcmtk, in one association; resolves once each instance was answered 0000. */
export async function storescu(server: RunningServer, files: readonly Uint8Array[], ...options: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'attending-send-'))
  const paths = files.map((_, i) => join(folder, `${i}.dcm`))
  files.forEach((bytes, i) => void writeFileSync(paths[i] ?? '', bytes))
  const port = /C-STORE on port (\d+)/.exec(server.output())?.[1] ?? ''
  try {
    await run('storescu', [...options, '-aec', 'ATTENDING', '127.0.0.1', port, ...paths])
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export async function listJobs(server: RunningServer): Promise<readonly JobAnswer[]> {
  return ((await (await fetch(`${server.url}/v1/jobs?limit=1000`)).json()) as { readonly jobs: readonly JobAnswer[] }).jobs
}

/** The jobs, once so many have come to their end. */
export async function untilOver(server: RunningServer, count: number): Promise<readonly JobAnswer[]> {
  return await vi.waitFor(
    async () => {
      const jobs = await listJobs(server)
      expect(jobs.filter(({ finishedAt }) => finishedAt !== null)).toHaveLength(count)
      return jobs
    },
    { timeout: 120_000, interval: 200 },
  )
}
