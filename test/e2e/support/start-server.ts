/** The real server as its own process on a free port, its output at hand. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { NODE_FLAGS } from '../../../src/engine/node-flags.ts'

const ROOT = resolve(import.meta.dirname, '../../..')

export interface RunningServer {
  readonly url: string
  readonly process: ChildProcess
  /** Everything that it wrote so far. */
  output(): string
  /** Process ids of its engines. */
  enginePids(): number[]
  /** Sends the signal and resolves with the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

const run = (environment: Readonly<Record<string, string>>): { child: ChildProcess; output(): string; ended: Promise<number | null> } => {
  const child = spawn(process.execPath, [...NODE_FLAGS, join(ROOT, 'src/main.ts')], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'] ?? '', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
  }
  return { child, output: () => text, ended: new Promise((done) => child.once('close', done)) }
}

/** Resolves once the server listens; rejects with what it wrote when it ends instead. */
export async function startServer(environment: Readonly<Record<string, string>>): Promise<RunningServer> {
  const { child, output, ended } = run({ ATTENDING_PORT: '0', ...environment })
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.on('data', () => {
      const address = /listens on (http:\/\/\S+)\n/.exec(output())?.[1]
      if (address !== undefined) resolve(address)
    })
    void ended.then(() => reject(new Error(output())))
  })
  return {
    url,
    process: child,
    output,
    enginePids: () => readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ').map(Number),
    stop: (signal = 'SIGTERM') => {
      child.kill(signal)
      return ended
    },
  }
}

/** What a start that must fail ends with. */
export async function failToStart(environment: Readonly<Record<string, string>>): Promise<{ code: number | null; output: string }> {
  const { output, ended } = run({ ATTENDING_PORT: '0', ...environment })
  const code = await ended
  return { code, output: output() }
}
