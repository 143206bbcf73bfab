/** Worklists of the settings in, workers that claim their workitems and bring them through the durable queue out (IHE AIW-I, the performer). */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Job, PullOrder } from '../domain/job.ts'
import { FINAL_JOB_STATES } from '../domain/job.ts'
import type { Log } from '../domain/log.ts'
import { Problem } from '../domain/problem.ts'
import type { JobQueue } from '../jobs/open-job-queue.ts'
import { type OutputReference, transactionUid, type Workitem } from '../pacs/ups-client.ts'
import { startUpsWorker, type UpsWorker } from '../pacs/ups-worker.ts'
import type { WorklistSettings } from './gateway-file.ts'

export interface WorklistParts {
  readonly worklists: readonly WorklistSettings[]
  readonly jobs: JobQueue
  /** Shared by servers that share the database: any of them may end what another one claimed. */
  readonly folder: string
  readonly stationName: string
  readonly now: () => Date
  readonly newId: () => string
  readonly log: Log
}

/** One worker for each worklist, started. */
export async function workWorklists(parts: WorklistParts): Promise<readonly UpsWorker[]> {
  if (parts.worklists.length === 0) return []
  const secret = await readOrDrawSecret(join(parts.folder, 'worklist-secret'), parts.newId)
  return parts.worklists.map((worklist) =>
    startUpsWorker({
      peer: worklist.peer,
      worklistLabel: worklist.label,
      stationName: parts.stationName,
      pollMs: worklist.pollMs,
      transactionUidOf: (workitemUid) => transactionUid(secret, worklist.name, workitemUid),
      perform: (item, progress, signal) => performWorkitem(parts.jobs, worklist, item, progress, signal),
      now: parts.now,
      log: parts.log,
    }),
  )
}

/** Written once and then kept: a process that died over a workitem proves with it that the workitem is still its own. */
async function readOrDrawSecret(path: string, newId: () => string): Promise<string> {
  await writeFile(path, newId(), { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  return readFile(path, 'utf8')
}

/**
 * Each input as a pull of its own, the same one however often the workitem is taken up; what its instances were delivered as.
 *
 * Throws: "parameter-invalid" with the reason, where a pull came to no good end or no rule took any of the images.
 */
async function performWorkitem(
  jobs: JobQueue,
  { name, inputArchive, modelId, destinations }: WorklistSettings,
  { uid, inputs }: Workitem,
  progress: (percent: number) => Promise<void>,
  signal: AbortSignal,
): Promise<readonly OutputReference[]> {
  const pulls: Job[] = []
  for (const [index, key] of inputs.entries()) {
    const order: PullOrder = { kind: 'pull', archive: inputArchive, ...key, modelId, destinations }
    pulls.push((await jobs.submitPull(order, { idempotencyKey: `worklist/${name}/${uid}/${index}` })).job)
  }
  const outputs: OutputReference[] = []
  for (const [index, { id }] of pulls.entries()) {
    const ended = await untilEnd(jobs, id, (share) => progress((100 * (index + share)) / pulls.length), signal)
    if (ended.state !== 'done') throw endProblem(ended)
    outputs.push(...(await jobs.listOutputs(id)))
  }
  if (outputs.length === 0) throw unfit('no rule takes any of them')
  return outputs
}

/** `told` hears the share of the pull's instances that came to an end. */
async function untilEnd(jobs: JobQueue, id: string, told: (share: number) => Promise<void>, signal: AbortSignal): Promise<Job> {
  let last = -1
  for await (const { progress } of jobs.follow(id, 0, signal)) {
    const share = progress.total === 0 ? 0 : progress.done / progress.total
    if (Math.floor(share * 100) <= last) continue
    last = Math.floor(share * 100)
    await told(share)
  }
  const job = await jobs.find(id)
  // The server stops before the pull has ended: the next one goes on with it.
  if (!FINAL_JOB_STATES.includes(job.state)) throw new Problem('pacs-unreachable', 'the work is not over', {})
  return job
}

function endProblem({ state, problem }: Job): Problem {
  return unfit(problem === null ? `an order of theirs is ${state}` : problem.detail)
}

/** The code tells the worker that the workitem itself is at its end, whatever the reason was. */
function unfit(reason: string): Problem {
  return new Problem('parameter-invalid', `the inputs could not be brought to results: ${reason}`, { parameter: 'InputInformationSequence' })
}
