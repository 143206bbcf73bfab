/**
 * Contenders that wait for their turn: each is a process of its own, so that none pays for another's compiled code or garbage, and one works at a time, so that
 * a busy machine slows all of them.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'

/** A contender, seen from the bench. */
export interface Contender {
  /** Why it does not run here; null where it does. */
  readonly absent: string | null
  /** What it said of itself once it was ready; empty where it is absent. */
  readonly said: string
  /** Lets it work; resolves to the milliseconds that it counted. */
  readonly turn: () => Promise<number>
  readonly stop: () => void
}

/** Starts a process that answers turns, and waits until it is ready. */
export async function startContender(command: string, args: readonly string[]): Promise<Contender> {
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] })
  child.stdin.on('error', () => {}) // a process that ended is told by its output
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const first = await lines.next()
  const text = first.done ? 'absent the process ended' : first.value
  const said = /^ready(?: (.*))?$/.exec(text)
  const turn = async (): Promise<number> => {
    child.stdin.write('turn\n')
    return Number((await lines.next()).value)
  }
  return { absent: said === null ? text.replace(/^absent /, '') : null, said: said?.[1] ?? '', turn, stop: () => child.kill() }
}

/** The other side: prepares, says so, then answers each line of input with the milliseconds of a turn, until the input ends. */
export async function answerTurns(prepare: () => Promise<{ readonly said: string; readonly turn: () => Promise<number> }>): Promise<never> {
  try {
    const { said, turn } = await prepare()
    process.stdout.write(`ready ${said}\n`)
    for await (const _ of createInterface({ input: process.stdin })) process.stdout.write(`${await turn()}\n`)
  } catch (error) {
    process.stdout.write(`absent ${error instanceof Error ? error.message.split('\n')[0] : String(error)}\n`)
  }
  process.exit(0)
}
