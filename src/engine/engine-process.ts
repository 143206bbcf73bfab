/** One forked engine: its messages come out as events, and it can be given a job, asked to end, or killed. */
import { type ChildProcess, fork } from 'node:child_process'
import type { EngineStart, FromEngine, ToEngine } from './messages.ts'
import { inheritedFlags } from './node-flags.ts'

const STDERR_TAIL_BYTES = 4096

export interface EngineProcessSettings {
  /** Absolute path of the child's entry file. */
  readonly childFile: string
  /** The child's whole environment: it inherits none of the parent's. */
  readonly environment: Readonly<Record<string, string>>
  readonly start: EngineStart
}

export interface EngineProcessEvents {
  onMessage(message: FromEngine): void
  /** Once, however the child ended. `lastWords` is what it wrote before it was ready, when no input had reached it yet; empty later. */
  onExit(lastWords: string): void
}

export interface EngineProcess {
  readonly pid: number | undefined
  send(message: ToEngine): void
  /** Ends the child at once, in the middle of native code too. */
  kill(): void
  /** Lets the child end by itself, and kills it after `limitMs`. Resolves when it has ended. */
  stop(limitMs: number): Promise<void>
}

/** A started child that has been sent its first message. */
export function startEngineProcess(settings: EngineProcessSettings, events: EngineProcessEvents): EngineProcess {
  const child = fork(settings.childFile, [], {
    serialization: 'advanced',
    execArgv: inheritedFlags(process.execArgv),
    env: { ...settings.environment },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const stderr = collectStderr(child)
  const ended = new Promise<void>((resolve) => {
    let isOver = false
    const end = (): void => {
      if (isOver) return
      isOver = true
      resolve()
      events.onExit(stderr.text())
    }
    child.once('exit', end)
    // Where not even the fork succeeded there is no exit to wait for.
    child.on('error', () => {
      if (child.pid === undefined) end()
    })
  })
  child.on('message', (message: FromEngine) => {
    if (message.kind === 'ready') stderr.forget()
    events.onMessage(message)
  })
  const send = (message: ToEngine): void => {
    // A closed channel is no news of its own: the exit follows.
    if (child.connected) child.send(message, () => undefined)
  }
  send({ kind: 'start', start: settings.start })
  return { pid: child.pid, send, kill: () => void child.kill('SIGKILL'), stop: (limitMs) => stopChild(child, ended, limitMs) }
}

async function stopChild(child: ChildProcess, ended: Promise<void>, limitMs: number): Promise<void> {
  if (child.connected) child.disconnect()
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
  await ended
  clearTimeout(timer)
}

/** The end of what the child writes, kept only until it is ready: later lines could quote an image and are dropped. */
function collectStderr(child: ChildProcess): { text(): string; forget(): void } {
  let tail = ''
  let isOpen = true
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (isOpen) tail = (tail + text).slice(-STDERR_TAIL_BYTES)
  })
  return {
    text: () => tail,
    forget: () => {
      isOpen = false
      tail = ''
    },
  }
}
