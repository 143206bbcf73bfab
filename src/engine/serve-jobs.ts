/** The loop of an engine, inside the forked child: start and jobs come in as messages, answers go out; nothing is written to the terminal. */
import { toLogFrames } from '../domain/log.ts'
import { Problem, type ProblemData, toProblemData } from '../domain/problem.ts'
import type { EngineRequest, EngineResult, EngineStart, FromEngine, ToEngine } from './messages.ts'

/** What an engine can do once it has started. */
export interface EngineWork {
  /** Ids of the models that are loaded and warm. */
  readonly models: readonly string[]
  /** advanced  called after each frame of an instance */
  run(request: EngineRequest, advanced: () => void): Promise<EngineResult>
  release(): Promise<void>
}

/**
 * Serves the parent until it disconnects, then releases the work and ends the process with code 0.
 *
 * Signals of the terminal are left to the parent: it drains, and an engine that died of the same Ctrl-C would lose its job.
 */
export function serveJobs(prepare: (start: EngineStart) => Promise<EngineWork>): void {
  let work: EngineWork | null = null
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
  process.on('disconnect', () => {
    void (work?.release() ?? Promise.resolve()).finally(() => process.exit(0))
  })
  process.on('message', (message: ToEngine) => {
    if (message.kind === 'start') void startWork(prepare, message.start).then((started) => (work = started))
    else void answerJob(work, message.jobId, message.request).then(send)
  })
}

async function startWork(prepare: (start: EngineStart) => Promise<EngineWork>, start: EngineStart): Promise<EngineWork | null> {
  try {
    const work = await prepare(start)
    send({ kind: 'ready', models: work.models })
    return work
  } catch (error) {
    send({ kind: 'refused', ...toFailure(error) })
    return null
  }
}

async function answerJob(work: EngineWork | null, jobId: number, request: EngineRequest): Promise<FromEngine> {
  try {
    if (work === null) throw new Problem('model-not-ready', 'the engine has not started', {})
    return { kind: 'done', jobId, result: await work.run(request, () => send({ kind: 'advanced', jobId })) }
  } catch (error) {
    return { kind: 'failed', jobId, ...toFailure(error) }
  }
}

function toFailure(error: unknown): { problem: ProblemData; frames: string | null } {
  const problem = toProblemData(error)
  return { problem, frames: error instanceof Problem && error.cause === undefined ? null : toLogFrames(error) }
}

/** The parent may be gone: then the disconnect ends this process, and the lost answer has no reader. */
function send(message: FromEngine): void {
  if (process.connected) process.send?.(message, undefined, {}, () => undefined)
}
